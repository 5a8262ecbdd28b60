"""What a program that Go built says of itself: its modules, as `go version -m` prints them. Pure.

Format: Go's `debug/buildinfo` and `runtime/debug.BuildInfo`, as written since Go 1.18.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator.evidence.vendored.golang import module
from orchestrator.evidence.vendored.package import NotRead, Package, counted, purl_of, word

SECTION: Final = ".go.buildinfo"
_MAGIC: Final = b"\xff Go buildinf:"
_INLINE: Final = 2
_HEADER: Final = 32
_SENTINEL: Final = 16


def packages(data: bytes) -> tuple[Package, ...]:
    """The modules and the standard library that are linked in. `data` is the section's. Raises NotRead."""
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + _HEADER:
        raise NotRead(f"{SECTION} has not the form of Go's build information")
    if not data[start + 15] & _INLINE:
        raise NotRead("it was built by Go before 1.18, which tells its modules in another form")
    version, rest = _text(data[start + _HEADER :])
    told, _ = _text(rest)
    return counted(_modules(version.decode(errors="replace"), told))


def _text(data: bytes) -> tuple[bytes, bytes]:
    """A text behind its length, a varint (little-endian base 128); and what follows."""
    length = 0
    for number, octet in enumerate(data[:5]):
        length |= (octet & 0x7F) << 7 * number
        if octet < 0x80:
            start = number + 1
            if start + length > len(data):
                break
            return data[start : start + length], data[start + length :]
    raise NotRead(f"{SECTION} is cut off")


def _modules(version: str, told: bytes) -> Iterator[Package]:
    if version.startswith("go"):  # else a development version, as `devel …`
        number = word(version.removeprefix("go").partition(" ")[0], "Go's version")
        yield Package(
            "stdlib", number, purl_of("golang", "stdlib", number), notes=("Go's standard library.",)
        )
    if len(told) < 2 * _SENTINEL or told[-_SENTINEL - 1 : -_SENTINEL] != b"\n":  # built outside of modules
        return
    lines = told[_SENTINEL:-_SENTINEL].decode(errors="replace").split("\n")
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith("dep\t"):
            continue
        words, other = line.split("\t")[1:], after.split("\t")
        replaces = None
        if other[0] == "=>":
            words, replaces = other[1:], " ".join(words[:2])
        path, found, sum_ = [*words, "", "", ""][:3]
        if not path.startswith((".", "/")):  # a folder of the project's own
            yield module(path, found, sum_ or None, replaces)
