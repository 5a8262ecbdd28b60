"""Which format a content is in, by its first bytes, and who reads it. Readers are imported late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, Final

from orchestrator.places.content import Content
from orchestrator.places.found import Found, Reader

_HEAD: Final = 512

_READERS: Final = {
    "gzip": ("compressed", "gzip"),
    "xz": ("compressed", "xz"),
    "bzip2": ("compressed", "bzip2"),
    "zstd": ("compressed", "zstd"),
    "tar": ("tar", "look"),
    "zip": ("zip", "look"),
    "ar": ("ar", "look"),
    "deb": ("ar", "deb"),
    "nar": ("nar", "look"),
    "elf": ("elf", "look"),
    "pyc": ("pyc", "look"),
    "png": ("png", "look"),
    "pdf": ("pdf", "look"),
    "sqlite": ("sqlite", "look"),
    "po": ("gettext", "po"),
    "mo": ("gettext", "mo"),
    "font": ("font", "look"),
    "squashfs": ("squashfs", "look"),
}
"""Format to the module and function that look into it."""
_COMPRESSED: Final = frozenset({"gzip", "xz", "bzip2", "zstd"})
_MAGIC: Final = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"!<arch>\ndebian-binary", "deb"),
    (b"!<arch>\n", "ar"),
    (b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0", "nar"),
    (b"\x7fELF", "elf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"%PDF-", "pdf"),
    (b"SQLite format 3\0", "sqlite"),
    (b"\xde\x12\x04\x95", "mo"),
    (b"\x95\x04\x12\xde", "mo"),
    (b"OTTO", "font"),
    (b"wOFF", "font"),
    (b"true\0", "font"),
    (b"\0\1\0\0\0", "font"),
    (b"hsqs", "squashfs"),
)


def of(content: Content, name: str) -> str | None:
    """The format of a content in a file of that name; None: it is looked at as it is."""
    head = content.at(0, _HEAD)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[2:4] == b"\r\n" and (name.endswith((".pyc", ".pyo")) or ".pyc." in name):  # PEP 3147
        return "pyc"
    if name.endswith((".po", ".pot")):
        return "po"
    return "tar" if head[257:262] == b"ustar" else None


def reader(one: str | None, other: str | None) -> Reader | None:
    """Who looks into two contents of these formats; None: nobody does."""
    if one == other:
        return None if one is None else _named(*_READERS[one])
    if _COMPRESSED.isdisjoint((one, other)):
        return None
    kinds = tuple(each if each in _COMPRESSED else None for each in (one, other))
    across: Callable[..., Iterator[Found]] = _named("compressed", "across")
    return partial(across, kinds=kinds)


def _named(module: str, function: str) -> Any:
    return getattr(import_module(f"orchestrator.places.{module}"), function)
