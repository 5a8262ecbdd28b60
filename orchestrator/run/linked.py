"""What was linked into an output's programs without leaving a reference, where these say so themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from orchestrator.evidence.vendored import auditable, gobuild
from orchestrator.evidence.vendored.package import NotRead, Package, Within
from orchestrator.ground.files import shown

_MOST: Final = 5_000
"""ELF files of one output that are looked into."""
_LARGEST: Final = 16 << 20
"""Bytes of a section."""
_SHOWN: Final = 3
_READERS: Final[Mapping[str, Callable[[bytes], tuple[Package, ...]]]] = {
    gobuild.SECTION: gobuild.packages,
    auditable.SECTION: auditable.packages,
}


def linked(path: Path, files: Sequence[Path]) -> Within:
    """The packages that ELF files of a store path, which lies at `path`, say are linked into them."""
    into: dict[Package, list[str]] = {}
    unread: list[str] = []
    for file in files[:_MOST]:
        name = shown(file.relative_to(path)) if file != path else file.name[33:]
        try:
            for package in _said(file):
                into.setdefault(package, []).append(name)
        except NotRead as error:
            unread.append(f"What is linked into {name} was not read: {error}.")
    if len(files) > _MOST:
        unread.append(f"What is linked in was read of the first {_MOST} ELF files alone.")
    return Within.of(_noted(into), unread)


def _noted(into: Mapping[Package, list[str]]) -> Iterator[Package]:
    """Each with the files that it is linked into."""
    files: dict[str, list[str]] = {}
    for package, names in into.items():
        files.setdefault(package.purl, []).extend(names)
    for package in into:
        names = list(dict.fromkeys(files[package.purl]))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        note = f"Linked into {', '.join(names[:_SHOWN])}{more}, as that says itself."
        yield replace(package, notes=(note, *package.notes))


def _said(file: Path) -> Iterator[Package]:
    from elftools.elf.elffile import ELFFile

    with file.open("rb") as stream:
        for name, read in _READERS.items():
            try:
                section = ELFFile(stream).get_section_by_name(name)
                if section is None or section["sh_type"] == "SHT_NOBITS":
                    continue
                too_large = section.compressed or section.data_size > _LARGEST
                data = b"" if too_large else section.data()
            except Exception as error:  # the library has many, and some of Python's own
                raise NotRead(f"it is no whole ELF file ({type(error).__name__})") from error
            if too_large:
                raise NotRead(f"{name} is compressed, or larger than {_LARGEST >> 20} MiB")
            yield from read(data)
