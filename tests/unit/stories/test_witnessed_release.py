"""Releases by a key, logged in a Rekor v2 and stamped: what that proves, to whom, and what it does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import policies
import pytest
import releases
from authorities import Tsa
from rekors import Rekor2, b64
from services import Services
from witness_harms import HARMS, Case

from orchestrator.bundles import own_bundle
from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.keys.kinds import Kind
from orchestrator.log.trusted_root import TRUSTED_ROOT, TrustedRoot, Window
from orchestrator.policy.policy import Policy, trusting
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.signing import bundling
from orchestrator.signing.witnesses import Witnesses
from orchestrator.stories.verification import examine, verify

if TYPE_CHECKING:
    from tests.conftest import Tally

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
BOTH = "[require]\nlog = true\ntimestamp = true\n"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("case")
    with Services.running(folder) as services:
        yield Case.new(folder, services)


def moment() -> datetime:
    return datetime.now(UTC)


def codes(verdict: Verdict) -> list[Code]:
    if isinstance(verdict, Passed):
        return []
    assert all(reason.sentence and reason.hint for reason in verdict.reasons)
    return list(dict.fromkeys(reason.code for reason in verdict.reasons))


def policy(case: Case, folder: Path, *parts: str, more: str = "", root: TrustedRoot | None = None) -> Policy:
    """One that names a trusted root: this case's, unless another is given."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.json").write_bytes((case.root if root is None else root).render())
    signer = policies.signer(case.key, more=more)
    return policies.policy(folder, 'trusted-root = "root.json"', *parts, signer)


def shown(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def test_the_release_holds_what_its_bundles_need(case: Case) -> None:
    assert (case.folder / TRUSTED_ROOT).read_bytes() == case.root.render()
    for path in sorted((case.folder / "attestations").iterdir()):
        found = own_bundle.parse(path.read_bytes(), path.name)
        assert (len(found.entries), len(found.timestamps)) == (1, 1)


def test_it_passes_and_says_what_is_the_releases_word_alone(case: Case) -> None:
    found = verify(case.folder, trusting([case.key.public.spki]), moment())
    assert isinstance(found, Passed), found
    assert [each.split(",")[0].split(":")[0] for each in found.notices] == [
        "there are timestamps by no authority that you trust",
        "its signatures suffice; only the release says that they are in the log 127.0.0.1",
    ]
    found = verify(case.folder, trusting([case.key.public.spki]), moment(), trusted=case.root)
    assert isinstance(found, Passed)
    assert found.notices == ()


def test_a_policy_with_a_root_of_its_own_accepts_it(case: Case, tmp_path: Path) -> None:
    assert codes(verify(case.folder, policy(case, tmp_path, BOTH), moment())) == []
    each = policy(case, tmp_path / "each", more="log = true\ntimestamp = true")
    assert codes(verify(case.folder, each, moment())) == []


@pytest.mark.parametrize("name", HARMS)
def test_every_harm_is_refused(case: Case, tmp_path: Path, name: str) -> None:
    """Whatever is asked for: nobody, the caller's root, a policy that needs both."""
    folder = case.harmed(name, tmp_path)
    code, _ = HARMS[name]
    plain = trusting([case.key.public.spki])
    assert codes(verify(folder, plain, moment())) == [code]
    assert codes(verify(folder, plain, moment(), trusted=case.root)) == [code]
    assert codes(verify(folder, policy(case, tmp_path / "policy", BOTH), moment())) == [code]


class TestWhoseWordCounts:
    """The release's own root could be anybody's."""

    def test_a_policy_is_not_met_by_the_releases_own_root(self, case: Case, tmp_path: Path) -> None:
        for part, code in (
            ("log = true", Code.NOT_IN_LOG),
            ("timestamp = true", Code.TIMESTAMP_MISSING),
        ):
            for asking in (
                policies.policy(tmp_path, f"[require]\n{part}", policies.signer(case.key)),
                policies.policy(tmp_path, policies.signer(case.key, more=part)),
            ):
                assert codes(verify(case.folder, asking, moment())) == [code]
                assert codes(verify(case.folder, asking, moment(), trusted=TrustedRoot())) == [code]
                assert codes(verify(case.folder, asking, moment(), trusted=case.root)) == []

    def test_nor_by_half_a_root(self, case: Case, tmp_path: Path) -> None:
        for root, code in (
            (TrustedRoot(tlogs=case.root.tlogs), Code.TIMESTAMP_MISSING),
            (TrustedRoot(timestamp_authorities=case.root.timestamp_authorities), Code.NOT_IN_LOG),
        ):
            assert codes(verify(case.folder, policy(case, tmp_path, BOTH, root=root), moment())) == [code]

    def test_a_log_and_an_authority_that_did_not_witness_it(self, case: Case, tmp_path: Path) -> None:
        other = TrustedRoot(tlogs=(case.other_log.log,))
        assert codes(verify(case.folder, policy(case, tmp_path, root=other), moment())) == [Code.NOT_IN_LOG]
        other = TrustedRoot(timestamp_authorities=(case.other_tsa.authority,))
        found = verify(case.folder, policy(case, tmp_path, root=other), moment())
        assert isinstance(found, Passed), "a timestamp that proves nothing is none"
        assert "by no authority that you trust" in found.notices[0]
        found = verify(
            case.folder, policy(case, tmp_path, "[require]\ntimestamp = true", root=other), moment()
        )
        assert codes(found) == [Code.TIMESTAMP_MISSING]
        assert isinstance(found, Failed)
        assert (
            "timestamp 1 of attestations/provenance.sigstore.json does not hold" in found.reasons[0].sentence
        )

    def test_an_authority_outside_its_time(self, case: Case, tmp_path: Path) -> None:
        for window in (Window(NOW + DAY), Window(None, NOW - DAY)):
            authority = replace(case.services.tsa.authority, window=window)
            root = replace(case.root, timestamp_authorities=(authority,))
            found = verify(case.folder, policy(case, tmp_path, BOTH, root=root), moment())
            assert codes(found) == [Code.TIMESTAMP_MISSING]
            assert isinstance(found, Failed)
            assert "is outside its authority's" in found.reasons[0].sentence
            # beside a window that fits, it says nothing
            both = replace(case.root, timestamp_authorities=(authority, case.services.tsa.authority))
            assert codes(verify(case.folder, policy(case, tmp_path, BOTH, root=both), moment())) == []

    def test_a_log_whose_key_has_ended(self, case: Case, tmp_path: Path) -> None:
        """The timestamp proves that it was not over when that was logged; without one nothing does."""
        start = case.services.rekor.log.window.start
        ended = replace(case.services.rekor.log, window=Window(start, NOW + DAY))
        later = moment() + 9 * DAY
        with_clock = replace(case.root, tlogs=(ended,))
        assert codes(verify(case.folder, policy(case, tmp_path, BOTH, root=with_clock), later)) == []
        without = TrustedRoot(tlogs=(ended,))
        found = verify(case.folder, policy(case, tmp_path, root=without), later)
        assert codes(found) == [Code.TIMESTAMP_MISSING]
        before = TrustedRoot(tlogs=(replace(ended, window=Window(NOW + DAY)),))
        found = verify(case.folder, policy(case, tmp_path, root=before), moment())
        assert codes(found) == [Code.LOG_PROOF_INVALID]

    def test_another_root_in_the_release(self, case: Case, tmp_path: Path) -> None:
        """Whoever changes it to fit other witnesses meets the provenance, which has it by digest."""
        folder = tmp_path / case.folder.name
        shutil.copytree(case.folder, folder)
        other = TrustedRoot((case.other_log.log,), timestamp_authorities=(case.other_tsa.authority,))
        for path in (folder / "attestations").iterdir():
            old = own_bundle.parse(path.read_bytes(), path.name)
            entry = case.other_log.of_body("hashedrekord", "0.0.2", old.signed(case.key.public).body())
            document = json.loads(path.read_bytes())
            stamp = case.other_tsa.stamp(old.envelope.signatures[0].sig)
            document["verificationMaterial"]["tlogEntries"] = [entry]
            path.write_bytes(
                replace(own_bundle.parse(render_document(document), "it"), timestamps=(stamp,)).render()
            )
        (folder / TRUSTED_ROOT).write_bytes(other.render())
        releases.reindex(folder)
        found = verify(folder, trusting([case.key.public.spki]), moment())
        assert codes(found) == [Code.DIGEST_MISMATCH]
        assert codes(verify(folder, policy(case, tmp_path), moment())) == [Code.NOT_IN_LOG]


class TestKeysThatCountForATime:
    """`from`, `until` and `revoked` are judged at a trusted time where there is one."""

    def test_an_expired_key_with_a_timestamp(self, case: Case, tmp_path: Path) -> None:
        asking = policy(case, tmp_path, more=f"until = {shown(NOW + DAY)}")
        assert codes(verify(case.folder, asking, moment() + 9 * DAY)) == []

    def test_an_expired_key_without_one_that_is_trusted(self, case: Case, tmp_path: Path) -> None:
        later = moment() + 9 * DAY
        until = f"until = {shown(NOW + DAY)}"
        nobodys = TrustedRoot(tlogs=case.root.tlogs)
        assert codes(verify(case.folder, policy(case, tmp_path, more=until, root=nobodys), later)) == [
            Code.KEY_EXPIRED
        ]
        without = policies.policy(tmp_path, policies.signer(case.key, more=until))
        assert codes(verify(case.folder, without, later)) == [Code.KEY_EXPIRED]
        assert codes(verify(case.folder, without, moment())) == [], "today it has not expired"

    def test_a_key_that_had_expired_when_it_was_stamped(self, case: Case, tmp_path: Path) -> None:
        asking = policy(case, tmp_path, more=f"until = {shown(NOW - DAY)}")
        assert codes(verify(case.folder, asking, moment())) == [Code.KEY_EXPIRED]
        # and a verifier whose clock is behind believes the authority
        assert codes(verify(case.folder, asking, NOW - 2 * DAY)) == [Code.KEY_EXPIRED]

    def test_a_revoked_key(self, case: Case, tmp_path: Path) -> None:
        def revoked(at: datetime) -> str:
            return f'revoked = {{ at = {shown(at)}, reason = "it was lost" }}'

        later = moment() + 9 * DAY
        assert codes(verify(case.folder, policy(case, tmp_path, more=revoked(NOW + DAY)), later)) == []
        found = verify(case.folder, policy(case, tmp_path, more=revoked(NOW - DAY)), later)
        assert codes(found) == [Code.KEY_REVOKED]
        without = policies.policy(tmp_path, policies.signer(case.key, more=revoked(NOW + DAY)))
        assert codes(verify(case.folder, without, later)) == [Code.KEY_REVOKED]

    def test_a_key_that_counts_from_some_time_on(self, case: Case, tmp_path: Path) -> None:
        since = f"from = {shown(releases.NOW - DAY)}"
        assert codes(verify(case.folder, policy(case, tmp_path, more=since), moment())) == []
        without = policies.policy(tmp_path, policies.signer(case.key, more=since))
        assert codes(verify(case.folder, without, moment())) == [Code.TIMESTAMP_MISSING]
        before = policy(case, tmp_path, more=f"from = {shown(NOW + DAY)}")
        assert codes(verify(case.folder, before, moment() + 9 * DAY)) == [Code.KEY_NOT_YET_VALID]

    def test_an_ed25519_key_in_no_log_is_stamped(self, case: Case, tmp_path: Path) -> None:
        key = SigningKey.generate(Kind.ED25519)
        keys = releases.builder_keys(case.made)
        path = releases.published(tmp_path / "out", case.made, key, keys, clock=case.services.clock).path
        asking = policy(
            replace(case, key=key), tmp_path, more=f"timestamp = true\nuntil = {shown(NOW + DAY)}",
            root=TrustedRoot(timestamp_authorities=case.root.timestamp_authorities),
        )  # fmt: skip
        assert codes(verify(path, asking, moment() + 9 * DAY)) == []


POLICIES = {
    "nothing": "",
    "a log": "log = true",
    "a timestamp": "timestamp = true",
    "both": "log = true\ntimestamp = true",
    "until": f"until = {shown(NOW + DAY)}",
    "past": f"until = {shown(NOW - DAY)}",
    "from": f"from = {shown(releases.NOW - DAY)}",
    "revoked": f'revoked = {{ at = {shown(NOW + DAY)}, reason = "lost" }}',
}


PARTS = ("log", "other log", "clock", "second clock", "stamps worth nothing")


def test_no_evidence_that_is_taken_away_or_added_helps(case: Case, tmp_path: Path) -> None:
    """Every subset of entries and timestamps, trusted ones and others', under every policy and root.

    The release promises no witnesses, so that anybody can add and take away what he likes.
    """
    keys = releases.builder_keys(case.made)
    forms = (Form.SPDX_2_3,)  # a bundle is judged as the next one is
    bare = releases.published(tmp_path / "out", case.made, case.key, keys, forms=forms).path
    second = Tsa(tmp_path / "second")
    logs, authorities = case.root.tlogs, case.root.timestamp_authorities
    roots: list[tuple[TrustedRoot, set[str]]] = [
        (case.root, {"log", "clock"}),
        (TrustedRoot(logs, (), (), (*authorities, second.authority)), {"log", "clock", "second clock"}),
        (TrustedRoot(), set()),
        (TrustedRoot(tlogs=logs), {"log"}),
        (TrustedRoot(timestamp_authorities=authorities), {"clock"}),
    ]
    asking = [policies.policy(tmp_path, policies.signer(case.key, more=each)) for each in POLICIES.values()]
    opened = {
        path: own_bundle.parse(path.read_bytes(), path.name) for path in (bare / "attestations").iterdir()
    }
    given = {path: _parts(case, second, each) for path, each in opened.items()}
    accepted: dict[tuple[int, int], set[frozenset[str]]] = {}
    subsets = [frozenset(each) for count in range(len(PARTS) + 1) for each in combinations(PARTS, count)]
    for chosen in subsets:
        for path, each in opened.items():
            document = json.loads(each.render())
            material = document["verificationMaterial"]
            material["tlogEntries"] = [
                entry for part in PARTS[:2] if part in chosen for entry in given[path][part]
            ]
            if stamps := [stamp for part in PARTS[2:] if part in chosen for stamp in given[path][part]]:
                material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
            path.write_bytes(render_document(document))
        releases.reindex(bare)
        for number, (root, _) in enumerate(roots):
            for rule, policy in enumerate(asking):
                when = moment() + (9 * DAY if rule >= 4 else timedelta())
                if isinstance(verify(bare, policy, when, trusted=root), Passed):
                    accepted.setdefault((number, rule), set()).add(chosen)
    assert len(accepted) > len(asking), "something is accepted, and not by every root"
    assert len(accepted) < len(asking) * len(roots)
    for (number, rule), found in accepted.items():
        trusted = roots[number][1]
        for chosen in subsets:
            # what nobody who is trusted vouches for makes no difference, there or not
            assert (chosen in found) == (chosen & trusted in found), (number, rule, chosen)
            # and to take away what somebody vouches for does not help
            for part in chosen & trusted:
                assert chosen in found or chosen - {part} not in found, (number, rule, chosen, part)


def _parts(case: Case, second: Tsa, of: own_bundle.Bundle) -> dict[str, list[Any]]:
    body = of.signed(case.key.public).body()
    signature = of.envelope.signatures[0].sig
    stamps = {
        "clock": [case.services.tsa.stamp(signature)],
        "second clock": [second.stamp(signature)],
        # an authority's that nobody trusts, and a trusted one's over another signature
        "stamps worth nothing": [
            case.other_tsa.stamp(signature), case.services.tsa.stamp(b"another signature")
        ],
    }  # fmt: skip
    return {
        "log": [case.services.rekor.of_body("hashedrekord", "0.0.2", body)],
        "other log": [case.other_log.of_body("hashedrekord", "0.0.2", body)],
        **{name: [{"signedTimestamp": b64(each)} for each in those] for name, those in stamps.items()},
    }


class TestCommandLine:
    def files(self, case: Case, tmp_path: Path) -> None:
        (tmp_path / "root.json").write_bytes(case.root.render())
        (tmp_path / "key.pub").write_text(case.key.public.pem)
        (tmp_path / "plain.toml").write_text(f"{BOTH}\n[[signer]]\nname = 'us'\nkey = 'key.pub'\n")
        (tmp_path / "rooted.toml").write_text(
            f"trusted-root = 'root.json'\n{BOTH}\n[[signer]]\nname = 'us'\nkey = 'key.pub'\n"
        )

    def test_a_root_is_named_once(self, case: Case, tmp_path: Path, tally: Tally) -> None:
        self.files(case, tmp_path)
        release = str(case.folder)
        plain, rooted = ["--policy", "plain.toml"], ["--policy", "rooted.toml"]
        root = ["--trusted-root", "root.json"]
        assert "not-in-log" in tally("verify", release, *plain, folder=tmp_path).failed(1).out
        assert "PASSED" in tally("verify", release, *plain, *root, folder=tmp_path).succeeded().out
        assert "PASSED" in tally("verify", release, *rooted, folder=tmp_path).succeeded().out
        for verb in (["verify"], ["policy", "explain"]):
            ran = tally(*verb, release, *rooted, *root, folder=tmp_path).failed(2)
            assert "whose word counts is said once" in ran.err

    def test_explain_and_check(self, case: Case, tmp_path: Path, tally: Tally) -> None:
        self.files(case, tmp_path)
        ran = tally("policy", "explain", str(case.folder), "--policy", "rooted.toml", folder=tmp_path)
        assert "pass  signer" in ran.succeeded().out
        ran = tally("policy", "check", "rooted.toml", folder=tmp_path).succeeded()
        assert "trusts   127.0.0.1; 1 timestamp authority\n" in ran.out

    @pytest.mark.parametrize(
        ("content", "said"), [(None, "cannot read"), ("{}", "mediaType"), ("[", "root.json")]
    )
    def test_a_root_that_is_none(
        self, case: Case, tmp_path: Path, tally: Tally, content: str | None, said: str
    ) -> None:
        self.files(case, tmp_path)
        (tmp_path / "root.json").unlink()
        if content is not None:
            (tmp_path / "root.json").write_text(content)
        ran = tally("verify", str(case.folder), "--policy", "rooted.toml", folder=tmp_path).failed(2)
        assert said in ran.err
        assert "root.json" in ran.err


LOADED = """
import sys
sys.argv = ["tally", "verify", {release!r}, "--key", "key.pub", "--trusted-root", "root.json"]
try:
    from orchestrator.cli.main import run
    run()
except SystemExit as ended:
    print(*sorted(sys.modules), sep="\\n")
    sys.exit(ended.code)
"""


def test_verifying_loads_no_client(case: Case, tmp_path: Path) -> None:
    """What timestamps are read with, and neither Sigstore's client nor what asks logs and authorities."""
    (tmp_path / "root.json").write_bytes(case.root.render())
    (tmp_path / "key.pub").write_text(case.key.public.pem)
    command = [sys.executable, "-c", LOADED.format(release=str(case.folder))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "rfc3161_client" in loaded
    unwanted = {"sigstore", "securesystemslib", "pydantic", "urllib3", "orchestrator.signing.rekor"}
    assert loaded & {*unwanted, "orchestrator.signing.timestamping", "orchestrator.signing.instance"} == set()


def test_a_log_that_stops_in_the_middle(case: Case, tmp_path: Path) -> None:
    """Nothing is published, and signing again gives the release."""
    from loopback import saying
    from services import ENTRIES

    server = case.services.rekor_server.server
    keys = releases.builder_keys(case.made)
    log = replace(case.services.log, delays=())
    answered = len(server.asked)

    def dying(asked: object) -> object:
        if len(server.asked) - answered > 1:
            return saying(b"", 503)(asked)  # type: ignore[arg-type]
        return case.services.rekor_server.enter(asked)  # type: ignore[arg-type]

    server.faults[ENTRIES] = dying  # type: ignore[assignment]
    try:
        with pytest.raises(TallyError, match="HTTP 503"):
            releases.published(tmp_path / "out", case.made, case.key, keys, log, case.services.clock)
    finally:
        del server.faults[ENTRIES]
    assert not (tmp_path / "out").exists()
    path = releases.published(tmp_path / "out", case.made, case.key, keys, log, case.services.clock).path
    assert isinstance(verify(path, trusting([case.key.public.spki]), moment(), trusted=case.root), Passed)


def test_a_third_partys_statement_is_witnessed_too(case: Case, tmp_path: Path) -> None:
    scan = "https://scan.example/v1"
    stated = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "it", "digest": {"sha256": case.made.facts.artifact.sha256.hex}}],
        "predicateType": scan,
        "predicate": {},
    }
    scanner = SigningKey.generate()
    (theirs,) = bundling.witnessed(
        [render(stated)], scanner,
        Witnesses(case.services.log, case.services.clock),
    )  # fmt: skip
    (bare,) = bundling.witnessed([theirs.envelope.payload], scanner, Witnesses())
    third = policies.signer(scanner, "scanner", f'statements = ["{scan}"]\nlog = true\ntimestamp = true')
    asking = policy(case, tmp_path, f'[require]\nstatements = ["{scan}"]\n', third)
    for made, missing in ((theirs, []), (bare, [Code.TIMESTAMP_MISSING, Code.NOT_IN_LOG])):
        seen = examine(case.folder, asking, moment(), further={"scan.json": made.render()})
        assert codes(seen.verdict) == missing
    elsewhere = TrustedRoot(tlogs=(Rekor2("127.0.0.1").log,))
    asking = policy(case, tmp_path, third, root=elsewhere)
    assert isinstance(examine(case.folder, asking, moment()).verdict, Failed)
