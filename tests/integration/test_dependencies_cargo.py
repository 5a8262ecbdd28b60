"""A Rust program with the crates of its Cargo.lock, from registries on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rust
from begun import with_toolchain
from lab import unpacked
from states import files_with

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

RECIPE = "recipes/stick.toml"


@pytest.fixture(scope="module")
def home(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with rust.registries(session_state, tmp_path_factory.mktemp("cargo") / "home") as found:
        yield found


@pytest.fixture(scope="module")
def first(home: Path, tally_in: TallyIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, never changed."""
    return rust.repository(tmp_path_factory.mktemp("rust") / "stick")


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(first, tmp_path / "stick", symlinks=True))


@pytest.fixture(scope="module")
def release(first: Path, home: Path, tally_in: TallyIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tally = tally_in(first, CARGO_HOME=str(home))
    out = tmp_path_factory.mktemp("released")
    tally("keys", "generate", out / "release").succeeded()
    words = ("build", RECIPE, "--key", out / "release.key", "--out", out / "releases", "--json")
    [outcome] = json.loads(tally(*words).succeeded().out)["outcomes"]
    assert outcome["outcome"] == "released"
    [found] = (out / "releases").iterdir()
    return Path(found)


def test_two_builders_agree_and_the_program_runs(release: Path, tmp_path: Path) -> None:
    [artifact] = release.glob("*.tar.gz")
    [top] = unpacked(artifact, tmp_path / "unpacked").iterdir()
    program = top / "bin/stick"
    said = subprocess.run([program], input=b"a b\nc\n", capture_output=True, check=True).stdout.decode()
    assert said.startswith("stick ||\nlines 2, seen LINES | WORDS\nfirst a b c\n")
    assert b"/nix/store" not in program.read_bytes(), "no path of the dependencies gets into the program"


def test_every_crate_is_a_material_and_a_component(release: Path, first: Path) -> None:
    lock = (first / "Cargo.lock").read_text()
    names = lock.count("checksum = ")
    assert names >= 20
    sbom = json.loads((release / "sbom/stick.spdx.json").read_text())
    purls = {
        reference["referenceLocator"]
        for package in sbom["packages"]
        for reference in package.get("externalRefs", ())
        if reference["referenceLocator"].startswith("pkg:cargo/")
    }
    assert len(purls) == names
    assert "pkg:cargo/unicode-width@0.1.10" in purls
    assert "pkg:cargo/notch@0.1.0?repository_url=https://crates.example.org/index" in purls
    licences = {each["name"]: each.get("licenseDeclared") for each in sbom["packages"]}
    assert licences["notch"] == "MIT OR Apache-2.0", "as its own Cargo.toml has it"
    request = json.loads((release / "source/request.json").read_text())
    [pinned] = request["recipes"]["stick"]["dependencies"]
    told = {each["called"]: each for each in pinned["packages"]}
    assert not told["unicode-width"]["direct"], "only getopts asks for it"
    assert told["unicode-width"]["shipped"]
    assert told["autocfg"]["direct"]
    assert not told["autocfg"]["shipped"], "it is for the build script"
    assert not told["static_assertions"]["shipped"], "it is for tests"


def test_no_token_is_written_anywhere(release: Path, session_state: Path) -> None:
    assert files_with(rust.TOKEN.encode(), release, session_state / "log") == []


TOOLS = {
    "Cargo.toml": '[workspace]\nmembers = ["knife"]\n[workspace.package]\nversion = "0.3.0"\n',
    "knife/Cargo.toml": '[package]\nname = "knife"\nversion.workspace = true\nedition = "2021"\n',
    "knife/src/lib.rs": 'pub fn cut() -> &\'static str { "cut" }\n',
}
CARVER = {
    "Cargo.toml": '[package]\nname = "carver"\nversion = "0.1.0"\nedition = "2021"\n'
    '[dependencies]\nknife = { git = "@tools@", branch = "main" }\n',
    "Cargo.lock": """\
version = 3

[[package]]
name = "carver"
version = "0.1.0"
dependencies = ["knife"]

[[package]]
name = "knife"
version = "0.3.0"
source = "git+@tools@?branch=main#@commit@"
""",
    "src/main.rs": 'fn main() { println!("{}", knife::cut()); }\n',
}


def test_a_crate_out_of_a_repository(first: Path, home: Path, tally_in: TallyIn, tmp_path: Path) -> None:
    """Of a workspace, whose version it has. tally.lock has the hash of the tree, Cargo.lock has none."""
    project = tmp_path / "carver"
    tools = project / ".git/tools"  # of this machine, and so within the source's own repository
    _written(tools, TOOLS)
    rust.commit(tools)
    git = ["git", "-C", str(tools)]
    subprocess.run([*git, "branch", "--move", "main"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    _written(project, CARVER, tools=tools.as_uri(), commit=commit.strip())
    recipe = (first / RECIPE).read_text().replace('"stick"', '"carver"').replace("bin/stick", "bin/carver")
    recipe = recipe.replace("release/stick", "release/carver").replace("lines 1", "cut")
    recipe = recipe.replace("echo one | ", "")  # it reads nothing, and may end before that is written
    _written(project, {"recipes/carver.toml": recipe, "tally.lock": (first / "tally.lock").read_text()})
    rust.commit(project)
    tally = tally_in(project, CARGO_HOME=str(home))
    words = ("build", "recipes/carver.toml", "--no-sign", "--json")
    ran = tally(*words).failed(2)
    assert "tally.lock has no digest of the tree of knife at the commit" in ran.err
    tally("lock").succeeded()
    assert f"git+{tools.as_uri()}@{commit.strip()}" in (project / "tally.lock").read_text()
    rust.commit(project)
    [outcome] = json.loads(tally(*words).succeeded().out)["outcomes"]
    assert outcome["outcome"] == "agreed"


WORKSPACE = {
    "Cargo.toml": """\
[workspace]
members = ["crates/*"]
resolver = "2"
[workspace.package]
version = "0.4.0"
""",
    "crates/counter/Cargo.toml": """\
[package]
name = "counter"
version.workspace = true
[dependencies]
itoa = "1"
lines = { path = "../lines" }
""",
    "crates/counter/src/main.rs": """\
fn main() {
    println!("{}", itoa::Buffer::new().format(lines::count()));
}
""",
    "crates/lines/Cargo.toml": '[package]\nname = "lines"\nversion.workspace = true\n',
    "crates/lines/src/lib.rs": "pub fn count() -> usize { std::io::stdin().lines().count() }\n",
    "crates/other/Cargo.toml": '[package]\nname = "other"\nversion.workspace = true\n',
    "crates/other/src/main.rs": "fn main() {}\n",
    "Cargo.lock": """\
version = 3

[[package]]
name = "counter"
version = "0.4.0"
dependencies = ["itoa", "lines"]

@itoa@

[[package]]
name = "lines"
version = "0.4.0"

[[package]]
name = "other"
version = "0.4.0"
""",
}


def test_a_member_of_a_workspace_is_begun_and_built_there(
    first: Path, home: Path, tally_in: TallyIn, tmp_path: Path
) -> None:
    lock = (first / "Cargo.lock").read_text().split("\n\n")
    project = tmp_path / "workspace"
    _written(project, WORKSPACE, itoa=next(each for each in lock if 'name = "itoa"' in each))
    rust.commit(project)
    shutil.copyfile(first / "tally.lock", project / "tally.lock")
    tally = tally_in(project, CARGO_HOME=str(home))
    tally("init", "crates/counter").succeeded()
    with_toolchain(project / "recipes/counter.toml", "cargo")
    rust.commit(project)
    tally("lock").succeeded()
    rust.commit(project)
    ran = tally("build", "recipes/counter.toml", "--no-sign", "--json").succeeded()
    [outcome] = json.loads(ran.out)["outcomes"]
    assert outcome["outcome"] == "agreed"
    [top] = unpacked(Path(project, outcome["artifact"]), tmp_path / "unpacked").iterdir()
    assert top.name == "counter-0.4.0"
    [program] = (top / "bin").iterdir()
    assert subprocess.run([program], input=b"a\nb\n", capture_output=True, check=True).stdout == b"2\n"


def _written(folder: Path, files: dict[str, str], **values: str) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        filled = text
        for key, value in values.items():
            filled = filled.replace(f"@{key}@", value)
        (folder / name).write_text(filled)


def changed(project: Path, old: str, new: str, file: str = "Cargo.lock") -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new, 1))
    rust.commit(project)


CHECKSUM = "1bef459e577bc39ca4ae178905c3523acf0a39bc734fee34d806a9e7c8a18976"
BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "a version to come": (
        ("version = 3", "version = 9"),
        "line 3: it is of version 9, and versions 1 to 4 are",
    ),
    "no checksum": ((f'checksum = "{CHECKSUM}"\n', ""), "line 5: arrayvec 0.7.2 has no checksum"),
    "bytes that nobody has": (
        (CHECKSUM, "0" * 64),
        f"its index has arrayvec 0.7.2 with the checksum {CHECKSUM}, not {'0' * 64}",
    ),
    "a manifest that moved on": (
        ('hex = "0.4"', 'hex = "0.4"\nregex = "1"', "Cargo.toml"),
        "Cargo.toml, line 21: it asks for regex, which",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_lock_that_cannot_be_followed(case: str, project: Path, home: Path, tally_in: TallyIn) -> None:
    change, said = BAD[case]
    changed(project, *change)
    tally: Tally = tally_in(project, CARGO_HOME=str(home))
    ran: Any = tally("build", RECIPE, "--no-sign").failed(2)
    assert said in ran.err
    assert "hint: " in ran.err
    assert not (project / "releases").exists()
