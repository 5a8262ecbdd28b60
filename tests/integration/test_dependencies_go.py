"""A Go program with the modules of its go.sum, from a proxy on loopback that speaks Go's protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import gomodules
import images
import pytest
from begun import with_toolchain
from gomodules import GoProxy
from lab import unpacked
from rust import commit

if TYPE_CHECKING:
    from tests.conftest import TallyIn

RECIPE = "recipes/stick.toml"


@pytest.fixture(scope="module")
def proxy(session_state: Path) -> Iterator[GoProxy]:
    with GoProxy(gomodules.modules_of(session_state)).running() as running:
        yield running


@pytest.fixture(scope="module")
def first(
    proxy: GoProxy, tally_in: TallyIn, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The project with its lock, never changed. The toolchain's set is that of the repository's own lock."""
    folder = gomodules.repository(tmp_path_factory.mktemp("go") / "stick", repository / "tally.lock")
    tally_in(folder, GOPROXY=proxy.address)("lock").succeeded()
    commit(folder)
    return folder


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(first, tmp_path / "stick", symlinks=True))


def test_two_builders_agree_and_the_program_runs(
    first: Path, proxy: GoProxy, tally_in: TallyIn, tmp_path: Path
) -> None:
    tally = tally_in(first, GOPROXY=proxy.address)
    tally("keys", "generate", tmp_path / "release").succeeded()
    tally("build", RECIPE, "--key", tmp_path / "release.key", "--out", tmp_path / "out").succeeded()
    [release] = (tmp_path / "out").iterdir()
    bill = json.loads((release / "sbom/stick.cdx.json").read_text())
    refs = {each["bom-ref"]: each["name"] for each in bill["components"]}
    needs = {refs.get(each["ref"]): each.get("dependsOn", ()) for each in bill["dependencies"]}
    assert [refs[each] for each in needs["go-runewidth"]] == [
        "uniseg"
    ]  # of which its go.mod has another version
    licences = {each["name"]: each.get("licenses") for each in bill["components"]}
    assert licences["go-runewidth"] == [{"acknowledgement": "declared", "expression": "MIT"}]
    [artifact] = release.glob("*.tar*")
    [top] = unpacked(artifact, tmp_path / "unpacked").iterdir()
    program = top / "bin/stick"
    said = subprocess.run([program], input=b"a b\nc\n", capture_output=True, check=True).stdout.decode()
    assert said.startswith("stick || hazel\nlines 2 wide 3\n")
    assert b"/nix/store" not in program.read_bytes()


def test_an_image_of_it_runs_with_nothing_else(
    first: Path, proxy: GoProxy, tally_in: TallyIn, tmp_path: Path
) -> None:
    tally = tally_in(first, GOPROXY=proxy.address)
    ran = tally("build", "recipes/stick-image.toml", "--no-sign", "--json").succeeded()
    [outcome] = json.loads(ran.out)["outcomes"]
    said = images.says(Path(outcome["artifact"]), tmp_path / "image", stdin=b"a b\nc\n")
    assert said.startswith(b"stick || hazel\nlines 2 wide 3\n")


WORKSPACE = {
    "go.work": "go 1.19\n\nuse (\n\t./cmd/counter\n\t./lines\n)\n",
    "cmd/counter/go.mod": "module example.org/counter\n\ngo 1.19\n\nrequire example.org/lines v1.0.0\n",
    "cmd/counter/main.go": """\
package main

import "example.org/lines"

func main() { println(lines.Count()) }
""",
    "lines/go.mod": "module example.org/lines\n\ngo 1.19\n",
    "lines/lines.go": "package lines\n\nfunc Count() int { return 2 }\n",
}


def test_a_module_of_a_workspace_is_begun_and_built_there(
    repository: Path, tally_in: TallyIn, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace"
    for name, text in WORKSPACE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    commit(folder)
    shutil.copyfile(repository / "tally.lock", folder / "tally.lock")
    tally = tally_in(folder)
    tally("init", "cmd/counter").succeeded()
    with_toolchain(folder / "recipes/counter.toml", "golang-go")
    commit(folder)
    tally("lock").succeeded()
    commit(folder)
    ran = tally("build", "recipes/counter.toml", "--no-sign", "--json").succeeded()
    [outcome] = json.loads(ran.out)["outcomes"]
    assert outcome["outcome"] == "agreed"
    [top] = unpacked(Path(folder, outcome["artifact"]), tmp_path / "unpacked").iterdir()
    [program] = (top / "bin").iterdir()
    assert subprocess.run([program], capture_output=True, check=True).stderr == b"2\n"


def test_every_module_is_a_material(first: Path, proxy: GoProxy, tally_in: TallyIn) -> None:
    """With the licence that is told by a file of it, which the store has after a build."""
    tally = tally_in(first, GOPROXY=proxy.address)
    tally("build", RECIPE, "--no-sign").succeeded()
    licences = {
        reference["referenceLocator"]: package["licenseDeclared"]
        for package in json.loads(tally("sbom", RECIPE, "--format", "spdx-2.3").succeeded().out)["packages"]
        for reference in package.get("externalRefs", ())
        if reference["referenceLocator"].startswith("pkg:golang/")
    }
    assert len(licences) == 9
    assert licences["pkg:golang/github.com/burntsushi/toml@v1.2.0"] == "NOASSERTION"
    assert licences[f"pkg:golang/{gomodules.LICENSED}@v0.0.14"] == "MIT"


def test_a_hash_that_nobody_has_is_not_locked(project: Path, proxy: GoProxy, tally_in: TallyIn) -> None:
    text = (project / "go.sum").read_text()
    h1 = "h1:qXqYx2MPTY4N9/OvjjBBZkmmkPHvdSjPRTIavbSwBkQ="
    assert h1 in text
    (project / "go.sum").write_text(text.replace(h1, h1.replace("qXqY", "AAAA")))
    before = (project / "tally.lock").read_bytes()
    ran = tally_in(project, GOPROXY=proxy.address)("lock").failed(2)
    assert f"it has the hash {h1}" in ran.err
    assert "go.sum in the source src of stick, line 7" in ran.err
    assert (project / "tally.lock").read_bytes() == before, "nothing is half written"


def test_what_is_not_locked_is_not_built(project: Path, proxy: GoProxy, tally_in: TallyIn) -> None:
    lines = (project / "tally.lock").read_text().splitlines(keepends=True)
    (project / "tally.lock").write_text("".join(line for line in lines if not line.startswith('"h1:qXqY')))
    commit(project)
    ran = tally_in(project, GOPROXY=proxy.address)("build", RECIPE, "--no-sign").failed(2)
    assert "line 7: tally.lock has no sha256 of github.com/google/shlex" in ran.err
    assert "hint: run `tally lock`" in ran.err
