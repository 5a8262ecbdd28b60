"""Reading `.deb` files made here, byte by byte."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.sources.deb import Member, read_first
from orchestrator.sources.folder import lay_out_busybox

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def make_deb(path: Path, files: dict[str, bytes | str], suffix: str = ".xz") -> Path:
    """A `.deb` with these files; text is where a symbolic link points."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"odd",
        f"data.tar{suffix}": COMPRESSORS[suffix](raw.getvalue()),
    }
    body = b"!<arch>\n"
    for name, content in members.items():
        body += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        body += b"\n" if len(content) % 2 else b""
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("suffix", sorted(COMPRESSORS))
def test_every_compression(tmp_path: Path, suffix: str) -> None:
    deb = make_deb(tmp_path / "a.deb", {"other": b"x", "usr/share/doc/a/copyright": b"text"}, suffix)
    assert read_first(deb, ["absent", "usr/share/doc/a/copyright"]) == Member(b"text", None)
    assert read_first(deb, ["absent"]) is None


def test_links_are_named_by_where_they_point(tmp_path: Path) -> None:
    links = {
        "usr/share/doc/a": ("b", "usr/share/doc/b"),
        "usr/share/doc/c/copyright": ("../d/copyright", "usr/share/doc/d/copyright"),
        "out": ("../../../../etc/passwd", "etc/passwd"),
    }
    deb = make_deb(tmp_path / "a.deb", {name: given for name, (given, _) in links.items()})
    for name, (_, target) in links.items():
        assert read_first(deb, [name]) == Member(None, target)


def test_busybox_stands_alone_and_executable(tmp_path: Path) -> None:
    folders = []
    for number, files in enumerate(({"bin/busybox": b"ELF", "bin/x": b""}, {"usr/bin/busybox": b"ELF"})):
        folder = tmp_path / f"folder{number}"
        folder.mkdir()
        lay_out_busybox(make_deb(tmp_path / f"{number}.deb", dict(files)), folder)
        assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [("busybox", 0o555)]
        folders.append(folder)
    assert nar_hash(folders[0]) == nar_hash(folders[1])


def test_a_package_without_busybox(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="holds no busybox"):
        lay_out_busybox(make_deb(tmp_path / "a.deb", {"x": b""}), tmp_path)


@pytest.mark.parametrize("cut", [0, 7, 30, 130, 200, 260])
@pytest.mark.parametrize("suffix", sorted(COMPRESSORS))
def test_broken_packages_are_errors(tmp_path: Path, cut: int, suffix: str) -> None:
    deb = make_deb(tmp_path / "a.deb", {"a": b"text" * 100}, suffix)
    deb.write_bytes(deb.read_bytes()[:cut])
    with pytest.raises(TallyError, match=r"a\.deb"):
        read_first(deb, ["b"])


def test_what_is_no_package_at_all(tmp_path: Path) -> None:
    file = tmp_path / "a.deb"
    file.write_bytes(b"!<arch>\n" + b"x" * 200)
    with pytest.raises(TallyError, match=r"a\.deb"):
        read_first(file, ["a"])
