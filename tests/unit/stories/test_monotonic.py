"""What nobody signed changes no verdict, or makes a no: docs/explanation/trust-model.md says which does what.

Everything unsigned that can be put to a release, or taken from it, on releases of three kinds.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import disagreements
import pytest
import releases
import worst
from authorities import Tsa
from forgeries import ALICE, World
from rekors import Rekor2, b64
from services import Services
from witness_harms import Case

from orchestrator.evidence.canonical import render_document
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import TRUSTED_ROOT, TrustedRoot
from orchestrator.policy.policy import Policy, trusting
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.publishing.index import INDEX
from orchestrator.signing import bundling
from orchestrator.stories.verification import verify

KINDS = ("a key", "a key, witnessed", "an identity")
OTHER_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.3"
MALLORY = SigningKey.generate()


@dataclass(frozen=True)
class Good:
    """A release that is accepted, and what somebody has who can sign nothing of it."""

    folder: Path
    policy: Policy
    root: TrustedRoot | None
    denial: bytes
    """By somebody whom the policy trusts; of a key alone."""
    log: Rekor2
    tsa: Tsa

    @cached_property
    def whole(self) -> dict[str, bytes]:
        """All of its files, which a copy is made from some hundred times."""
        return releases.files(self.folder)

    def judge(self, folder: Path, policy: Policy | None = None) -> Verdict:
        return verify(folder, policy or self.policy, datetime.now(UTC), trusted=self.root)


@pytest.fixture(scope="module", params=KINDS)
def good(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Good:
    folder = tmp_path_factory.mktemp("monotonic")
    others = Rekor2(host="127.0.0.1"), Tsa(folder / "mallory")
    if request.param == "an identity":
        world = World.new(folder)
        return Good(world.release(folder / "out"), trusting([], ALICE), world.root, b"", *others)
    if request.param == "a key, witnessed":
        with Services.running(folder) as services:
            case = Case.new(folder, services)
        return Good(case.folder, trusting([case.key.public.spki]), case.root, b"", *others)
    made, key = releases.observed(folder / "in"), SigningKey.generate()
    log, builders = releases.log_in(folder / "log"), releases.builder_keys(made)
    path = releases.published(folder / "out", made, key, builders, log).path
    denial = disagreements.signed(disagreements.observed(made), key, builders, log).bundle
    return Good(path, trusting([key.public.spki]), None, denial, *others)


Change = Callable[[Path, Good], object]


def of_bundle(change: Callable[[dict[str, Any], Good], object]) -> Change:
    """The provenance's bundle, written in the one form and listed again."""

    def changed(folder: Path, good: Good) -> None:
        file = folder / worst.PROVENANCE
        document = json.loads(file.read_bytes())
        change(document, good)
        file.write_bytes(render_document(document))
        releases.reindex(folder)

    return changed


def listed(name: str, content: Callable[[Path], bytes]) -> Change:
    def changed(folder: Path, _: Good) -> None:
        (folder / name).write_bytes(content(folder))
        releases.reindex(folder, add=name)

    return changed


def beside(name: str, content: Callable[[Path], bytes], count: int = 1) -> Change:
    def changed(folder: Path, _: Good) -> None:
        for number in range(count):
            (folder / name.format(number)).write_bytes(content(folder))

    return changed


def theirs(folder: Path) -> bytes:
    """A statement about the artifact by somebody whom nobody trusts."""
    payload = json.loads((folder / worst.PROVENANCE).read_bytes())["dsseEnvelope"]["payload"]
    return bundling.sign(b64decode(payload), MALLORY).render()


def material(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["verificationMaterial"]
    return found


def stamped(document: dict[str, Any], good: Good) -> None:
    stamp = good.tsa.stamp(b64decode(document["dsseEnvelope"]["signatures"][0]["sig"]))
    data = material(document).setdefault("timestampVerificationData", {"rfc3161Timestamps": []})
    data["rfc3161Timestamps"].append({"signedTimestamp": b64(stamp)})


def logged(document: dict[str, Any], good: Good) -> None:
    body = b64decode(material(document)["tlogEntries"][0]["canonicalizedBody"])
    material(document)["tlogEntries"].append(good.log.of_body("hashedrekord", "0.0.2", body))


def misproved(document: dict[str, Any], _: Good) -> None:
    """An entry that says that it is in the release's log, and is not."""
    entry = json.loads(json.dumps(material(document)["tlogEntries"][0]))
    entry["logIndex"] = entry["inclusionProof"]["logIndex"] = str(int(entry["logIndex"]) + 1)
    entry["canonicalizedBody"] = b64(b"{}")
    material(document)["tlogEntries"].append(entry)


def spaced(folder: Path, _: Good) -> None:
    (folder / worst.PROVENANCE).write_bytes((folder / worst.PROVENANCE).read_bytes() + b"\n")
    releases.reindex(folder)


def hinted(document: dict[str, Any], _: Good) -> None:
    material(document)["publicKey"] = {"hint": MALLORY.public.hint}


def dropped(name: str, empty: Any) -> Change:
    return of_bundle(lambda document, _: material(document).update({name: empty}))


def kept_out(name: str) -> Change:
    def changed(folder: Path, _: Good) -> None:
        (folder / name).unlink(missing_ok=True)
        releases.reindex(folder, drop=name)

    return changed


IGNORED: dict[str, Change] = {
    "a file that is not listed": beside("more.txt", lambda _: b"more"),
    "a link that is not listed": beside("links/build.00000000.link", lambda _: b"{}"),
    "a bundle that is not listed": beside("attestations/more.sigstore.json", theirs),
    "bundles that are none": beside("a{}.sigstore.json", lambda _: b"{}", 90),
}
"""As if they were not there."""
REFUSED: dict[str, tuple[Change, Code]] = {
    "a file that is listed": (listed("more.txt", lambda _: b"more"), Code.NOT_COVERED),
    "a link that is listed": (listed("links/build.00000000.link", lambda _: b"{}"), Code.MALFORMED),
    "a bundle that is listed": (listed("attestations/more.sigstore.json", theirs), Code.UNTRUSTED_SIGNER),
    "an unknown member": (of_bundle(lambda each, _: each.update(more=1)), Code.MALFORMED),
    "another media type": (
        of_bundle(
            lambda each, _: each.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.3")
        ),
        Code.MALFORMED,
    ),
    "a key id": (
        of_bundle(lambda each, _: each["dsseEnvelope"]["signatures"][0].update(keyid="x")),
        Code.MALFORMED,
    ),
    "another key's hint": (of_bundle(hinted), Code.MALFORMED),
    "a newline": (spaced, Code.MALFORMED),
    "more bundles than are looked at": (
        beside("a{}.sigstore.json", lambda _: b"{}", 101),
        Code.MALFORMED,
    ),
}
"""Harm to the one form that a release has, or a claim that nothing signed speaks for."""
WITNESSES: dict[str, tuple[Change, dict[str, Code]]] = {
    "another authority's timestamp": (
        of_bundle(stamped),
        {"a key, witnessed": Code.TIMESTAMP_INVALID, "an identity": Code.TIMESTAMP_INVALID},
    ),
    "another log's entry": (of_bundle(logged), {"an identity": Code.NOT_IN_LOG}),
    "an entry that its log has not": (
        of_bundle(misproved),
        dict.fromkeys(KINDS, Code.NOT_IN_LOG),
    ),
}
"""Of some kinds of release; of all others they change nothing."""
TAKEN: dict[str, Change] = {
    "no log entry": dropped("tlogEntries", []),
    "no provenance": kept_out(worst.PROVENANCE),
    "no SBOM": kept_out("attestations/sbom-spdx.sigstore.json"),
    "no root": kept_out(TRUSTED_ROOT),
    "no layout": kept_out("links/root.layout"),
    "no index": lambda folder, _: (folder / INDEX).write_bytes(b"{}"),
}
"""What is taken away."""
CHANGES = {
    **IGNORED,
    **{name: change for name, (change, _) in REFUSED.items()},
    **{name: change for name, (change, _) in WITNESSES.items()},
    **TAKEN,
}


def changed(good: Good, folder: Path, *names: str) -> Path:
    """A copy after these changes, of which one may have nothing to change left."""
    found = folder / good.folder.name
    releases.restored(found, good.whole)
    for name in names:
        try:
            CHANGES[name](found, good)
        except (OSError, KeyError, IndexError):
            continue
    return found


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_ignored_changes_nothing(good: Good, tmp_path: Path, name: str) -> None:
    before, after = good.judge(good.folder), good.judge(changed(good, tmp_path, name))
    assert isinstance(before, Passed)
    assert isinstance(after, Passed)
    assert replace(after, notices=()) == replace(before, notices=())


@pytest.mark.parametrize("name", REFUSED)
def test_what_harms_the_form_is_refused(good: Good, tmp_path: Path, name: str) -> None:
    verdict = good.judge(changed(good, tmp_path, name))
    assert isinstance(verdict, Failed)
    assert verdict.reasons[0].code is REFUSED[name][1], verdict


@pytest.mark.parametrize("name", WITNESSES)
def test_what_other_witnesses_say(
    good: Good, tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["good"]
    verdict = good.judge(changed(good, tmp_path, name))
    code = WITNESSES[name][1].get(kind)
    found = verdict.reasons[0].code if isinstance(verdict, Failed) else None
    assert found is code, verdict


def pairs() -> Iterator[tuple[str, ...]]:
    yield from ((name,) for name in CHANGES)
    yield from combinations(CHANGES, 2)


def test_no_stays_no(good: Good, tmp_path: Path) -> None:
    """Asked by somebody who trusts another signer, whatever was put to it and taken from it."""
    nobody = trusting([SigningKey.generate().public.spki])
    assert isinstance(good.judge(good.folder, nobody), Failed)
    for names in pairs():
        assert isinstance(good.judge(changed(good, tmp_path, *names), nobody), Failed), names


@pytest.mark.parametrize("good", ["a key"], indirect=True)
def test_a_signed_no_does_not_go_under(good: Good, tmp_path: Path) -> None:
    """Evidence of a disagreement lies beside the release, and others before it and after it."""
    for names in pairs():
        folder = changed(good, tmp_path, *names)
        (folder / "disagreement.sigstore.json").write_bytes(good.denial)
        assert isinstance(good.judge(folder), Failed), names
