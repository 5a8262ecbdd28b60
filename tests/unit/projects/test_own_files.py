"""What Tallystick writes into a project is left out of what is packed, and nothing else is."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.projects import workflow
from orchestrator.projects.own_files import removal
from orchestrator.projects.sketch import sketch
from orchestrator.projects.tree import Tree

RECIPE = 'name = "app"\n[toolchain]\nfrom = "debian"\n'
WRITTEN = {
    "recipes/app.toml": RECIPE,
    "tally.toml": "",
    "tally.lock": "",
    "keys/release.pub": "",
    workflow.GITHUB: workflow.github("recipes/app.toml", locked=True),
    workflow.GITLAB: workflow.gitlab("recipes/app.toml", locked=True),
    workflow.GITLAB_BESIDE: "",
}
MANIFEST = {"name": "app", "version": "1.0.0"}
COMMENT = "# What Tallystick writes is no part of the package.\n"


def tree(files: Mapping[str, str], **more: Any) -> Tree:
    return Tree(frozenset(files), files.get, "thing", **more)


def left(folder: Path, files: Mapping[str, str], lines: list[str]) -> set[str]:
    """What is there after these lines ran among these files."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    subprocess.run(["sh", "-euc", "\n".join(lines)], cwd=folder, check=True)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("before", [{}, {"recipes/other.toml": RECIPE, "keys/release.pub": ""}])
def test_all_that_is_written_is_left_out(before: Mapping[str, str], tmp_path: Path) -> None:
    later = {**WRITTEN, "recipes/other.toml": RECIPE, "keys/second.pub": ""}
    lines = removal(tree({"index.js": "", **before}), "app")
    assert left(tmp_path, {"index.js": "", **later}, lines) == {"index.js"}
    assert (tmp_path / "recipes").is_dir()


def test_files_of_the_project_stay(tmp_path: Path) -> None:
    own = {
        "recipes/soup.toml": 'name = "soup"\n',
        "recipes/soup.json": "",
        "keys/own.pub": "",
        workflow.GITLAB: "test: {}\n",
        ".github/workflows/test.yml": "",
        "lib/tally.toml": "",
    }
    lines = removal(tree(own), "app", folders=True)
    assert left(tmp_path, {**WRITTEN, **own}, lines) == own.keys()


def test_folders_that_are_then_empty(tmp_path: Path) -> None:
    lines = removal(tree({}), "app", folders=True)
    assert left(tmp_path / "a", WRITTEN, lines) == set()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {".github", ".gitlab"}
    assert left(tmp_path / "b", {"x": ""}, lines) == {"x"}


def test_where_they_are_written(tmp_path: Path) -> None:
    assert removal(tree({}, begun=None), "app") == []
    lines = removal(tree({}, path="packages/app"), "app")
    assert lines[1] == "rm -f recipes/*.toml tally.toml tally.lock keys/*.pub", "jobs are at the top alone"
    below = {f"for us/{path}": text for path, text in WRITTEN.items() if not path.startswith(".")}
    lines = removal(tree({}, begun="for us"), "app")
    assert left(tmp_path, {**below, "tally.toml": ""}, lines) == {"tally.toml"}


@pytest.mark.parametrize("lock", ["package-lock.json", "pnpm-lock.yaml", "yarn.lock", None])
def test_a_node_package_that_does_not_say_which_files_it_has(lock: str | None) -> None:
    files = {"package.json": json.dumps(MANIFEST)} | ({lock: ""} if lock else {})
    script = sketch(tree(files), {}).way.script
    assert f"{COMMENT}rm -f recipes/*.toml tally.toml" in script
    assert script.index("\nrm -f ") < script.index("\nmkdir $out\n") < script.index(" pack ")
    said = {**files, "package.json": json.dumps({**MANIFEST, "files": ["index.js"]})}
    assert "rm -f" not in sketch(tree(said), {}).way.script


@pytest.mark.parametrize("lock", ["package-lock.json", "pnpm-lock.yaml", "yarn.lock"])
def test_a_member_of_a_node_workspace(lock: str) -> None:
    top = {
        "package.json": '{"workspaces": ["packages/*"]}',
        "pnpm-workspace.yaml": "packages: ['packages/*']",
    }
    above = (tree({**top, lock: "__metadata:\n  version: 10\n" if lock == "yarn.lock" else ""}),)
    manifest = json.dumps({**MANIFEST, "scripts": {"build": "tsc"}})
    for begun, written in ((".", True), (None, False)):
        member = tree({"package.json": manifest}, path="packages/app", above=above, begun=begun)
        way = sketch(member, {}).way
        assert way.source == "."
        entered = way.script.partition("\ncd packages/app\n")[2]
        assert (
            f"{COMMENT}rm -f recipes/*.toml tally.toml tally.lock keys/*.pub\nmkdir $out" in entered
        ) == written


@pytest.mark.parametrize(
    ("backend", "removed"), [("setuptools.build_meta", True), ("hatchling.build", False)]
)
def test_setuptools_takes_folders_for_packages(backend: str, removed: bool) -> None:
    text = f'[build-system]\nbuild-backend = "{backend}"\n[project]\nname = "app"\nversion = "1"\n'
    script = sketch(tree({"pyproject.toml": text}), {}).way.script
    assert ("rmdir recipes keys 2> /dev/null || true\npython3 -m build" in script) == removed
