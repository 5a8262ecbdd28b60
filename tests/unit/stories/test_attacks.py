"""Parts of good releases put together anew, by somebody who has no key: each attack, and why it is refused.

Names that lead out, links in folders and the like are in test_verification.py; rolled-back logs in
log/test_audit.py and cli/test_log.py; expired certificates with those of keyless signing.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import releases

from orchestrator.bundles import own_bundle
from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.layout import LAYOUT
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import Sha256
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.publishing.index import INDEX
from orchestrator.signing import bundling
from orchestrator.stories.verification import verify


@dataclass(frozen=True)
class Two:
    """A release to be attacked, and another of the same package by the same keys, in the same log."""

    folder: Path
    other: Path
    key: SigningKey
    builders: dict[str, SigningKey]
    artifact: str

    def verdict(self) -> Verdict:
        return verify(self.folder, trusting([self.key.public.spki]), releases.NOW)

    def codes(self) -> set[Code]:
        verdict = self.verdict()
        assert isinstance(verdict, Failed), verdict
        return {reason.code for reason in verdict.reasons}

    def take(self, *names: str) -> None:
        """Files of the other release in place of the same ones, and an index that fits."""
        for name in names:
            shutil.copy(self.other / name, self.folder / name)
        releases.reindex(self.folder)

    def names(self, pattern: str) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob(pattern))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Two:
    folder = tmp_path_factory.mktemp("two")
    made = releases.observed(folder / "one")
    other = releases.observed(
        folder / "two",
        content=gzip.compress(b"an older program, with a hole", mtime=0),
        invocation="b7f2a9f0-31f4-4b45-8a57-0d1a54a9c0de",
        finished=releases.NOW.replace(hour=8),
    )
    key, builders, log = SigningKey.generate(), releases.builder_keys(made), releases.log_in(folder / "log")
    found = releases.published(folder / "out", made, key, builders, log).path
    theirs = releases.published(folder / "other", other, key, builders, log).path
    return Two(found, theirs, key, builders, made.facts.artifact.file_name)


@pytest.fixture
def two(original: Two, tmp_path: Path) -> Two:
    folder = tmp_path / original.folder.name
    shutil.copytree(original.folder, folder)
    return replace(original, folder=folder)


def test_both_are_good(original: Two) -> None:
    assert isinstance(original.verdict(), Passed)
    assert isinstance(replace(original, folder=original.other).verdict(), Passed)


def test_links_of_another_release(two: Two) -> None:
    two.take(*two.names("links/*.link"))
    assert two.codes() == {Code.SUBJECT_MISMATCH}


@pytest.mark.parametrize("number", [0, 1])
def test_one_link_of_another_release(two: Two, number: int) -> None:
    two.take(two.names("links/*.link")[number])
    assert Code.BUILDERS_DISAGREE in two.codes()


@pytest.mark.parametrize("name", ["provenance", "reproduction", "sbom-spdx"])
def test_a_bundle_of_another_artifact(two: Two, name: str) -> None:
    two.take(f"attestations/{name}.sigstore.json")
    assert two.codes() <= {Code.SUBJECT_MISMATCH, Code.CONTRADICTION}
    assert Code.SUBJECT_MISMATCH in two.codes()


def test_all_bundles_of_another_artifact(two: Two) -> None:
    two.take(*two.names("attestations/*.json"))
    assert two.codes() == {Code.SUBJECT_MISMATCH}


def test_the_artifact_of_another_release(two: Two) -> None:
    two.take(two.artifact)
    assert two.codes() == {Code.SUBJECT_MISMATCH}


def test_artifact_and_links_of_another_release(two: Two) -> None:
    two.take(two.artifact, *two.names("links/*.link"))
    assert two.codes() == {Code.SUBJECT_MISMATCH}


def test_everything_but_the_provenance_of_another_release(two: Two) -> None:
    everything = [name for name in two.names("**/*") if (two.folder / name).is_file()]
    two.take(*(name for name in everything if "provenance" not in name and name != INDEX))
    assert two.codes() == {Code.SUBJECT_MISMATCH, Code.CONTRADICTION}


def test_a_whole_other_release_under_this_ones_name_is_told_by_the_digest(two: Two) -> None:
    """It is a good release: only who knows which one is wanted can tell them apart."""
    wanted = Sha256.of_file(two.folder / two.artifact)
    shutil.rmtree(two.folder)
    shutil.copytree(two.other, two.folder)
    assert isinstance(two.verdict(), Passed)
    verdict = verify(two.folder, trusting([two.key.public.spki]), releases.NOW, wanted)
    assert isinstance(verdict, Failed)
    assert [reason.code for reason in verdict.reasons] == [Code.SUBJECT_MISMATCH]


def test_no_file_of_another_release_goes_unnoticed(two: Two) -> None:
    """Each alone, with an index that fits; those that are alike in both are no attack."""
    tried = 0
    for name in two.names("**/*"):
        path = two.folder / name
        if not path.is_file() or name == INDEX or path.read_bytes() == (two.other / name).read_bytes():
            continue
        before = path.read_bytes()
        two.take(name)
        assert two.codes(), name
        path.write_bytes(before)
        tried += 1
    releases.reindex(two.folder)
    assert isinstance(two.verdict(), Passed)
    assert tried >= 8


def _forged_bundle(two: Two, mallory: SigningKey) -> str:
    """Signed by somebody else's key, and with the hint of the one that is trusted."""
    name = "attestations/provenance.sigstore.json"
    good = own_bundle.parse((two.folder / name).read_bytes(), name)
    forged = replace(bundling.sign(good.envelope.payload, mallory), signer=good.signer, entries=good.entries)
    (two.folder / name).write_bytes(forged.render())
    return name


def _forged_envelope(two: Two, mallory: SigningKey, name: str) -> str:
    """The same of an envelope, whose hint is the key id."""
    before = json.loads((two.folder / name).read_bytes())
    (signature,) = before["signatures"]
    payload = dsse.parse(before, name).payload
    forged = dsse.sign(IN_TOTO_PAYLOAD, payload, mallory, keyid=signature["keyid"])
    (two.folder / name).write_bytes(render(forged.document()))
    return name


FORGED: dict[str, Callable[[Two, SigningKey], str]] = {
    "a bundle": _forged_bundle,
    "the layout": lambda two, mallory: _forged_envelope(two, mallory, LAYOUT),
    "a link": lambda two, mallory: _forged_envelope(two, mallory, two.names("links/*.link")[0]),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_key_that_goes_by_a_trusted_ones_name(two: Two, what: str) -> None:
    FORGED[what](two, SigningKey.generate())
    releases.reindex(two.folder)
    assert two.codes() == {Code.SIGNATURE_INVALID}


def test_a_key_in_the_layout_under_a_builders_id(two: Two) -> None:
    """Whoever has the release key could write such a layout; the id follows from the key."""
    mallory = SigningKey.generate()
    document = json.loads((two.folder / LAYOUT).read_bytes())
    layout = json.loads(dsse.parse(document, LAYOUT).payload)
    keyid = min(layout["keys"])
    layout["keys"][keyid]["keyval"]["public"] = mallory.public.pem
    signed = dsse.sign(IN_TOTO_PAYLOAD, render(layout), two.key, keyid=two.key.public.keyid)
    (two.folder / LAYOUT).write_bytes(render(signed.document()))
    releases.reindex(two.folder)
    assert two.codes() == {Code.MALFORMED}


def test_a_log_that_goes_by_the_known_ones_id(two: Two, tmp_path: Path) -> None:
    """Another log's key under the id of the log that entries are in."""
    stranger = releases.log_in(tmp_path / "stranger").instance
    document = json.loads((two.folder / TRUSTED_ROOT).read_bytes())
    document["tlogs"][0]["publicKey"] = stranger.document()["publicKey"]
    (two.folder / TRUSTED_ROOT).write_bytes(render_document(document))
    releases.reindex(two.folder)
    assert two.codes() == {Code.LOG_PROOF_INVALID}
