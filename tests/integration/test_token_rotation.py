"""A release key in a token is replaced by another, made there: what `tally keys rotate` prints counts."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from projects import Project
from tokens import PIN, Desk, Shelf

from orchestrator.policy.verdict import Failed, Passed, Verdict
from orchestrator.stories.policy_file import load
from orchestrator.stories.verification import verify

if TYPE_CHECKING:
    from tests.conftest import TallyIn

DAY = timedelta(days=1)
RELEASE = "vaulted-1.0-x86_64-linux"


@pytest.fixture
def desk(tmp_path: Path, tally_in: TallyIn) -> Desk:
    return Desk(tally_in(tmp_path), Shelf.made(tmp_path / "shelf").token("release"))


def test_while_both_count_and_after_the_old_ones_end(project: Project) -> None:
    """Each in a token of its own, as where the next token comes by mail."""
    shelf = Shelf.made(project.folder / "shelf")
    desk = Desk(project.tally, shelf.token("2026"))
    old, new = desk.token.keypair("release", "a1"), shelf.token("2027").keypair("release", "a2")
    recipe = project.recipe("vaulted", "mkdir $out; echo inside > $out/file")

    desk("build", recipe, "--key", old, "--out", "by-old").succeeded()
    tables = desk("keys", "rotate", old, new, "--overlap", "30", pin=None).succeeded().out
    policy = project.folder / "policy.toml"
    policy.write_text(tables)
    desk("build", recipe, "--key", new, "--out", "by-new").succeeded()

    def judged(out: str, moment: datetime) -> Verdict:
        return verify(project.folder / out / RELEASE, load(policy), moment)

    for out in ("by-old", "by-new"):
        project.tally("verify", f"{out}/{RELEASE}", "--policy", policy).succeeded()
    until = re.search(r"^until = (\S+)$", tables, re.MULTILINE)
    assert until is not None
    end = datetime.fromisoformat(until[1]).replace(tzinfo=UTC) + DAY
    assert end.date() - datetime.now(UTC).date() == timedelta(days=31)
    assert isinstance(judged("by-old", end - timedelta(seconds=1)), Passed)
    late = judged("by-old", end)
    assert isinstance(late, Failed)
    assert {str(each.code) for each in late.reasons} == {"key-expired"}
    assert isinstance(judged("by-new", end + 365 * DAY), Passed)

    only_old = tables.partition("\n[[signer]]")[0]
    policy.write_text(only_old)
    refused = project.tally("verify", f"by-new/{RELEASE}", "--policy", policy).failed(1).out
    assert "untrusted-signer" in refused


def test_what_is_printed_is_what_the_token_holds(desk: Desk, tmp_path: Path) -> None:
    old, new = desk.token.keypair("release", "a1"), desk.token.keypair("release-2", "a2")
    for name, address in (("old", old), ("new", new)):
        desk("keys", "show", address, "--out", f"{name}.pub", pin=None).succeeded()
    before = sorted(tmp_path.iterdir())
    first, second = tomllib.loads(desk("keys", "rotate", old, new, pin=None).succeeded().out)["signer"]
    assert first["key"] == (tmp_path / "old.pub").read_text()
    assert second == {"name": "release-2", "key": (tmp_path / "new.pub").read_text()}
    assert first["name"] == "release"
    assert first["until"] == datetime.now(UTC).date() + 90 * DAY
    assert sorted(tmp_path.iterdir()) == before, "nothing is made"
    by_id = desk.token.address("id=%a2")
    assert 'name = "id a2"' in desk("keys", "rotate", old, by_id, pin=None).succeeded().out


def test_from_a_file_to_a_token(desk: Desk, tmp_path: Path) -> None:
    desk.tally("keys", "generate", "release").succeeded()
    address = desk.token.keypair("release")
    tables = desk("keys", "rotate", "release.pub", address, pin=None).succeeded().out
    first, second = tomllib.loads(tables)["signer"]
    assert first["key"] == "release.pub"
    assert [each["name"] for each in (first, second)] == ["release", "release (next)"]
    (tmp_path / "policy.toml").write_text(tables)
    assert "release, release (next)" in desk.tally("policy", "check", "policy.toml").succeeded().out


def test_one_pin_shows_both(desk: Desk) -> None:
    old = desk.token.keypair("old", "a1", "EC:prime256v1", "--private")
    new = desk.token.keypair("new", "a2", "EC:prime256v1", "--private")
    command = ("keys", "rotate", old, new)
    assert "needs a PIN" in desk(*command, pin=None).failed(2).err
    desk(*command, "--passphrase-fd", "0", pin=None, stdin=f"{PIN}\n").succeeded()
    desk(*command).succeeded()


def test_what_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.tally("keys", "generate", "other").succeeded()
    old = desk.token.keypair("release", "a1")
    before = sorted(tmp_path.iterdir())
    absent = old.replace("object=release", "object=release-2")
    for words, said, way_out in (
        ((old, old), "is the very key", "make another"),
        ((old, desk.token.address("id=%a1")), "is the very key", "make another"),
        ((old, absent), "no key in the token 'release'", "pkcs11-tool --keypairgen"),
        ((absent, old), "no key in the token 'release'", "keys there: 'release' (id a1)"),
        ((old, "next"), "keys are made in files alone", "by its own tool"),
        ((old, "keys/next"), "keys are made in files alone", "tally keys show OLD --out OLD.pub"),
        (("other.pub", old, "--passphrase"), "is there already", "leave it out"),
        (("other.key", old), "holds a private key", "did you mean other.pub?"),
        ((old, "kms:release"), "no keys are known by the scheme kms:", "awskms:"),
        ((old, f"{old}&pin-value={PIN}"), "has the PIN in it", "take pin-value out"),
    ):
        ran = desk("keys", "rotate", *words).failed(2)
        message, hint = ran.err.splitlines()
        assert said in message, words
        assert way_out in hint, words
        assert ran.out == ""
    assert sorted(tmp_path.iterdir()) == before
