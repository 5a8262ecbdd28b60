"""Releases signed by an identity: the good ones pass, and every forgery is refused with its own code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import releases
from foreign import Recipe
from forgeries import ALICE, FORGERIES, NAMES, Forger, World

from orchestrator.bundles import own_bundle
from orchestrator.evidence.layout import LAYOUT_KEY
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.policy import trusting
from orchestrator.policy.signer import IdentitySigner
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.signing import bundling
from orchestrator.stories.verification import examine, verify

if TYPE_CHECKING:
    from tests.conftest import Tally


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.new(tmp_path_factory.mktemp("world"))


def verdict(
    world: World, folder: Path, who: IdentitySigner = ALICE, root: TrustedRoot | None = None
) -> Verdict:
    return verify(folder, trusting([], who), datetime.now(UTC), trusted=root or world.root)


def codes(found: Verdict) -> set[Code]:
    assert isinstance(found, Failed), found
    assert all(reason.sentence and reason.hint for reason in found.reasons)
    return {reason.code for reason in found.reasons}


def test_a_release_by_an_identity_passes(world: World, tmp_path: Path) -> None:
    found = verdict(world, world.good(tmp_path / "out"))
    assert isinstance(found, Passed), found
    assert found.signers == ("alice@example.org (https://accounts.example.org)",)
    assert found.notices == ()


@pytest.mark.parametrize("entry", ["dsse 0.0.1", "hashedrekord 0.0.2"])
def test_entries_of_either_generation_of_logs_pass(world: World, tmp_path: Path, entry: str) -> None:
    """As the public instance has had: Rekor v1, whose promise tells the time, and Rekor v2."""
    recipe = Recipe(signer="certificate", entry=entry, stamped=entry.endswith("2"))
    assert isinstance(verdict(world, world.release(tmp_path, Forger(world.instance, recipe=recipe))), Passed)


@pytest.mark.parametrize("name", FORGERIES)
def test_every_forgery_is_refused(world: World, tmp_path: Path, name: str) -> None:
    code, make = FORGERIES[name]
    assert codes(verdict(world, make(world, tmp_path / "out"))) == {code}


class TestAnInstanceWithoutALog:
    """A certificate and a timestamp, as a forge's private instance gives them."""

    def release(self, world: World, out: Path) -> tuple[Path, TrustedRoot]:
        recipe = Recipe(signer="certificate", entry=None, stamped=True)
        folder = world.release(out, Forger(world.instance, recipe=recipe, sct="none"))
        return folder, replace(world.root, tlogs=(), ctlogs=())

    def test_it_counts_where_the_root_says_so_and_a_notice_does(self, world: World, tmp_path: Path) -> None:
        folder, unlogged = self.release(world, tmp_path / "out")
        found = verdict(world, folder, root=unlogged)
        assert isinstance(found, Passed), found
        (notice,) = found.notices
        assert "in no transparency log, since the trusted root names none" in notice
        assert codes(verdict(world, folder)) == {Code.NOT_IN_LOG}

    def test_a_policy_may_ask_for_a_log_all_the_same(self, world: World, tmp_path: Path) -> None:
        folder, unlogged = self.release(world, tmp_path / "out")
        policy = trusting([], ALICE)
        (signer,) = policy.signers.signers
        asking = replace(policy, signers=replace(policy.signers, signers=(replace(signer, log=True),)))
        assert codes(verify(folder, asking, datetime.now(UTC), trusted=unlogged)) == {Code.NOT_IN_LOG}


class TestTheRootIsTheCallers:
    def test_without_one_no_certificate_counts(self, world: World, tmp_path: Path) -> None:
        """The release has one of its own, which would do."""
        folder = world.good(tmp_path / "out")
        found = verify(folder, trusting([], ALICE), datetime.now(UTC))
        assert codes(found) == {Code.UNTRUSTED_SIGNER}
        assert (folder / "trusted_root.json").read_bytes() == world.root.render()

    def test_another_instance(self, world: World, tmp_path: Path) -> None:
        found = verdict(world, world.good(tmp_path / "out"), root=world.other.root)
        assert codes(found) == {Code.TIMESTAMP_INVALID}

    @pytest.mark.parametrize(
        ("part", "code"),
        [
            ("certificate_authorities", Code.CERTIFICATE_INVALID),
            ("ctlogs", Code.CERTIFICATE_INVALID),
            ("tlogs", Code.NOT_IN_LOG),
            ("timestamp_authorities", Code.TIMESTAMP_INVALID),
        ],
    )
    def test_every_part_of_it_is_asked(self, world: World, tmp_path: Path, part: str, code: Code) -> None:
        root = replace(world.root, **{part: getattr(world.other.root, part)})
        assert codes(verdict(world, world.good(tmp_path / "out"), root=root)) == {code}

    def test_one_that_is_none(self, world: World, tmp_path: Path) -> None:
        """That is the caller's mistake, and says nothing of the release."""
        (own,) = world.root.certificate_authorities
        root = replace(world.root, certificate_authorities=(replace(own, chain=(b"x",)),))
        with pytest.raises(TallyError, match="trusted root cannot be used"):
            verdict(world, world.good(tmp_path / "out"), root=root)

    def test_a_root_without_authorities(self, world: World, tmp_path: Path) -> None:
        found = verdict(world, world.good(tmp_path / "out"), root=TrustedRoot(tlogs=world.root.tlogs))
        assert codes(found) == {Code.UNTRUSTED_SIGNER}


def test_a_pattern_cannot_mix_two_identities(world: World, tmp_path: Path) -> None:
    """Both fit the policy: a release has one signer all the same."""
    from policies import policy

    folder = FORGERIES["the sbom's bundle by another identity"][1](world, tmp_path / "out")
    text = f'[[signer]]\nname = "all"\nissuer = "{ALICE.issuer}"\nsubject-pattern = "*@example.org"\n'
    found = verify(folder, policy(tmp_path, text), datetime.now(UTC), trusted=world.root)
    assert codes(found) == {Code.IDENTITY_MISMATCH}
    good = world.good(tmp_path / "good")
    assert isinstance(verify(good, policy(tmp_path, text), datetime.now(UTC), trusted=world.root), Passed)


def test_a_key_and_an_identity_are_two_signers(world: World, tmp_path: Path) -> None:
    """The policy trusts both of them."""
    from policies import policy
    from policies import signer as by_key

    folder = world.good(tmp_path / "out")
    key = SigningKey.generate()
    path = folder / "attestations" / "sbom-spdx.sigstore.json"
    payload = own_bundle.parse(path.read_bytes(), "the SBOM's").envelope.payload
    path.write_bytes(bundling.sign(payload, key).render())
    releases.reindex(folder)
    who = f'[[signer]]\nname = "alice"\nissuer = "{ALICE.issuer}"\nsubject = "{ALICE.subject}"\n'
    found = verify(folder, policy(tmp_path, who, by_key(key)), datetime.now(UTC), trusted=world.root)
    assert codes(found) == {Code.IDENTITY_MISMATCH}


def test_the_policys_rules_see_time_and_log(world: World, tmp_path: Path) -> None:
    from policies import policy

    folder = world.good(tmp_path / "out")
    who = f'[[signer]]\nname = "alice"\nissuer = "{ALICE.issuer}"\nsubject = "{ALICE.subject}"\n'
    asked = policy(tmp_path, who, "[require]\ntimestamp = true\nlog = true\n")
    assert isinstance(verify(folder, asked, datetime.now(UTC), trusted=world.root), Passed)
    late = policy(tmp_path, who, "until = 2020-01-01\n")
    assert codes(verify(folder, late, datetime.now(UTC), trusted=world.root)) == {Code.KEY_EXPIRED}
    early = policy(tmp_path, who, "from = 2200-01-01\n")
    assert codes(verify(folder, early, datetime.now(UTC), trusted=world.root)) == {Code.KEY_NOT_YET_VALID}


def test_a_key_of_the_policys_is_no_layout_key(world: World, tmp_path: Path) -> None:
    """A release by a key has no key beside its layout, and nobody looks at one that is put there."""
    key = SigningKey.generate()
    folder = world.release(tmp_path / "out", key)
    (folder / LAYOUT_KEY).write_text(key.public.pem)
    releases.reindex(folder, add=LAYOUT_KEY)
    found = verify(folder, trusting([key.public.spki]), datetime.now(UTC))
    assert codes(found) == {Code.MALFORMED}


def test_others_statements_by_identities_count_where_the_policy_names_them(
    world: World, tmp_path: Path
) -> None:
    from policies import policy

    folder = world.good(tmp_path / "out")
    auditor = IdentitySigner("https://accounts.example.com", "auditor@example.com")
    said = Forger(world.instance, auditor).bundle(_audit(world))
    own = f'[[signer]]\nname = "alice"\nissuer = "{ALICE.issuer}"\nsubject = "{ALICE.subject}"\n'
    theirs = (
        f'[[signer]]\nname = "auditor"\nissuer = "{auditor.issuer}"\nsubject = "{auditor.subject}"\n'
        'statements = ["https://example.org/audit/v1"]\n'
    )
    asks = '[require]\nstatements = ["https://example.org/audit/v1"]\n'
    further = {"audit.sigstore.json": said.render()}
    now = datetime.now(UTC)

    def found(*parts: str, given: bool = True, root: TrustedRoot = world.root) -> Verdict:
        documents = further if given else {}
        return examine(folder, policy(tmp_path, *parts), now, further=documents, trusted=root).verdict

    assert isinstance(found(own, theirs, asks), Passed)
    assert codes(found(own, theirs, asks, given=False)) == {Code.STATEMENT_MISSING}
    assert codes(found(own, asks)) == {Code.STATEMENT_MISSING}
    set_aside = found(own)
    assert isinstance(set_aside, Passed)
    assert "was set aside" in set_aside.notices[0]


def _audit(world: World) -> bytes:
    from orchestrator.evidence.canonical import render
    from orchestrator.evidence.terms import STATEMENT

    artifact = world.made.facts.artifact
    subject = {"name": artifact.file_name, "digest": {"sha256": artifact.sha256.hex}}
    return render(
        {
            "_type": STATEMENT,
            "subject": [subject],
            "predicateType": "https://example.org/audit/v1",
            "predicate": {"seen": True},
        }
    )


class TestCommandLine:
    def arguments(self, world: World, folder: Path, **changes: str | Path) -> list[str | Path]:
        root = folder / "root.json"
        root.write_bytes(world.root.render())
        options = {"identity": ALICE.subject, "issuer": ALICE.issuer, "trusted-root": root, **changes}
        return [word for name, value in options.items() if value for word in (f"--{name}", value)]

    def test_yes_and_no(self, tally: Tally, world: World, tmp_path: Path) -> None:
        folder = world.good(tmp_path / "out")
        ran = tally("verify", folder, *self.arguments(world, tmp_path)).succeeded()
        assert f"signed by {ALICE}" in ran.out
        bob = tally("verify", folder, *self.arguments(world, tmp_path, identity="bob@example.org")).failed(1)
        assert "identity-mismatch" in bob.out

    @pytest.mark.parametrize("absent", ["identity", "issuer", "trusted-root"])
    def test_the_three_go_together(self, tally: Tally, world: World, tmp_path: Path, absent: str) -> None:
        folder = world.good(tmp_path / "out")
        ran = tally("verify", folder, *self.arguments(world, tmp_path, **{absent: ""})).failed(2)
        given = "issuer" if absent == "identity" else "identity"
        assert f"--{given} needs --{absent}" in ran.err

    def test_a_summary_names_every_signed_document(self, tally: Tally, world: World, tmp_path: Path) -> None:
        """And no other: the layout's key and the trusted root are not signed."""
        folder = world.good(tmp_path / "out")
        private, _ = SigningKey.generate().write(tmp_path / "verifier")
        words = ["--attest", tmp_path / "vsa.json", "--attest-key", private]
        tally("verify", folder, *self.arguments(world, tmp_path), *words).succeeded()
        found = own_bundle.parse((tmp_path / "vsa.json").read_bytes(), "the summary")
        said = json.loads(found.envelope.payload)["predicate"]["inputAttestations"]
        names = {Path(each["uri"]).name for each in said}
        links = {path.name for path in (folder / "links").glob("*.link")}
        assert names == {f"{name}.sigstore.json" for name in NAMES} | links | {"root.layout"}

    def test_a_star_is_no_pattern(self, tally: Tally, world: World, tmp_path: Path) -> None:
        folder = world.good(tmp_path / "out")
        ran = tally("verify", folder, *self.arguments(world, tmp_path, identity="*@example.org")).failed(2)
        assert "wildcard" in ran.err

    def test_explain_takes_the_root(self, tally: Tally, world: World, tmp_path: Path) -> None:
        folder = world.good(tmp_path / "out")
        file = tmp_path / "policy.toml"
        file.write_text(f'[[signer]]\nname = "a"\nissuer = "{ALICE.issuer}"\nsubject = "{ALICE.subject}"\n')
        root = tmp_path / "root.json"
        root.write_bytes(world.root.render())
        command = ("policy", "explain", folder, "--policy", file)
        assert "5 statements signed by a" in tally(*command, "--trusted-root", root).succeeded().out
        assert "untrusted-signer" in tally(*command).failed(1).out


CODE = """
import sys
sys.argv = {arguments!r}
try:
    from orchestrator.cli.main import run
    run()
except SystemExit as ended:
    print(ended.code, "sigstore" in sys.modules)
"""


@pytest.mark.parametrize("by", ["key", "identity"])
def test_sigstore_is_imported_for_certificates_alone(world: World, tmp_path: Path, by: str) -> None:
    key = SigningKey.generate()
    _, pub = key.write(tmp_path / "release")
    (tmp_path / "root.json").write_bytes(world.root.render())
    if by == "key":
        folder = world.release(tmp_path / "out", key)
        who = ["--key", str(pub)]
    else:
        folder = world.good(tmp_path / "out")
        who = ["--identity", ALICE.subject, "--issuer", ALICE.issuer]
        who += ["--trusted-root", str(tmp_path / "root.json")]
    code = CODE.format(arguments=["tally", "verify", str(folder), *who])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"0 {by == 'identity'}", done.stdout + done.stderr


def test_all_statements_are_by_the_identity(world: World, tmp_path: Path) -> None:
    """Taking any one away is a no, and so the names above are all that there are."""
    for name in NAMES:
        folder = world.good(tmp_path / name)
        path = f"attestations/{name}.sigstore.json"
        (folder / path).unlink()
        releases.reindex(folder, drop=path)
        assert isinstance(verdict(world, folder), Failed)
        shutil.rmtree(folder)
