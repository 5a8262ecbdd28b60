"""A key's whole life: made, replaced while both count, expired, revoked; as publisher and gate live it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import releases

from orchestrator.keys.key import PublicKey, SigningKey
from orchestrator.policy.verdict import Failed, Passed
from orchestrator.stories.policy_file import load
from orchestrator.stories.verification import verify

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

DAY = timedelta(days=1)
OVERLAP = 30


@dataclass(frozen=True)
class Rotated:
    """Two keys, a release by each, and the policy that `tally keys rotate` printed."""

    tally: Tally
    by_old: Path
    by_new: Path
    policy: Path
    until: datetime
    """The first moment at which the old key no longer counts: a date is included."""

    def gate(self, release: Path, code: int) -> list[dict[str, str]]:
        """What `tally verify` says today: its reasons."""
        ran = self.tally("verify", release, "--policy", self.policy, "--json")
        assert ran.code == code, ran.out + ran.err
        (found,) = json.loads(ran.out)
        reasons: list[dict[str, str]] = found.get("reasons", [])
        return reasons

    def at(self, release: Path, moment: datetime) -> list[str]:
        """The codes that a gate would tell at that moment."""
        verdict = verify(release, load(self.policy), moment)
        if isinstance(verdict, Failed):
            return [str(reason.code) for reason in verdict.reasons]
        assert isinstance(verdict, Passed)
        return []

    def revoke(self, moment: datetime, reason: str) -> None:
        """Add the line to the old key's table, which is the first."""
        line = f'revoked = {{ at = {moment:%Y-%m-%dT%H:%M:%SZ}, reason = "{reason}" }}'
        text = self.policy.read_text()
        assert text.count("\nuntil = ") == 1
        self.policy.write_text(text.replace("\nuntil = ", f"\n{line}\nuntil = "))


@pytest.fixture
def rotated(tmp_path: Path, tally_in: TallyIn) -> Rotated:
    tally = tally_in(tmp_path)
    tally("keys", "generate", "keys/old").succeeded()
    tables = tally("keys", "rotate", "keys/old.pub", "keys/new", "--overlap", str(OVERLAP)).succeeded().out
    policy = tmp_path / "policy.toml"
    policy.write_text(tables)
    made = releases.observed(tmp_path / "made", finished=datetime.now(UTC) - 2 * DAY)
    builders = releases.builder_keys(made)
    found = []
    for name in ("old", "new"):
        key = SigningKey.load(tmp_path / "keys" / f"{name}.key", lambda _: b"")
        found.append(releases.published(tmp_path / name, made, key, builders).path)
    until = re.search(r"^until = (\S+)$", tables, re.MULTILINE)
    assert until
    end = datetime.fromisoformat(until[1]).replace(tzinfo=UTC) + DAY
    return Rotated(tally, found[0], found[1], policy, end)


def test_while_they_overlap_both_count(rotated: Rotated) -> None:
    assert rotated.gate(rotated.by_old, 0) == rotated.gate(rotated.by_new, 0) == []
    assert rotated.at(rotated.by_old, rotated.until - timedelta(seconds=1)) == []
    assert rotated.at(rotated.by_new, rotated.until + 365 * DAY) == []


def test_after_that_the_old_one_has_expired_and_the_new_one_counts(rotated: Rotated) -> None:
    for moment in (rotated.until, rotated.until + 365 * DAY):
        assert set(rotated.at(rotated.by_old, moment)) == {"key-expired"}
        assert rotated.at(rotated.by_new, moment) == []


def test_a_verifier_who_does_not_know_the_new_key_yet(rotated: Rotated) -> None:
    old = rotated.policy.read_text().partition("\n[[signer]]")[0]
    rotated.policy.write_text(old)
    assert rotated.gate(rotated.by_old, 0) == []
    assert [each["code"] for each in rotated.gate(rotated.by_new, 1)] == ["untrusted-signer"]


def test_a_revocation_refuses_what_nothing_proves_to_be_older(rotated: Rotated) -> None:
    """The release was built a day before the key was lost: its own word, which its thief could give too."""
    lost = datetime.now(UTC) - DAY
    rotated.revoke(lost, "its laptop was stolen")
    reasons = rotated.gate(rotated.by_old, 1)
    assert {each["code"] for each in reasons} == {"key-revoked"}
    for each in reasons:
        assert f"old was revoked on {lost:%Y-%m-%d} (its laptop was stolen)" in each["sentence"]
        assert "nothing proves that" in each["sentence"]
    assert rotated.gate(rotated.by_new, 0) == []


def test_a_revocation_counts_from_its_moment_on(rotated: Rotated) -> None:
    moment = (datetime.now(UTC) + 5 * DAY).replace(microsecond=0)
    rotated.revoke(moment, "handed in")
    assert rotated.gate(rotated.by_old, 0) == []
    assert rotated.at(rotated.by_old, moment - timedelta(seconds=1)) == []
    assert set(rotated.at(rotated.by_old, moment)) == {"key-revoked"}
    assert rotated.at(rotated.by_new, moment) == []


def test_a_release_that_claims_to_be_made_after_the_revocation(rotated: Rotated, tmp_path: Path) -> None:
    """Even before that moment has come: whoever signs with it says himself that it is too late."""
    moment = datetime.now(UTC) + 5 * DAY
    rotated.revoke(moment, "handed in")
    made = releases.observed(tmp_path / "later", finished=moment + DAY)
    key = SigningKey.load(tmp_path / "keys" / "old.key", lambda _: b"")
    late = releases.published(tmp_path / "late", made, key, releases.builder_keys(made)).path
    assert "key-revoked" in {each["code"] for each in rotated.gate(late, 1)}


def test_revoked_and_expired_both_are_told_the_revocation_first(rotated: Rotated) -> None:
    rotated.revoke(datetime.now(UTC) - DAY, "its laptop was stolen")
    codes = rotated.at(rotated.by_old, rotated.until)
    assert codes[0] == "key-revoked"
    assert set(codes) == {"key-revoked", "key-expired"}


def test_a_revocation_without_a_reason_is_no_policy(rotated: Rotated) -> None:
    text = rotated.policy.read_text().replace("\nuntil = ", "\nrevoked = { at = 2026-01-01 }\nuntil = ")
    rotated.policy.write_text(text)
    ran = rotated.tally("verify", rotated.by_new, "--policy", rotated.policy).failed(2)
    assert "reason" in ran.err


def test_the_keys_are_two(rotated: Rotated, tmp_path: Path) -> None:
    old, new = (PublicKey.load(tmp_path / "keys" / f"{name}.pub") for name in ("old", "new"))
    assert old != new
    assert rotated.until.date() == datetime.now(UTC).date() + (OVERLAP + 1) * DAY
