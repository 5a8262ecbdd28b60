"""An OCI index over the images of several systems, in a registry on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from registries import FakeRegistry

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Code, Failed, Passed
from orchestrator.publishing.imageindex import Released
from orchestrator.publishing.locations import ByKey
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry import indexing
from orchestrator.stories.image_index import Image, RefusedIndex, images_of

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as found:
        yield found


def image(fake: FakeRegistry, tag: str, architecture: str, kind: str = CONFIG, note: str = "") -> Registry:
    config = json.dumps({"architecture": architecture, "os": "linux", "note": note}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    described = {"mediaType": kind, "digest": digest, "size": len(config)}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}
    ).encode()
    fake.blobs[digest] = config
    own = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    fake.manifests[own] = (MANIFEST, manifest)
    fake.tags[tag] = own
    return Registry(fake.host, "some/app", tag, None, plain=True)


def index(fake: FakeRegistry, tag: str) -> dict[str, str]:
    kind, data = fake.manifests[fake.tags[tag]]
    document = json.loads(data)
    assert kind == document["mediaType"] == "application/vnd.oci.image.index.v1+json"
    return {each["platform"]["architecture"]: each["digest"] for each in document["manifests"]}


NOW = datetime(2026, 11, 30, tzinfo=UTC)
PASSED = Passed("app", "0" * 64, ("a", "b"), "same-host", (), ())


def released(image: Registry) -> Released:
    return Released(f"app-{image.tag}", Sha256.of(str(image.tag).encode()))


def enter(image: Registry, tag: str, by: ByKey | None = None, *, move: bool = False) -> Registry:
    return indexing.enter(image, tag, released(image), by, move=move).index


def seen(fake: FakeRegistry, by: ByKey, tag: str = "1.0") -> tuple[Image, ...] | RefusedIndex | None:
    """The index as somebody sees it who trusts that key."""
    at = Registry(fake.host, "some/app", tag, None, plain=True)
    return images_of(at, trusting([by.key.public.spki]), NOW, None)


def test_it_is_signed_whose_each_image_is(fake: FakeRegistry) -> None:
    by, other = ByKey(SigningKey.generate()), ByKey(SigningKey.generate())
    amd, arm = image(fake, "amd", "amd64"), image(fake, "arm", "arm64")
    enter(amd, "1.0", by)
    enter(arm, "1.0", by)
    enter(arm, "1.0", by)
    found = seen(fake, by)
    assert isinstance(found, tuple)
    assert [(str(each.reference.digest), each.entry.shown) for each in found] == [
        (fake.tags["amd"], "linux/amd64"),
        (fake.tags["arm"], "linux/arm64"),
    ]
    assert [each.releases for each in found] == [frozenset({released(each)}) for each in (amd, arm)]
    assert seen(fake, by, "amd") is None, "an image is no index"

    # who trusts somebody else is told who signed, and what has to be signed
    refused = seen(fake, other)
    assert isinstance(refused, RefusedIndex)
    codes = [reason.code for reason in refused.verdict.reasons]
    assert codes == [Code.STATEMENT_MISSING, Code.UNTRUSTED_SIGNER]
    # another release of the same image is not the one that was signed
    verdict = found[0].judged(PASSED, Sha256("0" * 64))
    assert isinstance(verdict, Failed)
    assert verdict.reasons[0].code is Code.SUBJECT_MISMATCH
    assert found[0].judged(PASSED, released(amd).digest) is PASSED


def test_what_somebody_else_enters_is_not_taken_for_signed(fake: FakeRegistry) -> None:
    by, other = ByKey(SigningKey.generate()), ByKey(SigningKey.generate())
    amd, arm = image(fake, "amd", "amd64"), image(fake, "arm", "arm64")
    enter(amd, "1.0", by)
    entered = indexing.enter(arm, "1.0", released(arm), other)
    assert [each.shown for each in entered.unsigned] == ["linux/amd64"]
    for each in (by, other):
        refused = seen(fake, each)
        assert isinstance(refused, RefusedIndex)
    assert indexing.enter(arm, "1.0", released(arm), None).unsigned, "nobody signs"
    # its own publisher enters its own release again, and then both are signed by somebody, by nobody together
    assert indexing.enter(amd, "1.0", released(amd), by).unsigned
    both = Registry(fake.host, "some/app", "1.0", None, plain=True)
    found = images_of(both, trusting([by.key.public.spki, other.key.public.spki]), NOW, None)
    assert isinstance(found, tuple)


def test_each_system_has_its_image(fake: FakeRegistry) -> None:
    amd, arm = image(fake, "amd", "amd64"), image(fake, "arm", "arm64")
    enter(arm, "1.0")
    assert index(fake, "1.0") == {"arm64": fake.tags["arm"]}
    made = enter(amd, "1.0")
    assert index(fake, "1.0") == {"amd64": fake.tags["amd"], "arm64": fake.tags["arm"]}
    assert (made.tag, str(made.digest)) == ("1.0", fake.tags["1.0"])
    assert enter(amd, "1.0") == made  # again changes nothing
    enter(amd, "other")
    enter(arm, "other")
    assert fake.tags["other"] == fake.tags["1.0"]  # in any order


def test_another_image_for_a_system_is_refused_unless_it_may_move(fake: FakeRegistry) -> None:
    enter(image(fake, "one", "amd64"), "1.0")
    other = image(fake, "two", "amd64", note="other")
    with pytest.raises(TallyError, match="has another image for linux/amd64") as caught:
        enter(other, "1.0")
    assert "--move-tag" in (caught.value.hint or "")
    assert index(fake, "1.0") == {"amd64": fake.tags["one"]}
    enter(other, "1.0", move=True)
    assert index(fake, "1.0") == {"amd64": fake.tags["two"]}


def test_what_is_no_image_or_no_index(fake: FakeRegistry) -> None:
    amd = image(fake, "amd", "amd64")
    with pytest.raises(TallyError, match="is there and is no index"):
        enter(amd, image(fake, "arm", "arm64").tag or "")
    with pytest.raises(TallyError, match="is the release's own"):
        enter(amd, "amd")
    with pytest.raises(TallyError, match="is no image, and an index names images"):
        enter(image(fake, "file", "amd64", "application/vnd.oci.empty.v1+json"), "1.0")
    with pytest.raises(TallyError, match="is not there"):
        enter(Registry(fake.host, "some/app", "none", None, plain=True), "1.0")
    assert "1.0" not in fake.tags
