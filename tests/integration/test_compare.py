"""`tally compare` with real stores and releases: by store, by cache, and by reference."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from projects import Project

if TYPE_CHECKING:
    from tests.conftest import TallyIn

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path) -> Project:
    """Two releases that differ in a line of one file."""
    folder = tmp_path_factory.mktemp("compared")
    made = Project(folder, tally_in(folder), repository)
    for name in ("one", "two"):
        made.recipe(name, f"mkdir -p $out/share; echo same > $out/same; echo 'by {name}' > $out/share/word")
    made.build(folder / "recipes/one.toml", folder / "recipes/two.toml").succeeded()
    return made


@pytest.fixture(scope="module")
def outputs(project: Project, session_state: Path) -> list[str]:
    """The packages' store paths."""
    found = []
    for release in project.releases:
        index = json.loads((project.folder / "releases" / release / "release.json").read_text())
        derivation = index["derivations"]["package"]
        command = [
            "nix-store",
            "--store",
            f"{session_state}/stores/orchestrator",
            "-q",
            "--outputs",
            derivation,
        ]
        found.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    return found


def compared(project: Project, *words: object, code: int) -> list[dict[str, Any]]:
    done = project.tally("compare", *words, "--json")
    assert done.code == code, done.err
    found: list[dict[str, Any]] = json.loads(done.out)["places"]
    return found


def test_store_paths(project: Project, outputs: list[str], session_state: Path, tmp_path: Path) -> None:
    stores = [session_state / "stores" / name for name in ("a", "b")]
    of_both = [word for store in stores for word in ("--store", store)]
    assert compared(project, outputs[0], outputs[0], *of_both, code=0) == []
    (place,) = compared(project, *outputs, *of_both, code=1)
    assert (place["file"], place["where"], place["values"]) == ("share/word", "line 1", ["by one", "by two"])
    assert compared(project, f"{outputs[0]}/same", f"{outputs[1]}/same", *of_both, code=0) == []
    cache = f"file://{tmp_path}/cache"
    copy = ["nix", "--extra-experimental-features", "nix-command", "copy", "--no-check-sigs"]
    subprocess.run([*copy, "--from", f"{stores[0]}", "--to", cache, outputs[1]], check=True)
    (place,) = compared(project, *outputs, "--store", stores[0], "--store", cache, code=1)
    assert place["file"] == "share/word"
    refused = project.tally("compare", *outputs, "--store", tmp_path)
    assert refused.code == 2
    assert "there is no store in" in refused.err


def test_releases(project: Project, tmp_path: Path) -> None:
    one, two = (project.folder / "releases" / name for name in project.releases)
    found = compared(project, one, two, code=1)
    (first, *_) = found
    assert first["file"] == "one-1.0-x86_64-linux.tar.gz and two-1.0-x86_64-linux.tar.gz"
    artifact = [each for each in found if each["aspect"] == "missing" and each["file"].endswith(".tar.gz")]
    assert len(artifact) == 2, "they have other names"
    project.tally("publish", one, f"dir:{tmp_path}/place", "--key", "release.pub").succeeded()
    assert compared(project, f"dir:{tmp_path}/place", one, code=0) == []
    archives = [next(folder.glob("*.tar.gz")) for folder in (one, two)]
    found = compared(project, *archives, code=1)
    told = [(each["inside"][-1]["name"], each["values"]) for each in found if each["aspect"] == "content"]
    assert [(name.rpartition("/")[2], values) for name, values in told] == [("word", ["by one", "by two"])]
