"""What `tally lock --check` says of a project's own lock file that is another one by now."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from hashlib import sha256, sha512
from pathlib import Path

import pytest
from source_trees import Files

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.followed import changed, followed
from orchestrator.pinning.lockfiles import LockFile, Remembering, named_by, refuse_two_of_one
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import Recipe
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

RECIPE = Recipe.model_validate(
    {
        "name": "r",
        "version": "1",
        "summary": "s",
        "homepage": "https://example.org/",
        "license": "MIT",
        "source": {"path": "app"},
        "dependencies": [{"lock": "package-lock.json"}],
        "toolchain": {"from": "debian"},
        "build": {"script": "true"},
    }
)


def _commit(folder: Path, **versions: str) -> None:
    packages = {
        f"node_modules/{name}": {
            "version": version,
            "integrity": f"sha512-{b64encode(sha512(f'{name}{version}'.encode()).digest()).decode()}",
        }
        for name, version in versions.items()
    }
    app = folder / "app"
    app.mkdir(exist_ok=True)
    (app / "package.json").write_text("{}")
    lock = {"lockfileVersion": 3, "packages": {"": {}, **packages}}
    (app / "package-lock.json").write_text(json.dumps(lock))
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)


def files(folder: Path, sources: Sources) -> tuple[LockFile, ...]:
    return named_by({"r": RECIPE}, Lock(), folder, sources)


@pytest.fixture
def locked(tmp_path: Path) -> tuple[Path, Sources, Lock]:
    _commit(tmp_path, a="1.9.0", b="1.0.0", c="1.0.0", d="1.0.0")
    sources = Sources(tmp_path / "sources", Mirrors())
    found = followed(files(tmp_path, sources), Lock())
    assert list(found["r"]) == ["src/package-lock.json"]
    return tmp_path, sources, Lock(followed=found)


def test_nothing_changed(locked: tuple[Path, Sources, Lock]) -> None:
    folder, sources, lock = locked
    assert list(changed(files(folder, sources), {"r": RECIPE}, lock, folder)) == []


def test_packages_up_down_in_and_out(locked: tuple[Path, Sources, Lock]) -> None:
    folder, sources, lock = locked
    _commit(folder, a="1.10.0", b="0.9.0", d="1.0.0", e="1.0.0")
    assert list(changed(files(folder, sources), {"r": RECIPE}, lock, folder)) == [
        "r: package-lock.json changed: up a 1.9.0 -> 1.10.0, down b 1.0.0 -> 0.9.0, out c 1.0.0, in e 1.0.0"
    ]


def test_what_was_never_locked(locked: tuple[Path, Sources, Lock]) -> None:
    folder, sources, lock = locked
    assert list(changed(files(folder, sources), {"r": RECIPE}, Lock(), folder)) == [
        "r: package-lock.json is new to tally.lock"
    ]
    assert list(changed((), {}, lock, folder)) == [
        "r: src/package-lock.json is locked, and the recipe names no such lock file"
    ]


def test_files_that_a_lock_file_names_count_with_it() -> None:
    def digest(base: bytes, other: bytes = b"") -> str:
        tree = Remembering(Files({"all.txt": b"-r base.txt", "base.txt": base, "pyproject.toml": other}))
        for path in ("all.txt", "base.txt", "pyproject.toml", "absent.txt"):
            tree.read(path)
        return tree.digest("all.txt")

    assert digest(b"one") != digest(b"two")
    assert digest(b"one", b"1") == digest(b"one", b"2"), "a manifest pins nothing"
    alone = Remembering(Files({"all.txt": b"x"}))
    alone.read("all.txt")
    assert alone.digest("all.txt") == sha256(b"x").hexdigest()


def test_two_lock_files_of_a_recipe_mean_one_package_by_a_name() -> None:
    def lock(file: str, digit: str) -> dict[str, object]:
        package = {"called": "b", "version": "1", "file": "b-1.tgz", "line": 3, "sha512": digit * 128}
        return {"kind": "npm", "lock": file, "packages": [package]}

    refuse_two_of_one("r", [lock("a/package-lock.json", "1"), lock("b/package-lock.json", "1")])
    with pytest.raises(TallyError, match=r"b 1 has other bytes in b/package-lock\.json, line 3, than in a/"):
        refuse_two_of_one("r", [lock("a/package-lock.json", "1"), lock("b/package-lock.json", "2")])


def test_a_tree_and_another_of_one_name_are_two() -> None:
    """pip would take either of the two: the names of their files differ, or one is in the other's place."""
    one = {"called": "a", "version": "1", "file": "a-1.tar.gz", "sha256": "1", "line": 3}
    tree = {**one, "file": "a-1-012345678901", "rev": "0" * 40}

    def lock(place: str, each: dict[str, object], kind: str = "python") -> dict[str, object]:
        return {"kind": kind, "lock": place, "packages": [each]}

    refuse_two_of_one("r", [lock("uv.lock", tree), lock("b/uv.lock", tree)])
    for other in (one, {**tree, "rev": "1" * 40}, {**tree, "part": "x"}):
        refuse_two_of_one("r", [lock("Cargo.lock", tree, "cargo"), lock("b/Cargo.lock", other, "cargo")])
        with pytest.raises(
            TallyError, match=r"a 1 is from elsewhere in b/uv\.lock, line 3, than in uv\.lock"
        ):
            refuse_two_of_one("r", [lock("uv.lock", tree), lock("b/uv.lock", other)])
