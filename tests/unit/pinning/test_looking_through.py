"""What `tally lock` says of a tree that it fetched, and what `tally build` refuses of one that it has."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.nix.evaluation import FixedPath
from orchestrator.pinning.locking import Locking, make_lock
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import Recipe
from orchestrator.run.gathering import gather
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'1' * 64}\nsize 9\n"
REV = "2" * 40


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that an earlier run fetched: the pointer `large`, and the folder of a submodule."""
    folder = tmp_path / "tree"
    (folder / "lib/sub").mkdir(parents=True)
    (folder / "large").write_text(POINTER)
    return folder


def recipe(tree: Path, **keys: bool) -> Recipe:
    source = {"git": "https://example.org/x.git", "rev": REV, "nar_sha256": nar_hash(tree).hex, **keys}
    return Recipe.model_validate(
        {
            "name": "x",
            "version": "1",
            "summary": "A test",
            "homepage": "https://example.org/",
            "license": "MIT",
            "source": source,
            "toolchain": {"from": "nixpkgs"},
            "build": {"script": "true"},
        }
    )


def locked(tmp_path: Path, tree: Path, **keys: bool) -> list[str]:
    """What `tally lock` says when the tree is in the state folder already."""
    place = tmp_path / "sources" / nar_hash(tree).hex / "x"
    place.parent.mkdir(parents=True)
    tree.rename(place)
    flake = tmp_path / "flake.lock"
    nixpkgs = {"locked": {"type": "github"}, "original": {"type": "github"}}
    nodes = {"root": {"inputs": {"nixpkgs": "n"}}, "n": nixpkgs}
    flake.write_text(json.dumps({"nodes": nodes, "root": "root", "version": 7}))
    said: list[str] = []
    work = Locking(Mirrors(), Sources(tmp_path / "sources", Mirrors()), flake, said.append)
    make_lock({"x": recipe(place, **keys)}, Lock(), (), work)
    return said


def test_a_lock_names_submodules_that_are_empty(tmp_path: Path, tree: Path) -> None:
    said = locked(tmp_path, tree, lfs=False)
    assert any("submodules are empty folders: lib/sub; submodules = true" in line for line in said)


@pytest.mark.parametrize("version", ["https://hawser.github.com/spec/v1", "http://git-media.io/v/2"])
def test_a_lock_refuses_pointers_of_old_versions(tmp_path: Path, tree: Path, version: str) -> None:
    """Which git-lfs itself still takes for pointers."""
    (tree / "large").write_text(POINTER.replace("https://git-lfs.github.com/spec/v1", version))
    with pytest.raises(TallyError, match="git-lfs keeps the content of large elsewhere"):
        locked(tmp_path, tree)


def test_a_lock_refuses_pointers_whoever_fetched_them(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(TallyError, match="source src of x: git-lfs keeps the content of large elsewhere"):
        locked(tmp_path, tree)


class Holding:
    """A store that holds one folder for every path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def invalid(self, paths: Iterable[str]) -> set[str]:
        return set()

    def physical(self, path: str) -> Path:
        return self.folder


@pytest.mark.parametrize("lfs", [None, True, False])
def test_a_build_refuses_pointers_that_its_store_has(tmp_path: Path, tree: Path, lfs: bool | None) -> None:
    digest = nar_hash(tree).hex
    source: dict[str, Any] = {"name": "x", "sha256": digest, "mode": "recursive", "urls": [], "purl": None}
    if lfs is not None:
        source["lfs"] = lfs
    toolchain = {"from": "nixpkgs", "packages": []}
    request = {
        "busybox": None,
        "packages": {},
        "recipes": {"r": {"sources": {"src": source}, "toolchain": toolchain, "inputs": []}},
    }
    state = SimpleNamespace(folder=lambda name: tmp_path / name)
    workshop: Any = SimpleNamespace(
        store=Holding(tree), state=state, configuration=SimpleNamespace(mirrors={})
    )
    fixed = [FixedPath(name="x", digest=NarHash(digest), path="/nix/store/x")]
    if lfs is None:
        with pytest.raises(TallyError, match="r: source x: git-lfs keeps the content of large"):
            gather(workshop, request, fixed, tmp_path, lambda _: None)
    else:
        gather(workshop, request, fixed, tmp_path, lambda _: None)
