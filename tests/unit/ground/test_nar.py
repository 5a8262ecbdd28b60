"""NAR hashes against those that `nix-store --dump | sha256sum` printed for the same trees (Nix 2.8.0)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import dump, nar_hash


def test_a_tree_with_every_kind_of_entry(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    for folder in ("a.d", "b", "B"):
        (tree / folder).mkdir(parents=True)
    (tree / "a.d/x").write_text("hello")
    (tree / "b/run").write_text("#!/bin/sh\n")
    (tree / "b/run").chmod(0o755)
    (tree / "link").symlink_to("../a.d/x")
    (tree / "empty").write_text("")
    (tree / "ü").write_text("12345678")
    assert nar_hash(tree).hex == "2d05b06a57424139ba8495cd09f53018d659d07d7b337a12114394a40bfc6be3"


def test_a_file_a_link_and_an_empty_folder(tmp_path: Path) -> None:
    file, link, folder = tmp_path / "f", tmp_path / "l", tmp_path / "e"
    file.write_text("hello")
    link.symlink_to("nowhere")
    folder.mkdir()
    assert nar_hash(file).hex == "0a430879c266f8b57f4092a0f935cf3facd48bbccde5760d4748ca405171e969"
    assert nar_hash(link).hex == "7b9f62ebdcec359d917f7c425c687d4b6f451d886b160cb70a2f79adee6aa7db"
    assert nar_hash(folder).hex == "a50a5ab6d992f5598edd92105059fae9acfc192981e08bd88534c2167e92526a"


def test_only_names_contents_executable_bits_and_targets_count(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path, mode, when in ((one, 0o600, 1), (two, 0o664, 10**9)):
        path.write_text("same")
        path.chmod(mode)
        os.utime(path, (when, when))
    assert nar_hash(one) == nar_hash(two)
    two.chmod(0o744)
    assert nar_hash(one) != nar_hash(two)


def test_large_files_come_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as stream:
        stream.truncate(5 << 20)
    assert max(map(len, dump(file))) <= 1 << 20


def test_what_no_nar_can_hold_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        with pytest.raises(TallyError, match="no NAR can hold it"):
            nar_hash(tmp_path)
