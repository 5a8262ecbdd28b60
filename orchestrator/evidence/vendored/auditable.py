"""What a program that `cargo auditable` built says of itself: its crates. Pure.

Format: https://github.com/rust-secure-code/cargo-auditable, PARSING.md: zlib, and JSON in it.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

from orchestrator.evidence.vendored.package import NotRead, Package, counted, purl_of, word

SECTION: Final = ".dep-v0"
_LARGEST: Final = 8 << 20
_DEFAULT: Final = re.compile(r"crates\Wio")
"""What the format calls Cargo's default registry."""


def packages(data: bytes) -> tuple[Package, ...]:
    """The crates that are linked in. `data` is the section's. Raises NotRead."""
    try:
        unpacking = zlib.decompressobj()
        told = json.loads(unpacking.decompress(data, _LARGEST))
    except (zlib.error, ValueError, RecursionError) as error:
        raise NotRead(f"{SECTION} is not JSON in zlib: {str(error)[:200]}") from error
    listed = told.get("packages") if isinstance(told, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise NotRead(f"{SECTION} has no list of packages")
    return counted(_crates(listed))


def _crates(listed: list[dict[str, Any]]) -> Iterator[Package]:
    for number, each in enumerate(listed, 1):
        source = each.get("source")
        if each.get("kind", "runtime") != "runtime" or each.get("root") is True or source == "local":
            continue  # it ran while the program was built, or is the project's own
        name = word(each.get("name"), f"{SECTION}: the name of package {number}")
        version = word(each.get("version"), f"{SECTION}: the version of {name}")
        known = isinstance(source, str) and _DEFAULT.fullmatch(source) is not None
        notes = () if known else (f"It is not from Cargo's default registry but from: {str(source)[:80]}.",)
        yield Package(name, version, purl_of("cargo", name, version), notes=notes)
