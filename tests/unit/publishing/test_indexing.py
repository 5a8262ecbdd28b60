"""An OCI index over the images of several systems, in a registry on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from registries import FakeRegistry

from orchestrator.ground.errors import TallyError
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry.indexing import enter

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
