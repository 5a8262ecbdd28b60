"""Every file of one name in a source, from wherever a source can be read."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from orchestrator.dependencies.tree import Tree
from orchestrator.ground.errors import TallyError
from orchestrator.sources import sourcetree

FOUND = {"Cargo.toml": b"top", "a/b/Cargo.toml": b"below"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two files of that name, and what only looks like one."""
    folder = tmp_path / "app-1.0"
    for path, data in {**FOUND, "a/Cargo.toml.orig": b"", "Cargo.tomlx": b""}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "linked").mkdir()
    (folder / "linked/Cargo.toml").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("out of the source")
    return folder


def trees(source: Path) -> dict[str, Tree]:
    found = {"folder": sourcetree.folder(source)}
    with tarfile.open(source.parent / "app.tar.gz", "w:gz") as tar:
        tar.add(source, source.name)
    with zipfile.ZipFile(source.parent / "app.zip", "w") as packed:
        for path in FOUND:
            packed.write(source / path, f"{source.name}/{path}")
        packed.writestr("README", "beside it")
    found["tar"] = sourcetree.archive(source.parent / "app.tar.gz")
    repository = source.parent / "repository"
    shutil.copytree(source, repository / "sub", symlinks=True)
    git = ("git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "one")):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    found["commit"] = sourcetree.of_path(repository, f"path:sub@{commit.strip()}")
    return found


def test_files_of_one_name(source: Path) -> None:
    for name, tree in trees(source).items():
        assert tree.named("Cargo.toml") == FOUND, name
        assert tree.read("a/b/Cargo.toml") == b"below"
        assert tree.named("go.mod") == {}
    # no single folder on top: paths are as the archive has them
    packed = sourcetree.archive(source.parent / "app.zip")
    assert packed.named("Cargo.toml") == {f"app-1.0/{path}": data for path, data in FOUND.items()}


def test_too_many(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sourcetree, "MOST", 1)
    for tree in trees(source).values():
        with pytest.raises(TallyError, match=r"too many files called Cargo\.toml"):
            tree.named("Cargo.toml")


def test_what_comes_last_in_an_archive_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(_file(tmp_path, b"first"), "app/go.sum")
        linked = tarfile.TarInfo("app/go.sum")
        linked.type, linked.linkname = tarfile.SYMTYPE, "other"
        tar.addfile(linked)
    assert sourcetree.archive(tmp_path / "a.tar").read("go.sum") is None


def test_archives_that_cannot_be_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("go.sum", b"")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for sign in (b"PK\x03\x04", b"PK\x01\x02"):  # said to be encrypted
        data[data.index(sign) + (6 if sign[2] == 3 else 8)] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    (tmp_path / "a.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"\xff" * 40)
    for name in ("a.zip", "a.tar.zst"):
        with pytest.raises(TallyError, match=r"cannot look for go\.sum in"):
            sourcetree.archive(tmp_path / name).read("go.sum")


def _file(folder: Path, data: bytes) -> Path:
    (folder / "file").write_bytes(data)
    return folder / "file"
