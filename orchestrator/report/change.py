"""What changed between two build-time closures, in a few words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from orchestrator.ground.wording import some

_VERSIONED = re.compile(r"(.+?)-(\d[^/]*)")
_SHOWN: Final = 3
Inputs = Mapping[str, tuple[str, ...]]
"""`.drv` path to those of its direct inputs."""


def change(before: Inputs, after: Inputs) -> str | None:
    """The lowest derivations that are new, as `openssl 3.0.17 → 3.0.18`; None where none is.

    What lies above one of them changed since it did.
    """
    new = [path for path in after if path not in before]
    fresh = set(new)
    lowest = [path for path in new if not fresh.intersection(after[path])]
    old: dict[str, list[str]] = {}
    for path in before:
        if path not in after:
            name, version = _split(path)
            old.setdefault(name, []).append(version)
    said = sorted({_told(path, old) for path in lowest})
    return some(said, _SHOWN) if said else None


def _told(path: str, old: Mapping[str, list[str]]) -> str:
    name, version = _split(path)
    versions = old.get(name, [])
    if len(versions) == 1 and versions[0] != version:
        return f"{name} {versions[0]} → {version}"
    shown = f"{name} {version}".strip()
    return f"another derivation of {shown}" if versions else f"{shown}, which is new"


def _split(path: str) -> tuple[str, str]:
    """A derivation's name without and with its version."""
    whole = path.rpartition("/")[2].partition("-")[2].removesuffix(".drv")
    match = _VERSIONED.fullmatch(whole)
    return (match[1], match[2]) if match else (whole, "")
