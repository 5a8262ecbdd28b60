"""Which releases there are at a place: a folder, its feed, a registry; and since when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import releases
from registries import FakeRegistry

from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import trusting
from orchestrator.publishing import reference
from orchestrator.publishing.feed import parse as parse_feed
from orchestrator.stories import publication
from orchestrator.stories.publication import Order
from orchestrator.stories.watching import Item, listed, since

NAME = "pigz-2.8-x86_64-linux"
NOW = datetime(2036, 1, 31, tzinfo=UTC)


@pytest.fixture(scope="module")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], None]:
    folder, key = tmp_path_factory.mktemp("release"), SigningKey.generate()
    made = releases.observed(folder / "in")
    release = releases.published(folder / "out", made, key, releases.builder_keys(made)).path

    def published(where: str, scratch: Path) -> None:
        order = Order(release, reference.parse(where), (), trusting([key.public.spki], None), releases.NOW)
        (scratch / "scratch").mkdir()
        publication.publish(order, scratch / "scratch", lambda _: None)

    return published


def found(text: str | Path, after: datetime | None = None, *, every: bool = True) -> list[Item]:
    target = text if isinstance(text, Path) else reference.parse(text)
    return list(listed([target], after, every, lambda _: None))


def test_a_folder_and_its_feed(publish: Callable[[str, Path], None], tmp_path: Path) -> None:
    publish(f"dir:{tmp_path}/www", tmp_path)
    (one,) = found(f"dir:{tmp_path}/www")
    assert str(one.target) == f"dir:{tmp_path}/www#{NAME}"
    assert one.known.startswith("sha256:")
    for feed in (f"dir:{tmp_path}/www/feed.atom", tmp_path / "www/feed.atom"):
        (again,) = found(feed)
        assert (str(again.target), again.known) == (str(one.target), one.known)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert found(f"dir:{tmp_path}/www", tomorrow) == []
    assert len(found(f"dir:{tmp_path}/www", tomorrow - timedelta(days=2))) == 1


def test_a_repository(publish: Callable[[str, Path], None], tmp_path: Path) -> None:
    with FakeRegistry().running() as registry:
        publish(registry.reference(), tmp_path)
        registry.tags["latest"] = registry.tags[NAME]
        kind, data = next((k, d) for k, d in registry.manifests.values() if b'"subject"' not in d)
        registry.put_manifest("no-release", kind, data.replace(b'"layers"', b'"annotations":{},"layers"'))
        (one,) = found(registry.reference())
        assert str(one.target).startswith(f"{registry.reference()}:latest@sha256:")
        assert one.known in str(one.target), "two tags of one release are one"
        assert found(registry.reference(), NOW) == [], "made before that"
        (named,) = found(f"{registry.reference()}:{NAME}", every=False)
        assert named.known == one.known
        registry.read_only = True
    (gone,) = found(registry.reference())
    assert gone.error is not None, "what cannot be listed stops no other"


def test_places_without_any(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (nothing,) = found(f"dir:{tmp_path}/www")
    assert nothing.error is not None
    assert "there is no release at" in nothing.error.message
    for cache in ("cache+https://cache.example.org",):
        (refused,) = found(cache)
        assert refused.error is not None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<feed", "no XML"),
        (b"<html/>", "no Atom feed"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><feed/>', "entities"),
        (
            b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>x</title><id>urn:x</id></entry></feed>',
            "names no release by its digest",
        ),
        (
            b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>../x</title><id>ni:///x</id></entry></feed>',
            "names no release",
        ),
    ],
)
def test_feeds_of_something_else(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "feed.atom").write_bytes(data)
    (one,) = found(tmp_path / "feed.atom")
    assert one.error is not None
    assert said in one.error.message
    with pytest.raises(ValueError, match=said):
        list(parse_feed(data))


def test_since() -> None:
    assert since("7d", NOW) == NOW - timedelta(days=7)
    assert since("2w", NOW) == NOW - timedelta(days=14)
    assert since("2036-01-01", NOW) == datetime(2036, 1, 1, tzinfo=UTC)
    assert since("2036-01-01T05:00:00+05:00", NOW) == datetime(2036, 1, 1, tzinfo=UTC)
    for said in ("yesterday", "7", "2037-01-01", "d", ""):
        with pytest.raises(TallyError):
            since(said, NOW)
