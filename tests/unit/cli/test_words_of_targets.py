"""Targets as they are written, from the command line and from a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.targets import words_of
from orchestrator.ground.errors import TallyError
from orchestrator.run.asked import FileAttribute, parse


def test_a_list_comes_after_what_was_named(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("# packages\n\n.#b\n  /nix/store/x\n")
    assert words_of([".#a"], None, listed) == [".#a", ".#b", "/nix/store/x"]
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
