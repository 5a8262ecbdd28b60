"""Targets as they are written, from the command line and from a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.targets import asked_of, words_of
from orchestrator.ground.errors import TallyError
from orchestrator.run.asked import FileAttribute, parse


def test_a_list_comes_after_what_was_named(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    path = f"/nix/store/{'0' * 32}-x"
    listed.write_text(f"# packages\n\n.#b\n  {path}\n")
    assert words_of([".#a"], None, listed) == [".#a", ".#b", path]
    words = [".#a", ".#b", path]
    assert asked_of([".#a"], None, listed) == tuple(parse(word) for word in words)
    listed.write_text("# nothing\n")
    with pytest.raises(TallyError, match="names nothing"):
        words_of([".#a"], None, listed)


def test_a_file_alone_is_its_own_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flake.nix").touch()
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "default.nix"
    (word,) = words_of([], file, None)
    assert parse(word, file) == FileAttribute(file, ""), "and no flake that happens to lie here"
    with pytest.raises(TallyError, match="no target was named"):
        words_of([], None, None)


def test_a_list_has_attributes_of_the_file_that_the_command_line_names(tmp_path: Path) -> None:
    listed, file = tmp_path / "list", tmp_path / "default.nix"
    listed.write_text("# a comment\n\nhello\n.#b\n")
    assert asked_of([], file, listed) == (FileAttribute(file, "hello"), parse(".#b"))
    assert words_of([], file, listed) == ["hello", ".#b"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-f default.nix hello", "is an option, and a line is a target"),
        ("absent.toml", "there is no recipe file"),
        (".#b  # a comment", "# a comment is no part of a target"),
        ("/#b", "there is no flake.nix in /"),
        ("/nix/store/x", "is not a store path|is no store path"),
        ("nixpkgs#hello", "is a name for a registry"),
        ("/nix/store/x.drv", "is no"),
    ],
)
def test_an_error_of_a_line_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flake.nix").touch()
    Path("list").write_text(f"# packages\n\n.#b\n{line}\n")
    for words in (asked_of, words_of):
        with pytest.raises(TallyError, match=rf"^list:4: .*({told})") as error:
            words([], None, Path("list"))
        assert error.value.hint
