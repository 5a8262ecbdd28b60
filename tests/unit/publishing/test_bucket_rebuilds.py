"""What rebuilders attach beside a release in a bucket, and which releases a prefix has: one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import releases

from orchestrator.evidence.facts import ReleaseFile
from orchestrator.ground.digest import Sha256
from orchestrator.keys.key import SigningKey
from orchestrator.publishing import reference
from orchestrator.publishing.attaching.objects import attach
from orchestrator.publishing.objects.bucket import Bucket, Version
from orchestrator.publishing.rebuilds import Word
from orchestrator.publishing.reference import ObjectStore
from orchestrator.publishing.sources.objects import ObjectSource

NAME = "pigz-2.8-x86_64-linux"
WHEN = datetime(2036, 1, 1, tzinfo=UTC)
WORD = Word(
    (
        ReleaseFile.of("attestations/reproduction.sigstore.json", b"the word"),
        ReleaseFile.of("links/a.link", b"a link"),
    ),
    Sha256.of(b""),
)


@dataclass
class Memory:
    """As `Bucket`, every version kept."""

    objects: dict[str, list[bytes]] = field(default_factory=dict)

    def put(
        self, key: str, size: int, digest: Sha256, chunks: Callable[[], Iterator[bytes]], lock: Any
    ) -> None:
        self.objects.setdefault(key, []).append(b"".join(chunks()))

    def versions(self, prefix: str) -> Mapping[str, tuple[Version, ...]]:
        return {
            key: tuple(Version(key, str(n), len(data), True, WHEN) for n, data in enumerate(found))
            for key, found in self.objects.items()
            if key.startswith(prefix)
        }

    def read(self, key: str, version: str | None = None) -> Iterator[bytes] | None:
        found = self.objects.get(key)
        return None if found is None else iter((found[int(version or -1)],))

    def every_folder(self, prefix: str) -> Iterator[str]:
        rest = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
        yield from sorted({each.partition("/")[0] for each in rest if "/" in each})

    def folders(self, prefix: str, most: int) -> tuple[str, ...]:
        return tuple(self.every_folder(prefix))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, key = tmp_path_factory.mktemp("release"), SigningKey.generate()
    made = releases.observed(folder / "in")
    return releases.published(folder / "out", made, key, releases.builder_keys(made)).path


@pytest.fixture(params=["tools", ""], ids=["a prefix", "the whole bucket"])
def place(request: pytest.FixtureRequest, release: Path) -> tuple[Memory, ObjectStore, str]:
    """A bucket that has the release below a prefix."""
    memory, above = Memory(), f"{request.param}/" if request.param else ""
    for file in release.rglob("*"):
        if file.is_file():
            memory.objects[f"{above}{NAME}/{file.relative_to(release)}"] = [file.read_bytes()]
    found = reference.parse(f"s3://bucket/{request.param}")
    assert isinstance(found, ObjectStore)
    return memory, found, above


def source(memory: Memory, where: ObjectStore) -> ObjectSource:
    return ObjectSource(where, cast("Bucket", memory))


def test_what_is_attached_is_found_beside_it(place: tuple[Memory, ObjectStore, str]) -> None:
    memory, where, above = place
    found = source(memory, where).find()
    assert str(found.place) == f"s3://bucket/{where.prefix}#{NAME}"
    assert list(found.rebuilds()) == []
    assert isinstance(found.place, ObjectStore)
    attach(found.place, found.name, WORD, cast("Bucket", memory))
    key = f"{above}{NAME}.rebuilds/{WORD.listed.name}/attestations/reproduction.sigstore.json"
    assert list(memory.objects)[-1] == key, "the word comes last"
    memory.objects[key].append(b"put on top by somebody")
    by_folder = reference.parse(f"s3://bucket/{above}{NAME}")
    assert isinstance(by_folder, ObjectStore)
    for each in (where, by_folder):
        again = source(memory, each).find()
        assert [data for _, data in again.rebuilds()] == [b"the word"]
        assert again.place == found.place


def test_every_release_of_a_prefix(place: tuple[Memory, ObjectStore, str]) -> None:
    memory, where, above = place
    attach(where, NAME, WORD, cast("Bucket", memory))
    memory.objects[f"{above}no-release/file"] = [b"x"]
    (one,) = source(memory, where).every()
    assert str(one.reference) == f"s3://bucket/{where.prefix}#{NAME}"
    assert one.id == str(Sha256.of(memory.objects[f"{above}{NAME}/release.json"][0]))
    assert one.when == WHEN
    assert isinstance(one.reference, ObjectStore)
    assert source(memory, one.reference).find().name == NAME
