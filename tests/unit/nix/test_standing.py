"""The rule by which a source's path follows from what is in it, of a store without Nix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.ground.nar import nar_hash
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.standing import rule_of
from orchestrator.nix.store import PathInfo
from orchestrator.nix.storepath import ByContent, flat_path, source_path, text_path

DATA = b"echo hello\n"
OTHER = f"/nix/store/{'0' * 32}-other"
SHA256 = Sha256.of(DATA).hex


@pytest.fixture
def store(tmp_path: Path) -> ChrootStore:
    (tmp_path / "nix/store").mkdir(parents=True)
    return ChrootStore(Nix("2.8.0", tmp_path), tmp_path)


@pytest.fixture
def nar(tmp_path: Path) -> str:
    """Of a file with `DATA`."""
    (tmp_path / "data").write_bytes(DATA)
    return nar_hash(tmp_path / "data").hex


def found(store: ChrootStore, path: str, references: Sequence[str]) -> ByContent | None:
    """Of what lies at a path."""
    return rule_of(store, PathInfo(path, nar_hash(store.physical(path)), 1, tuple(references)))


@pytest.mark.parametrize("references", [(), (OTHER,)])
def test_a_file(store: ChrootStore, nar: str, references: tuple[str, ...]) -> None:
    by_rule = {
        source_path("x", nar, references): ByContent("source", None, references),
        text_path("x", DATA, references): ByContent("text", SHA256, references),
        flat_path("x", SHA256): ByContent("flat", SHA256),
    }
    for path, rule in by_rule.items():
        store.physical(path).write_bytes(DATA)
        assert found(store, path, references) == rule


def test_what_no_rule_gives(store: ChrootStore, nar: str) -> None:
    """What was built, and what has other references, another name or other bytes than its path says."""
    paths = (
        OTHER,
        source_path("x", nar, (OTHER,)),
        source_path("x", "0" * 64, ()),
        source_path("y", nar, ()).replace("-y", "-x"),
        text_path("x", DATA, (OTHER,)),
        text_path("x", b"other", ()),
        flat_path("x", "0" * 64),
    )
    for path in paths:
        store.physical(path).write_bytes(DATA)
        assert found(store, path, ()) is None


def test_a_folder_and_a_link_are_sources_alone(store: ChrootStore, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "folder").mkdir()
    for each in ("link", "folder"):
        path = source_path(each, nar_hash(tmp_path / each).hex, ())
        (tmp_path / each).rename(store.physical(path))
        assert found(store, path, ()) == ByContent("source", None)
    for path in (text_path("link", DATA, ()), flat_path("link", SHA256)):
        store.physical(path).symlink_to(tmp_path / "data")
        assert found(store, path, ()) is None
