"""`tally init`: what it writes, what it leaves, and what it refuses with nothing half-written."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.builders.configuration import load
from orchestrator.recipe.placeholders import unfilled
from orchestrator.recipe.recipe import PathSource
from orchestrator.recipe.recipe import load as load_recipe
from orchestrator.stories.looking import look

if TYPE_CHECKING:
    from tests.conftest import TallyIn

CMAKE = "project(thing VERSION 1.2 LANGUAGES C)\n"
MAKE = "install:\n\tinstall -d $(PREFIX)/bin\n"
WRITTEN = [".github/workflows/tally.yml", ".gitignore", "recipes/thing.toml", "tally.toml"]


def repository(folder: Path, files: Mapping[str, str], *, commit: bool = True) -> Path:
    git = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.org"]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if commit:
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "one"], check=True)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def test_everything_is_written_once(tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path / "p", {"CMakeLists.txt": CMAKE})
    tally = tally_in(folder)
    ran = tally("init", "--yes").succeeded()
    assert "version   1.2    CMakeLists.txt:1" in ran.out
    assert "homepage  https://homepage-is-not-known.invalid/    FILL IN: nothing here says it" in ran.out
    assert "commit what was written here" in ran.err
    assert sorted(contents(folder).keys() - {"CMakeLists.txt"}) == WRITTEN
    recipe = load_recipe(folder / "recipes/thing.toml")
    assert recipe.version == "1.2"
    assert unfilled(recipe) == ("homepage", "license")
    assert [builder.name for builder in load(folder).builder] == ["a", "b"]
    before = contents(folder)
    again = tally("init", "--yes").succeeded()
    assert contents(folder) == before
    for name in WRITTEN:
        assert f"left {name}: " in again.out
    assert "wrote" not in again.out


def test_the_document(tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path, {"CMakeLists.txt": CMAKE, "Makefile": "all:\n"})
    document = json.loads(tally_in(folder)("init", "--json").succeeded().out)
    assert document["buildSystem"] == "cmake"
    assert document["others"] == [{"name": "make", "seen": "Makefile"}]
    assert sorted(document["written"]) == WRITTEN
    assert document["left"] == []
    assert {"key": "version", "value": "1.2", "from": "CMakeLists.txt:1", "sure": True} in document["guesses"]


def test_what_is_there_stays(tmp_path: Path, tally_in: TallyIn) -> None:
    mine = {
        "CMakeLists.txt": CMAKE,
        "recipes/thing.toml": "mine",
        ".gitignore": "/build\r\n*.o",
        ".gitlab-ci.yml": "x: {}\n",
    }
    folder = repository(tmp_path, mine)
    (folder / "tally.toml").write_text('[[builder]]\nname = "x"\n[[builder]]\nname = "y"\n')
    ran = tally_in(folder)("init", "--yes").succeeded()
    found = contents(folder)
    assert found["recipes/thing.toml"] == b"mine"
    assert found[".gitlab-ci.yml"] == b"x: {}\n"
    assert found[".gitignore"] == b"/build\r\n*.o\n/releases/\n/keys/*.key\n"
    assert found[".gitlab/tally.yml"].startswith(b"# By `tally init`.")
    assert "added lines to .gitignore\n" in ran.out
    assert "wrote .gitlab/tally.yml\n" in ran.out
    assert "left .gitlab-ci.yml: add to it: include: /.gitlab/tally.yml" in ran.out
    assert ".github/workflows/tally.yml" not in found


@pytest.mark.parametrize(
    ("blocked", "says"),
    [("recipes", "recipes"), (".github", ".github"), (".github/workflows", "workflows")],
)
def test_a_file_where_a_folder_is_needed(blocked: str, says: str, tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path, {"CMakeLists.txt": CMAKE, ".gitignore": "x\n", blocked: ""})
    before = contents(folder)
    ran = tally_in(folder)("init", "--yes", "--ci", "github").failed(2)
    assert says in ran.err
    assert contents(folder) == before
    assert not (folder / "recipes").is_dir()


@pytest.mark.parametrize("link", ["recipes", ".github"])
def test_nothing_is_written_through_a_link(link: str, tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path / "p", {"CMakeLists.txt": CMAKE})
    (tmp_path / "outside").mkdir()
    (folder / link).symlink_to("../outside")
    ran = tally_in(folder)("init", "--yes", "--ci", "github").failed(2)
    assert "leads out of the repository, and nothing is written there" in ran.err
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (folder / "tally.toml").exists()


def test_a_repository_within_another_one(tmp_path: Path, tally_in: TallyIn) -> None:
    outer = repository(tmp_path / "outer", {"a": ""})
    repository(outer / "inner", {"CMakeLists.txt": CMAKE})
    before = contents(outer)
    ran = tally_in(outer)("init", "inner", "--yes").failed(2)
    assert f"{outer / 'inner'} is a repository of its own, and {outer} is outside it" in ran.err
    assert contents(outer) == before
    tally_in(outer / "inner")("init", "--yes").succeeded()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path / "p", {"CMakeLists.txt": CMAKE})
    folder.chmod(0o500)
    ran = tally_in(folder)("init", "--yes").failed(2)
    folder.chmod(0o700)
    assert "Permission denied" in ran.err


def test_no_repository(tmp_path: Path, tally_in: TallyIn) -> None:
    (tmp_path / "Makefile").write_text("all:\n")
    ran = tally_in(tmp_path)("init", "--yes").failed(2)
    assert "is in no git repository" in ran.err
    assert "git init" in ran.err
    assert list(contents(tmp_path)) == ["Makefile"]


@pytest.mark.parametrize("commit", [False, True])
def test_an_empty_repository(commit: bool, tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path / "void", {}, commit=commit)
    ran = tally_in(folder)("init", "--yes").failed(1)
    assert "no build system was recognised: fill in `script` and `packages` in recipes/void.toml" in ran.err
    assert "FILL IN" in (folder / "recipes/void.toml").read_text()
    load_recipe(folder / "recipes/void.toml")


def test_a_folder_of_a_repository(tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path, {"parts/thing/CMakeLists.txt": CMAKE, "README": ""})
    tally_in(folder)("init", "parts/thing", "--yes").succeeded()
    recipe = load_recipe(folder / "recipes/thing.toml")
    assert recipe.source is not None
    assert recipe.source.model_dump()["path"] == "parts/thing"
    below = folder / "parts/thing"
    ran = tally_in(below)("init", "--yes").succeeded()
    assert "left ../../tally.toml: it counts here" in ran.out
    assert "tally.yml" not in ran.out + ran.err, "there is none that could be left"
    assert "no CI job was written: forges look for jobs at the repository's top alone" in ran.err
    assert "for one, give `tally init parts/thing` there instead" in ran.err
    assert (below / "recipes/thing.toml").is_file()
    wanted = tally_in(below)("init", "--yes", "--ci", "none").succeeded()
    assert "CI job" not in wanted.err
    document = json.loads(tally_in(below)("init", "../..", "--json").failed(1).out)
    assert any("give `tally init` there instead" in each for each in document["remarks"])
    assert [each["path"] for each in document["left"]] == ["../../tally.toml", ".gitignore"]


@pytest.mark.parametrize("name", ["a\nb\x1b[31m", "-rf", "$(id)", "ß", "\udcff"])
def test_hostile_folders(name: str, tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path / name, {"Makefile": MAKE, f"{name}.c": ""})
    ran = tally_in(folder)("init", "--yes").succeeded()
    assert "\x1b" not in ran.out + ran.err
    (recipe,) = (folder / "recipes").iterdir()
    load_recipe(recipe)


def test_a_member_of_a_workspace_is_built_there(tmp_path: Path, tally_in: TallyIn) -> None:
    member = '{"name": "app", "version": "1.0.0", "dependencies": {"@acme/lib": "workspace:*"}%s}'
    own = '{"name": "own", "version": "1", "devDependencies": {"a": "1"}, "scripts": {"build": "b"}}'
    top = '{"private": true}'
    files = {"package.json": top, "pnpm-lock.yaml": "", "pnpm-workspace.yaml": "packages: ['packages/*']"}
    members = {
        "packages/app/package.json": member % ', "scripts": {"build": "tsc"}',
        "packages/plain/package.json": member.replace("app", "plain") % "",
        "tools/other/package.json": member.replace("app", "other") % ', "scripts": {"build": "tsc"}',
        "tools/own/package.json": own,
    }
    folder = repository(tmp_path / "p", {**files, **members})
    (tmp_path / "yarn.lock").write_text("")  # over the repository
    for name in ("app", "plain"):
        ran = tally_in(folder)("init", f"packages/{name}", "--yes").succeeded()
        assert "its source is its workspace, the repository's top, whose pnpm-lock.yaml pins" in ran.err
        recipe = load_recipe(folder / f"recipes/{name}.toml")
        assert recipe.named_sources["project"] == PathSource(path=".")
        assert f"cd packages/{name}\n" in recipe.build.script
    within = folder / "packages/app"
    tally_in(within)("init", "--yes").succeeded()
    assert load_recipe(within / "recipes/app.toml").named_sources["project"] == PathSource(path=".")
    other = tally_in(folder)("init", "tools/other", "--yes").failed(1)
    assert "asks for @acme/lib by workspace:*" in other.err
    assert "the script in recipes/other.toml has a place to fill in" in other.err
    assert "npm pack" not in load_recipe(folder / "recipes/other.toml").build.script
    apart = tally_in(folder)("init", "tools/own", "--yes").failed(1)
    assert "../../pnpm-lock.yaml is of a workspace that this folder is no part of" in apart.err
    before = contents(folder)
    at_top = tally_in(folder)("init", "--yes").failed(1)
    assert "see `tally init packages/app`" in at_top.err
    assert contents(folder) == before
    assert look(folder, folder).tree.above == ()


def test_at_the_top_of_a_workspace_its_members_are_named_and_nothing_is_written(
    tmp_path: Path, tally_in: TallyIn
) -> None:
    manifest = '{"name": "%s", "version": "1.0.0"}'
    files = {
        "js/package.json": manifest.replace("}", ', "private": true, "workspaces": ["packages/*"]}') % "top",
        "js/package-lock.json": "{}",
        "js/packages/app/package.json": manifest % "app",
        "js/packages/a b/package.json": manifest % "b",
        "js/packages/tools/package.json": "{}",
        "js/examples/one/package.json": manifest % "one",
    }
    folder = repository(tmp_path / "p", files)
    before = contents(folder)
    for where, place in ((folder, "js/"), (folder / "js", "")):
        ran = tally_in(where)("init", *filter(None, [place])).failed(1)
        assert ran.out.startswith("a workspace of 2 packages, by package.json\nnext:\n")
        assert f"  tally init '{place}packages/a b'\n  tally init {place}packages/app\n" in ran.out
        assert "nothing was written, since the workspace's top is no package" in ran.err
        assert "package.json is private, and of a workspace: `tally init --by npm` packs it" in ran.err
        assert contents(folder) == before
    document = json.loads(tally_in(folder / "js")("init", "--json").failed(1).out)
    assert document["members"] == ["packages/a b", "packages/app"]
    assert (document["recipe"], document["written"], document["left"]) == (None, [], [])
    tally_in(folder / "js")("init", "packages/app").succeeded()
    tally_in(folder / "js")("init", "--by", "npm").succeeded()
    assert (folder / "js/recipes/top.toml").is_file()


@pytest.mark.parametrize("top", ['{"workspaces": []}', '{"workspaces": ["none/*"]}', '{"private": true}'])
def test_a_package_json_without_members_is_as_any_other(top: str, tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path, {"package.json": top, "a/package.json": '{"name": "a", "version": "1"}'})
    assert "nothing was written" not in tally_in(folder)("init", "--yes").failed(1).err
    (folder / "Makefile").write_text(MAKE)
    (folder / "package.json").write_text('{"private": true, "workspaces": ["a"]}')
    assert "make, by Makefile" in tally_in(folder)("init", "--yes").succeeded().out


@pytest.mark.parametrize("name", ["\x7f", "\udcff"])
def test_a_member_in_a_folder_that_toml_cannot_hold_as_it_is(
    name: str, tmp_path: Path, tally_in: TallyIn
) -> None:
    member = '{"name": "app", "version": "1.0.0", "scripts": {"build": "b"}}'
    files = {"package.json": '{"workspaces": ["*"]}', "package-lock.json": "{}"}
    folder = repository(tmp_path / "p", {**files, f"{name}/package.json": member})
    if name == "\x7f":
        tally_in(folder)("init", name, "--yes").succeeded()
        assert f"cd '{name}'\n" in load_recipe(folder / "recipes/app.toml").build.script
    else:
        ran = tally_in(folder)("init", name, "--yes").failed(2)
        assert "is no UTF-8, and a recipe is text" in ran.err
        assert not (folder / "recipes").exists()


CARGO = '[package]\nname = "a"\nversion = "1.0.0"\n'


@pytest.mark.parametrize(
    "files", [{"Cargo.toml": CARGO, "Cargo.lock": "version = 4\n"}, {"CMakeLists.txt": CMAKE}]
)
def test_a_project_is_committed_before_it_is_locked(
    files: Mapping[str, str], tmp_path: Path, tally_in: TallyIn
) -> None:
    folder = repository(tmp_path, files, commit=False)
    steps = json.loads(tally_in(folder)("init", "--json").succeeded().out)["next"]
    assert [step.split()[0:2] for step in steps] == [
        ["git", "add"],
        ["tally", "lock"],
        ["git", "add"],
        ["tally", "build"],
    ]


def test_a_flake_needs_no_recipe(tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path, {"flake.nix": "{ outputs = _: { }; }"})
    ran = tally_in(folder)("init", "--yes").succeeded()
    assert not (folder / "recipes").exists()
    assert "tally build '.#default' --no-sign" in ran.out or "tally build .#default --no-sign" in ran.out
    job = (folder / ".github/workflows/tally.yml").read_text()
    assert 'TARGET: ".#default"' in job
    assert "tally lock" not in job
    (folder / "CMakeLists.txt").write_text(CMAKE)
    again = tally_in(folder)("init", "--yes").succeeded()
    assert "flake.nix is there: `tally build .#NAME` builds its packages" in again.err
    assert (folder / "recipes/thing.toml").is_file()


def test_nothing_is_read_through_a_link(tmp_path: Path, tally_in: TallyIn) -> None:
    secret = tmp_path / "secret"
    secret.write_text("VERSION = 6.6.6\nall:\n")
    folder = repository(tmp_path / "p", {"README": ""})
    (folder / "Makefile").symlink_to(secret)
    ran = tally_in(folder)("init", "--yes").failed(1)
    assert "6.6.6" not in ran.out
    (folder / "linked").symlink_to(tmp_path)
    (folder / ".gitignore").unlink()
    (folder / ".gitignore").symlink_to(secret)
    again = tally_in(folder)("init", "--yes").failed(1)
    assert "left .gitignore: it is a link" in again.out
    assert secret.read_text() == "VERSION = 6.6.6\nall:\n"


def test_nothing_that_a_repository_names_is_run(tmp_path: Path, tally_in: TallyIn) -> None:
    """No filter, file system monitor or hook of .git/config, and none of its files."""
    files = {
        "configure.ac": "AC_INIT([a], [1])\n",
        "setup.py": "open('ran', 'w')",
        ".gitattributes": "* filter=x\n",
    }
    folder = repository(tmp_path, files)
    for key, command in (
        ("filter.x.clean", "touch ran; cat"),
        ("core.fsmonitor", "touch ran"),
        ("core.pager", "touch ran"),
    ):
        subprocess.run(["git", "-C", str(folder), "config", key, command], check=True)
    (folder / "setup.py").write_text("open('ran', 'x')")
    tally_in(folder)("init", "--yes").succeeded()
    assert not (folder / "ran").exists()


def test_a_build_system_that_is_not_there(tmp_path: Path, tally_in: TallyIn) -> None:
    folder = repository(tmp_path, {"CMakeLists.txt": CMAKE, "Makefile": MAKE})
    ran = tally_in(folder)("init", "--yes", "--by", "cargo").failed(2)
    assert "hint: it has cmake, make" in ran.err
    tally_in(folder)("init", "--yes", "--by", "make").succeeded()
    assert "make -j" in (folder / "recipes/thing.toml").read_text()


def test_what_cannot_be_seen_is_asked_for_at_a_terminal(tmp_path: Path) -> None:
    files = {"CMakeLists.txt": CMAKE, "README": "The thing does things to things.\n", "LICENSE": "Be good.\n"}
    folder = repository(tmp_path, files)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", "init"],
        cwd=folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asked:
        os.close(theirs)
        os.write(ours, b"no address\nhttps://example.org/thing\nMIT\n")
        out, err = asked.communicate(timeout=120)
    os.close(ours)
    assert asked.returncode == 0, err
    assert "name" not in err.split("homepage")[0], "what is seen is not asked for"
    assert "expected" in err
    assert "note: LICENSE is the text of no licence that is known here: look at it\nlicense [" in err
    recipe = load_recipe(folder / "recipes/thing.toml")
    assert (recipe.homepage, recipe.license) == ("https://example.org/thing", "MIT")
    assert "license   MIT    your answer" in out


def test_many_files(tmp_path: Path, tally_in: TallyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.stories import looking

    folder = repository(
        tmp_path, {f"d{n}/f": "" for n in range(30)} | {"CMakeLists.txt": CMAKE}, commit=False
    )
    monkeypatch.setattr(looking, "_MOST", 10)
    place = looking.look(folder, folder)
    assert place.left_out == 21
    assert place.tree.has("CMakeLists.txt"), "files of upper folders come first"
