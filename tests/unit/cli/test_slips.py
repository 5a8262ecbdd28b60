"""Slips of people who are new here: each is told in a sentence, with the way out, and nothing is written."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import releases
from releases import Signed

from orchestrator.cli import text
from orchestrator.cli.lock import _lock_file, _of_project, _usual
from orchestrator.keys import passphrase
from orchestrator.run.asked import FlakeAttribute, parse

if TYPE_CHECKING:
    from tests.conftest import Tally


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


@pytest.mark.parametrize(
    ("words", "wanted", "there"),
    [
        (("verify", "x", "--key", "{}"), "public", "k.pub"),
        (("keys", "rotate", "{}", "next"), "public", "k.pub"),
        (("verify", "x", "--key", "k.pub", "--attest", "out", "--attest-key", "{}"), "private", "k.key"),
        (("attest", "--public-key", "--key", "{}"), "private", "k.key"),
    ],
)
def test_the_other_half_of_a_key(
    tally: Tally, tmp_path: Path, words: tuple[str, ...], wanted: str, there: str
) -> None:
    """Given for the wanted one, or its name alone: either way the hint is the file that would do."""
    tally("keys", "generate", "k", folder=tmp_path).succeeded()
    before = sorted(tmp_path.iterdir())
    other = {"k.pub": "k.key", "k.key": "k.pub"}[there]
    for given in (other, "k"):
        ran = tally(*(each.format(given) for each in words), folder=tmp_path).failed(2)
        assert f"hint: did you mean {there}?" in ran.err
        assert (f"where a {wanted} one is needed" in ran.err) == (given == other)
    shutil.copy(tmp_path / other, tmp_path / "alone")
    ran = tally(*(each.format("alone") for each in words), folder=tmp_path).failed(2)
    assert f"hint: give the .{there[-3:]} file" in ran.err
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "alone"])


@pytest.mark.parametrize("more", [(), ("--bundle", "x")])
def test_half_of_an_identity(tally: Tally, release: Signed, more: tuple[str, ...]) -> None:
    for given, lacking in (("--identity", "--issuer"), ("--issuer", "--identity")):
        ran = tally("verify", release.folder, given, "x", *more).failed(2)
        assert f"{given} needs {lacking}" in ran.err
        assert f"hint: give with {lacking}" in ran.err


@pytest.mark.parametrize("words", [("verify", "--key"), ("sbom", "--out")])
def test_a_folder_of_releases(tally: Tally, release: Signed, tmp_path: Path, words: tuple[str, ...]) -> None:
    shutil.copytree(release.folder, tmp_path / "releases" / "one")
    command, option = words
    value = release.pub if option == "--key" else tmp_path / "out"
    for folder in (tmp_path, tmp_path / "releases"):
        ran = tally(command, folder, option, value).failed(2)
        assert f"there is {tmp_path}/releases/one" in ran.err
    shutil.copytree(release.folder, tmp_path / "releases" / "two")
    assert f"or all of them: {tmp_path}/releases/*" in tally(command, tmp_path, option, value).failed(2).err
    named = re.search(r"there is (\S+),", tally("verify", tmp_path, "--key", release.pub).failed(2).err)
    assert named is not None
    tally("verify", named[1], "--key", release.pub).succeeded()


def test_inside_the_folder_of_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lock, wherever the command is given, and never one in there."""
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _lock_file(_usual()).absolute() == tmp_path / "tally.lock"
    monkeypatch.chdir(tmp_path / "recipes")
    for folder in (_usual(), Path(), Path("../recipes"), tmp_path / "recipes"):
        assert Path(os.path.abspath(_lock_file(folder))) == tmp_path / "tally.lock"  # noqa: PTH100  `..` is the point


def test_the_folder_of_a_project_in_place_of_that_of_its_recipes(tmp_path: Path) -> None:
    assert _of_project(tmp_path) == tmp_path
    (tmp_path / "recipes").mkdir()
    assert _of_project(tmp_path) == _of_project(tmp_path / "recipes") == tmp_path / "recipes"
    assert _lock_file(_of_project(tmp_path)) == tmp_path / "tally.lock"


def test_a_closed_standard_input_is_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert text.given(10, "anything") == b""
    monkeypatch.delenv(passphrase.VARIABLE, raising=False)
    for ask in (passphrase.of, passphrase.new):
        with pytest.raises(Exception, match="passphrase"):
            ask(Path("k.key"))


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("sbom", "x", "--format", "spdx"), "'spdx' is not one of", "did you mean spdx-2.3 or spdx-3.0.1?"),
        (("sbom", "x", "--format", "cyclonedxx"), "is not one of", "did you mean cyclonedx? See `tally sbom"),
        (("sbom", "x", "--closure", "runtim"), "is not one of", "did you mean runtime?"),
        (("sbom", "x", "--closure", "zzz"), "is not one of", "see `tally sbom --help`"),
        (("build", "x", "--rebuild-inputs", "many"), "'many' is no whole number", "see `tally build --help`"),
        (("build", "x", "--rebuild-inputs", "-1"), "-1 is less than 0", "see `tally build --help`"),
        (("build", ".#x", "--artifact", "tar.gzz"), "'tar.gzz' is no form", "did you mean tar.gz?"),
        (("build", ".#x", "--artifact", "tar"), "'tar' is no form", "mean tar.gz or tar.xz or tar.zst?"),
        (
            ("build", ".#x", "--artifact", "file:/etc/passwd"),
            "'/etc/passwd' begins with `/`",
            "file:bin/hello",
        ),
        (("build", ".#x", "--artifact", "file:a/../b"), "without '..'", "file:bin/hello"),
        (("sbom", "x", "--sarif"), "--sarif is a form of", "--vulnerabilities DIR"),
        (("plan", "./sub"), "there is no recipe file sub", "a package of a flake: ./sub#NAME"),
        (("plan", "nix"), "there is no recipe file nix", "-f nix ATTRIBUTE"),
        (
            ("sbom", "x.toml", "--format", "spdx-2.3", "--format", "cyclonedx", "--out", "flake.nix"),
            "flake.nix is no folder",
            "which is made",
        ),
        (("sbom", "./result"), "there is nothing called ./result", "a store path"),
        (
            ("sbom", "/s/a/nix/store/" + "a" * 32 + "-x/bin"),
            "is in a store of another folder",
            f"/nix/store/{'a' * 32}-x --store /s/a",
        ),
        (("plan", "hello"), "there is no recipe file hello", "did you mean .#hello?"),
    ],
)
def test_what_was_probably_meant(
    tally: Tally, tmp_path: Path, words: tuple[str, ...], said: str, hint: str
) -> None:
    (tmp_path / "flake.nix").write_text("{ outputs = _: { }; }")
    for name in ("sub", "nix"):
        (tmp_path / name).mkdir()
    (tmp_path / "nix/default.nix").touch()
    ran = tally(*words, folder=tmp_path).failed(2)
    message, _, told = ran.err.partition("hint: ")
    assert said in message
    assert hint in told
    assert "Input should" not in ran.err


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('caches = ["https://x.org"]', "which is missing"),
        ('from = "cache"\nkeys = []\ncaches = ["x.org"]', "did you mean https://x.org?"),
        ('from = "cache"\nkeys = []\ncaches = ["/srv/cache"]', "did you mean file:///srv/cache?"),
    ],
)
def test_a_cache_that_would_silently_not_be_asked(
    tally: Tally, tmp_path: Path, table: str, said: str
) -> None:
    (tmp_path / "tally.toml").write_text(f"[inputs]\n{table}\n")
    assert said in tally("builder", "list", folder=tmp_path).failed(2).err
    (tmp_path / "tally.toml").write_text('[inputs]\nfrom = "build"\ncaches = ["https://x.org"]\n')
    tally("builder", "list", folder=tmp_path).succeeded()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", ".#x", "--argstr", "a", "b"), "--argstr"),
        (("plan", "x.toml", "--arg", "a", "1"), "--arg"),
        (("build", ".#x", "-I", "a=b"), "-I"),
        (("build", ".#x", "--store", "daemon"), "--store"),
        (("build", "x.toml", "--artifact", "oci"), "--artifact"),
        (("sbom", ".#x", "--argstr", "a", "b"), "--argstr"),
    ],
)
def test_an_option_that_none_of_the_targets_takes(
    tally: Tally, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """It would be passed over in silence, and something else built than was meant."""
    (tmp_path / "x.toml").touch()
    (tmp_path / "flake.nix").write_text("{ outputs = _: { }; }")
    ran = tally(*words, folder=tmp_path).failed(2)
    assert said in ran.err.partition("hint: ")[0]
    assert "hint: " in ran.err


def test_a_usage_error_is_one_line(tally: Tally, tmp_path: Path) -> None:
    said = tally("schema", folder=tmp_path).failed(2).err
    assert said.startswith("tally: error: Missing argument")
    assert "recipe, lock, config, policy" in said
    assert "\\x" not in said
    assert "\nCommands:\n  generate " in tally("keys", folder=tmp_path).failed(2).err, "but for the help"


def test_a_key_without_a_path_is_given_the_usual_one(tally: Tally, tmp_path: Path) -> None:
    said = tally("keys", "generate", folder=tmp_path).failed(2).err
    assert "hint: write `tally keys generate keys/release`. See `tally keys generate --help`" in said


def test_the_words_help_and_version_are_the_options(tally: Tally, tmp_path: Path) -> None:
    for words, same in (
        (("help",), ("--help",)),
        (("help", "keys", "show"), ("keys", "show", "--help")),
        (("version",), ("--version",)),
    ):
        assert tally(*words, folder=tmp_path).succeeded().out == tally(*same, folder=tmp_path).succeeded().out
    assert "No such command 'hepl'" in tally("hepl", folder=tmp_path).failed(2).err


def test_a_summary_makes_no_folder_before_there_is_a_verdict(tally: Tally, tmp_path: Path) -> None:
    tally("keys", "generate", "k", folder=tmp_path).succeeded()
    (tmp_path / "releases").mkdir()
    words = ("--key", "k.pub", "--attest", "new/folder/out", "--attest-key", "k.key")
    for target in ("releases", "nothing"):
        tally("verify", target, *words, folder=tmp_path).failed(2)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("word", [".#x", "..#x", ".?dir=lib#x", "..?dir=lib#x", "./lib#x", "#x"])
def test_a_folder_is_no_name_for_a_registry(word: str) -> None:
    asked = parse(word)
    assert isinstance(asked, FlakeAttribute)
    assert (asked.flake[0], asked.attribute) == ("/", "x")
