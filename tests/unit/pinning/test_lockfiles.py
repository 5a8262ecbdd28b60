"""A project's lock file in a run of `tally lock`: read once, and no way to others' repositories."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from npm_packages import integrity
from source_trees import Files

from orchestrator.dependencies.dependency import BadLock, Locked
from orchestrator.pinning.lockfiles import LockFile
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import Recipe

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def recipe(lock: str, **further: str) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "r",
            "version": "1",
            "summary": "s",
            "homepage": "https://example.org/",
            "license": "MIT",
            "systems": ["x86_64-linux", "aarch64-linux"],
            "source": {"path": "."},
            "dependencies": [
                {"lock": lock, **({"python": "3.11.2"} if lock.endswith("uv.lock") else {}), **further}
            ],
            "toolchain": {"from": "nixpkgs"},
            "build": {"script": "true"},
        }
    )


def uv(address: str) -> Files:
    lock = (
        'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "app"\nversion = "1"\n'
        'source = { virtual = "." }\ndependencies = [\n    { name = "x" },\n]\n\n'
        f'[[package]]\nname = "x"\nversion = "1"\nsource = {{ git = "{address}#{COMMIT}" }}\n'
    )
    return Files({"uv.lock": lock.encode()})


def test_a_file_of_the_source_is_compared(tmp_path: Path) -> None:
    of = recipe("app/uv.lock")
    lock = (
        'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "app"\nversion = "1"\n'
        'source = { virtual = "." }\ndependencies = [\n    { name = "x" },\n]\n\n'
        '[[package]]\nname = "x"\nversion = "1"\nsource = { path = "dist/x-1.tar.gz" }\n'
        f'sdist = {{ hash = "sha256:{sha256(b"right").hexdigest()}" }}\n'
    ).encode()

    def read(**files: bytes) -> Locked:
        tree = Files(
            {"app/uv.lock": lock, **{f"app/dist/{name}-1.tar.gz": data for name, data in files.items()}}
        )
        file = LockFile(of, of.dependencies[0], tree, tmp_path)
        return file.locked("x86_64-linux", file.asked("x86_64-linux", Lock()))

    assert [each.name for each in read(x=b"right").inside] == ["x"]
    with pytest.raises(BadLock, match=r"12: x is the file dist/x-1.tar.gz of the source, which has another"):
        read(x=b"wrong")
    with pytest.raises(BadLock, match="which has no such file"):
        read()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    git = ["git", "-C", str(top), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    top.mkdir()
    for words in (["init", "-q"], ["commit", "-qm", "x", "--allow-empty"]):
        subprocess.run([*git, *words], check=True)
    (top / "parts").mkdir()
    (top / "out").symlink_to(tmp_path)
    return top


def test_for_all_systems_and_each_step_it_is_read_once(tmp_path: Path) -> None:
    lock = {"lockfileVersion": 3, "packages": {"": {}}}
    tree = Files({"package.json": {}, "package-lock.json": lock})
    file = LockFile(recipe("package-lock.json"), recipe("package-lock.json").dependencies[0], tree, tmp_path)
    for system in (*file.recipe.systems, *file.recipe.systems):
        first = file.locked(system, None)
        assert file.locked(system, None) is first
        file.described(system, Lock())
    assert tree.count == {"package.json": 1, "package-lock.json": 1}


@pytest.mark.parametrize("address", ["file://{top}/parts", "file://{top}", "https://example.org/x"])
def test_a_repository_within_the_sources_own(address: str, repository: Path) -> None:
    of = recipe("uv.lock")
    file = LockFile(of, of.dependencies[0], uv(address.format(top=repository)), repository / "parts")
    [found] = file.locked("x86_64-linux", file.asked("x86_64-linux", Lock())).dependencies
    assert found.rev == COMMIT


@pytest.mark.parametrize(
    "address",
    [
        "file://{top}/../private",
        "file://{top}/%2e%2e/private",
        "file://{top}/out/private",
        "file:///etc",
        "file://localhost{top}",
        "FILE:///srv/private",
    ],
)
def test_repositories_of_this_machine(address: str, repository: Path) -> None:
    of = recipe("uv.lock")
    file = LockFile(of, of.dependencies[0], uv(address.format(top=repository)), repository)
    with pytest.raises(
        BadLock, match=r"uv\.lock.* line 12: x is from a repository of this machine"
    ) as caught:
        file.locked("x86_64-linux", file.asked("x86_64-linux", Lock()))
    assert "https://" in (caught.value.hint or "")
    elsewhere = LockFile(of, of.dependencies[0], uv(f"file://{repository}"), repository.parent)
    with pytest.raises(BadLock, match="outside of the source's"):  # a folder in no repository
        elsewhere.locked("x86_64-linux", elsewhere.asked("x86_64-linux", Lock()))


def test_a_source_from_elsewhere_has_no_repository_of_this_machine(repository: Path) -> None:
    """Whoever wrote an archive would choose what of the recipe's own repository is built from."""
    source = {"url": "https://example.org/x.tar.gz", "sha256": "1" * 64}
    of = Recipe.model_validate({**recipe("uv.lock").model_dump(by_alias=True), "source": source})
    file = LockFile(of, of.dependencies[0], uv(f"file://{repository}/parts"), repository)
    with pytest.raises(BadLock, match="outside of the source's"):
        file.locked("x86_64-linux", file.asked("x86_64-linux", Lock()))


def test_the_member_that_a_recipe_names_is_the_project(tmp_path: Path) -> None:
    packages = {
        "": {"workspaces": ["app", "other"]},
        "app": {},
        "other": {"dependencies": {"o": "*"}},
        "node_modules/o": {"version": "1.0.0", "integrity": integrity(b"o")},
    }
    lock = {"lockfileVersion": 3, "packages": packages}
    tree = Files({"x/package-lock.json": lock, "x/package.json": packages[""]})
    for further, asked in (({}, True), ({"member": "x/other"}, True), ({"member": "x/app"}, False)):
        of = recipe("x/package-lock.json", **further)
        file = LockFile(of, of.dependencies[0], tree, tmp_path)
        [told] = file.described("x86_64-linux", Lock())["packages"]
        assert (told["direct"], told["shipped"]) == (asked, asked)
    of = recipe("x/package-lock.json", member="x/ap")
    with pytest.raises(BadLock, match="in the source src of r: it has no member 'x/ap'"):
        LockFile(of, of.dependencies[0], tree, tmp_path).locked("x86_64-linux", None)
