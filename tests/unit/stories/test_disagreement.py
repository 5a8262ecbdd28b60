"""A signed disagreement is never an approval, wherever somebody puts it; what it is about is then refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clients
import disagreements
import policies
import pytest
import releases
from instances import PrivateInstance

from orchestrator.bundles import trust
from orchestrator.bundles.certificates import Identity
from orchestrator.evidence.terms import REPRODUCTION
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.policy.policy import Policy, trusting
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.signing import gate
from orchestrator.stories.verification import examine

if TYPE_CHECKING:
    from tests.conftest import Tally


@dataclass(frozen=True)
class Case:
    """A good release, and a disagreement about what is in it, signed by the same key."""

    folder: Path
    made: releases.Made
    key: SigningKey
    builders: dict[str, SigningKey]
    signed: disagreements.Signed

    def verdict(self, further: bytes | None = None, policy: Policy | None = None) -> Verdict:
        documents = {"theirs.json": further} if further is not None else {}
        policy = policy or trusting([self.key.public.spki])
        return examine(self.folder, policy, releases.NOW, further=documents).verdict

    def codes(self, further: bytes | None = None, policy: Policy | None = None) -> set[Code]:
        verdict = self.verdict(further, policy)
        return {reason.code for reason in verdict.reasons} if isinstance(verdict, Failed) else set()

    def about(self, *names: str, key: SigningKey | None = None) -> bytes:
        """A disagreement about other outputs, or by another key."""
        observed = disagreements.observed(self.made, *names)
        return disagreements.signed(observed, key or self.key, self.builders).bundle


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("case")
    made, key = releases.observed(folder / "in"), SigningKey.generate()
    builders, log = releases.builder_keys(made), releases.log_in(folder / "log")
    published = releases.published(folder / "out", made, key, builders, log).path
    signed = disagreements.signed(disagreements.observed(made), key, builders, log)
    return Case(published, made, key, builders, signed)


@pytest.fixture
def case(original: Case, tmp_path: Path) -> Case:
    folder = tmp_path / original.folder.name
    shutil.copytree(original.folder, folder)
    return replace(original, folder=folder)


BUNDLES = ["provenance", "reproduction", "sbom-spdx"]


@pytest.mark.parametrize("fitting", [False, True], ids=["as it is", "with an index that fits"])
@pytest.mark.parametrize("name", BUNDLES)
def test_in_place_of_any_bundle(case: Case, name: str, fitting: bool) -> None:
    assert isinstance(case.verdict(), Passed)
    (case.folder / "attestations" / f"{name}.sigstore.json").write_bytes(case.signed.bundle)
    if fitting:
        releases.reindex(case.folder)
    assert case.codes() == {Code.BUILDERS_DISAGREE if fitting else Code.DIGEST_MISMATCH}


def test_in_place_of_all(case: Case) -> None:
    for name in BUNDLES:
        (case.folder / "attestations" / f"{name}.sigstore.json").write_bytes(case.signed.bundle)
    releases.reindex(case.folder)
    assert case.codes() == {Code.BUILDERS_DISAGREE}


@pytest.mark.parametrize("name", ["attestations/disagreement.sigstore.json", gate.DISAGREEMENT])
def test_beside_the_others_in_the_index(case: Case, name: str) -> None:
    (case.folder / name).write_bytes(case.signed.bundle)
    releases.reindex(case.folder, add=name)
    # elsewhere than in attestations/ it is a file that nothing which is signed speaks for
    assert case.codes() == {Code.BUILDERS_DISAGREE if name.startswith("attestations/") else Code.NOT_COVERED}


@pytest.mark.parametrize("name", ["attestations/x.sigstore.json", gate.DISAGREEMENT])
def test_beside_the_others_and_not_listed(case: Case, name: str) -> None:
    (case.folder / name).write_bytes(case.signed.bundle)
    assert case.codes() == {Code.BUILDERS_DISAGREE}
    (case.folder / name).write_bytes(case.about(key=SigningKey.generate()))
    assert isinstance(case.verdict(), Passed), "anybody could write this"


def test_a_builders_link_of_it_in_place_of_one_of_the_release(case: Case) -> None:
    for number, path in enumerate(sorted(case.folder.glob("links/*.link"))):
        before = path.read_bytes()
        keyid = json.loads(before)["signatures"][0]["keyid"]
        envelopes = [json.loads(case.signed.files[f"link.{name}.json"]) for name in case.builders]
        (its,) = [each for each in envelopes if each["signatures"][0]["keyid"] == keyid]
        path.write_bytes(json.dumps(its, separators=(",", ":"), sort_keys=True).encode())
        releases.reindex(case.folder)
        assert case.codes() == {Code.MALFORMED}, number
        path.write_bytes(before)


def test_as_evidence(case: Case) -> None:
    assert case.codes(case.signed.bundle) == {Code.BUILDERS_DISAGREE}
    verdict = case.verdict(case.signed.bundle)
    assert isinstance(verdict, Failed)
    assert (
        "theirs.json is signed evidence that the builders a and b made different"
        in verdict.reasons[0].sentence
    )


def test_as_evidence_about_something_that_the_build_used(case: Case) -> None:
    assert case.codes(case.about("zlib", "pigz")) == {Code.BUILDERS_DISAGREE}


def test_as_evidence_of_somebody_whom_nobody_trusts(case: Case) -> None:
    verdict = case.verdict(case.about(key=SigningKey.generate()))
    assert isinstance(verdict, Passed)
    assert any("theirs.json was set aside" in notice for notice in verdict.notices)


def test_as_evidence_about_another_build(case: Case, tmp_path: Path) -> None:
    payload = case.signed.statement
    for attribute in payload["predicate"]["attributes"]:
        for made in attribute["conditions"]["disagreement"]["outputs"].values():
            made["out"]["path"] = releases.store_path("something else")
    verdict = case.verdict(resigned(payload, case.key))
    assert isinstance(verdict, Passed)
    assert any("builders disagreed on something else" in notice for notice in verdict.notices)


HARM: dict[str, Callable[[dict[str, Any]], object]] = {
    "no attributes": lambda predicate: predicate.update(attributes=None),
    "no conditions": lambda predicate: predicate["attributes"][0].pop("conditions"),
    "outputs that are none": lambda predicate: predicate["attributes"][0]["conditions"][
        "disagreement"
    ].update(outputs={"x": 1}),
    "a path that is none": lambda predicate: predicate["attributes"][0]["conditions"]["disagreement"].update(
        outputs={"x": {"out": {"path": 1}}}
    ),
    "a builder that is none": lambda predicate: predicate["attributes"][0]["conditions"].update(builder=[]),
}


@pytest.mark.parametrize("harm", HARM)
def test_one_that_cannot_be_read_is_no_approval_either(case: Case, harm: str) -> None:
    payload = case.signed.statement
    HARM[harm](payload["predicate"])
    data = resigned(payload, case.key)
    verdict = case.verdict(data)
    assert isinstance(verdict, Passed)
    assert any("theirs.json was set aside" in notice for notice in verdict.notices)
    (case.folder / "attestations" / "reproduction.sigstore.json").write_bytes(data)
    releases.reindex(case.folder)
    # one that asserts nothing is no disagreement, and is in no log
    assert case.codes() == {Code.NOT_IN_LOG if harm == "no attributes" else Code.MALFORMED}


def resigned(payload: object, key: SigningKey) -> bytes:
    from orchestrator.evidence.canonical import render
    from orchestrator.signing import bundling

    return bundling.sign(render(payload), key).render()


class TestPolicy:
    """A policy that wants more evidence of reproduction than the release's own is not met by it."""

    def policy(self, case: Case, folder: Path, other: SigningKey) -> Policy:
        return policies.policy(
            folder,
            policies.signer(case.key),
            policies.signer(other, "laboratory"),
            '[require]\nstatements = ["reproduction"]',
            '[[rule]]\nname = "by-others"\nmessage = "nobody else reproduced it"\n'
            f'cel = """attestations.exists(each, each.predicateType == "{REPRODUCTION}")"""',
        )

    def test_it_does_not_meet_the_policy(self, case: Case, tmp_path: Path) -> None:
        laboratory = SigningKey.generate()
        policy = self.policy(case, tmp_path, laboratory)
        assert case.codes(policy=policy) == {Code.RULE_NOT_MET}
        own = json.loads((case.folder / "attestations" / "reproduction.sigstore.json").read_bytes())
        theirs = resigned(disagreements.payload(own["dsseEnvelope"]), laboratory)
        assert isinstance(case.verdict(theirs, policy), Passed), "what would meet it"
        assert case.codes(case.about(key=laboratory), policy) == {Code.BUILDERS_DISAGREE}

    def test_about_another_build_it_does_not_either(self, case: Case, tmp_path: Path) -> None:
        laboratory = SigningKey.generate()
        payload = case.signed.statement
        for attribute in payload["predicate"]["attributes"]:
            attribute["conditions"]["disagreement"]["outputs"] = {}
        theirs = resigned(payload, laboratory)
        assert case.codes(theirs, self.policy(case, tmp_path, laboratory)) == {Code.RULE_NOT_MET}

    def test_with_the_artifact_among_its_subjects_it_does_not_either(
        self, case: Case, tmp_path: Path
    ) -> None:
        """Our gate signs no such thing; somebody else's program might."""
        laboratory = SigningKey.generate()
        payload = case.signed.statement
        artifact = case.made.facts.artifact
        payload["subject"] = [{"name": artifact.file_name, "digest": {"sha256": artifact.sha256.hex}}]
        for attribute in payload["predicate"]["attributes"]:
            attribute["conditions"]["disagreement"]["outputs"] = {}
        theirs = resigned(payload, laboratory)
        assert case.codes(theirs, self.policy(case, tmp_path, laboratory)) == {Code.RULE_NOT_MET}

    def test_one_by_a_key_that_was_revoked_denies_still(self, case: Case, tmp_path: Path) -> None:
        """A no needs no proof of when it was signed."""
        old = SigningKey.generate()
        revoked = policies.signer(old, "old", 'revoked = { at = 2020-01-01, reason = "lost" }')
        policy = policies.policy(tmp_path, policies.signer(case.key), revoked)
        assert case.codes(policy=policy) == set()
        assert case.codes(case.about(key=old), policy) == {Code.BUILDERS_DISAGREE}

    def test_a_signer_for_other_things_cannot_deny(self, case: Case, tmp_path: Path) -> None:
        laboratory = SigningKey.generate()
        more = 'statements = ["https://scan.example/v1"]'
        policy = policies.policy(
            tmp_path, policies.signer(case.key), policies.signer(laboratory, "laboratory", more)
        )
        assert isinstance(case.verdict(case.about(key=laboratory), policy), Passed)


class TestStrangers:
    """`tally verify FILE --bundle`: the derivation is what it is about, and no file that was built."""

    WORDS = ("--bundle", gate.DISAGREEMENT, "--key", "release.pub", "--type", REPRODUCTION)

    @pytest.fixture
    def folder(self, case: Case, tmp_path: Path) -> Path:
        folder = tmp_path / "kept"
        folder.mkdir()
        for name, data in {**case.signed.files, **case.signed.derivations}.items():
            (folder / name).write_bytes(data)
        (folder / "release.pub").write_text(case.key.public.pem)
        shutil.copy(case.folder / "trusted_root.json", folder)
        return folder

    def test_anybody_can_read_it(self, case: Case, folder: Path, tally: Tally) -> None:
        for name in case.signed.derivations:
            ran = tally("verify", name, *self.WORDS, "--trusted-root", "trusted_root.json", folder=folder)
            assert ran.succeeded().out.startswith(f"PASSED  {name}\n")

    @pytest.mark.parametrize("what", ["artifact", "nar"])
    def test_it_says_nothing_of_files_that_were_built(
        self, case: Case, folder: Path, tally: Tally, what: str
    ) -> None:
        artifact = case.folder / case.made.facts.artifact.file_name
        digests = [str(artifact)]
        if what == "nar":
            hashes = [
                digest for one in case.signed.observed.disagreed.differing for digest in one.hashes.values()
            ]
            digests = [f"--digest=sha256:{digest.hex}" for digest in hashes]
        for each in digests:
            ran = tally("verify", each, *self.WORDS, "--trusted-root", "trusted_root.json", folder=folder)
            assert "subject-mismatch" in ran.failed(1).out

    def test_as_evidence_by_the_command(self, case: Case, folder: Path, tally: Tally) -> None:
        words = ["verify", case.folder, "--key", "release.pub"]
        tally(*words, folder=folder).succeeded()
        ran = tally(*words, "--evidence", gate.DISAGREEMENT, folder=folder)
        assert "builders-disagree" in ran.failed(1).out


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateInstance]:
    with PrivateInstance.running(tmp_path_factory.mktemp("instance")) as running:
        yield running


class TestByAnIdentity:
    """Signed by sigstore-python with a certificate, at an instance of the tests."""

    def test_sigstore_python_reads_it_as_what_it_is(
        self, case: Case, instance: PrivateInstance, tmp_path: Path
    ) -> None:
        signer = instance.signer()
        signed = disagreements.signed(disagreements.observed(case.made), signer, case.builders)
        who = Identity(signer.signed_as.subject, signer.signed_as.issuer)
        (tmp_path / "it").write_bytes(next(iter(signed.derivations.values())))
        asked = clients.Asked(signed.bundle, instance.root_file(), tmp_path / "it", who, enveloped=True)
        assert clients.ask_python(asked) is None
        other = replace(asked, signer=replace(who, subject="mallory@example.org"))
        assert clients.ask_python(other) is not None

    def test_it_denies_and_approves_nothing(
        self, case: Case, instance: PrivateInstance, tmp_path: Path
    ) -> None:
        signer = instance.signer()
        signed = disagreements.signed(disagreements.observed(case.made), signer, case.builders).bundle
        policy = policies.policy(
            tmp_path,
            policies.signer(case.key),
            f'[[signer]]\nname = "ci"\nissuer = "{signer.signed_as.issuer}"\n'
            f'subject = "{signer.signed_as.subject}"',
        )
        ours = trust.load(case.folder / TRUSTED_ROOT)
        root = replace(instance.root, tlogs=(*instance.root.tlogs, *ours.tlogs))

        def codes(further: dict[str, bytes]) -> set[Code]:
            found = examine(case.folder, policy, datetime.now(UTC), further=further, trusted=root).verdict
            return {each.code for each in found.reasons} if isinstance(found, Failed) else set()

        assert codes({}) == set()
        assert codes({"theirs.json": signed}) == {Code.BUILDERS_DISAGREE}
        for path in case.folder.glob("attestations/*.json"):
            path.write_bytes(signed)
        releases.reindex(case.folder)
        assert codes({}) == {Code.BUILDERS_DISAGREE}
