"""Small Debian packages with whatever oddity a test wants."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping, Sequence

TIME = 1_600_000_000


def member(name: str, data: bytes, *, time: int = TIME, mode: int = 0o100644, owner: int = 0) -> bytes:
    """A file of an ar archive, with its header."""
    header = f"{name:<16}{time:<12}{owner:<6}{owner:<6}{mode:<8o}{len(data):<10}`\n"
    return header.encode() + data + b"\n" * (len(data) % 2)


def tar(
    files: Mapping[str, bytes | str],
    *,
    time: int = TIME,
    modes: Mapping[str, int] | None = None,
    owner: str = "root",
    form: int = tarfile.GNU_FORMAT,
    order: Sequence[str] | None = None,
) -> bytes:
    """A tar archive; a text is where a link leads, and a name that ends in a slash is a folder."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=form) as archive:
        for name in order or files:
            content = files[name]
            one = tarfile.TarInfo(f"./{name}")
            one.mtime, one.uname, one.gname = time, owner, owner
            one.mode = (modes or {}).get(name, 0o644)
            if isinstance(content, str):
                one.type, one.linkname = tarfile.SYMTYPE, content
                archive.addfile(one)
            elif name.endswith("/"):
                one.type, one.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(one)
            else:
                one.size = len(content)
                archive.addfile(one, io.BytesIO(content))
    return whole.getvalue()


FILES: Mapping[str, bytes | str] = {
    "usr/": b"",
    "usr/one": b"first\n",
    "usr/two": b"second\n",
    "usr/link": "one",
}
CONTROL = {"control": b"Package: small\nVersion: 1\nArchitecture: all\n", "md5sums": b""}


def deb(
    data: bytes | None = None,
    control: bytes | None = None,
    *,
    time: int = TIME,
    ending: str = ".xz",
    preset: int = 6,
    further: bytes = b"",
) -> bytes:
    """A package of two tar archives."""
    data, control = tar(FILES) if data is None else data, tar(CONTROL) if control is None else control
    packing: Mapping[str, Callable[[bytes], bytes]] = {
        ".xz": lambda content: lzma.compress(content, preset=preset),
        ".gz": lambda content: gzip.compress(content, mtime=0),
        "": lambda content: content,
    }
    pack = packing[ending]
    return (
        b"!<arch>\n"
        + member("debian-binary", b"2.0\n", time=time)
        + member(f"control.tar{ending}", pack(control), time=time)
        + member(f"data.tar{ending}", pack(data), time=time)
        + further
    )
