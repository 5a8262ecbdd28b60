"""A folder of records: what is bad in it is told by its name, and spoils nothing else."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from orchestrator.evidence.advisories.osv import Advisory
from orchestrator.ground.errors import TallyError
from orchestrator.run import advisories as reading
from orchestrator.run.advisories import advisories


def record(name: str) -> bytes:
    return json.dumps({"id": name, "modified": "2026-01-01T00:00:00Z", "affected": []}).encode()


def read(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The records' ids, and what is said of what is none, by its file."""
    found = list(advisories(folder))
    bad = {file.removeprefix(f"{folder}/"): str(each) for file, each in found if isinstance(each, ValueError)}
    return [each.id for _, each in found if isinstance(each, Advisory)], bad


def test_files_and_archives_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "PyPI").mkdir()
    (tmp_path / "PyPI/b.json").write_bytes(record("b"))
    (tmp_path / "a.json").write_bytes(record("a"))
    (tmp_path / "README.md").write_text("no")
    (tmp_path / "withdrawn.json").write_bytes(record("w")[:-1] + b', "withdrawn": "2026-01-01T00:00:00Z"}')
    with zipfile.ZipFile(tmp_path / "npm.zip", "w") as archive:
        archive.writestr("d.json", record("d"))
        archive.writestr("c.json", record("c"))
        archive.writestr("e.txt", "no")
    assert read(tmp_path) == (["a", "c", "d", "b"], {})


def test_what_is_bad_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 200)
    (tmp_path / "cut.json").write_bytes(record("x")[:-1])
    (tmp_path / "large.json").write_bytes(record("x") + b" " * 200)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder.json/in.json").write_bytes(record("in"))
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "gone.json").symlink_to("nowhere")
    (tmp_path / "no.zip").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.json", b" " * 1_000_000)
        archive.writestr("good.json", record("good"))
        archive.writestr("harmed.json", record("harmed"), zipfile.ZIP_STORED)
    data = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(data.replace(b'"harmed"', b'"HARMED"', 1))
    ids, bad = read(tmp_path)
    assert ids == ["good", "in"]
    assert set(bad) == {
        "cut.json", "large.json", "pipe.json", "gone.json", "no.zip",
        "all.zip: bomb.json", "all.zip: harmed.json",
    }  # fmt: skip
    assert "not JSON" in bad["cut.json"]
    assert "larger than 200 bytes" in bad["all.zip: bomb.json"]


@pytest.mark.parametrize("name", ["gone", "file"])
def test_what_is_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no")
    with pytest.raises(TallyError) as caught:
        list(advisories(tmp_path / name))
    assert name in caught.value.message
    assert "OSV records" in str(caught.value.hint)


def test_an_archive_that_is_odd_in_any_way_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lzma.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.json", record("a"))
    data = bytearray((tmp_path / "lzma.zip").read_bytes())
    start = data.index(b"a.json") + len("a.json")
    data[start + 4 : start + 9] = b"\xff" * 5  # the properties of its stream
    (tmp_path / "lzma.zip").write_bytes(data)
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "linked").symlink_to(tmp_path)
    ids, bad = read(tmp_path)
    assert ids == []
    assert set(bad) == {"lzma.zip: a.json", "pipe.zip", "linked"}
    assert "is not followed" in bad["linked"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """One with a name that is too long is so for root, too."""
    (tmp_path / "a.json").write_bytes(record("a"))
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):  # PATH_MAX is 4096
        os.mkdir("d" * 250, dir_fd=place)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    ids, bad = read(tmp_path)
    assert ids == ["a"]
    [(name, said)] = bad.items()
    assert name.startswith("ddd")
    assert "the folder cannot be read" in said
