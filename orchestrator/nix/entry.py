"""What a store's database, or a binary cache's narinfo, holds of one valid path. Pure."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why


@dataclass(frozen=True, slots=True)
class Entry:
    """One valid store path."""

    path: str
    nar_hash: NarHash
    references: tuple[str, ...]
    """Without the path itself, sorted."""
    deriver: str | None
    """The `.drv` that the store names; it may be in no store any more."""
    signers: tuple[str, ...] = ()
    """Names of the keys that it is signed by, sorted. The signatures were not checked here."""


def read(said: str) -> Mapping[str, Entry]:
    """The answer of `nix path-info --json`: a list up to Nix 2.18, an object by path since 2.19.

    Paths that are not valid are left out. Raises TallyError for what is neither.
    """
    try:
        value = json.loads(said)
        items = {entry["path"]: entry for entry in value} if isinstance(value, list) else value
        return {path: _entry(path, each) for path, each in items.items() if _is_valid(each)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TallyError(f"Nix's answer about paths is not understood: {why(error)}") from error


def _is_valid(entry: Mapping[str, Any] | None) -> bool:
    return entry is not None and entry.get("valid") is not False


def _entry(path: str, entry: Mapping[str, Any]) -> Entry:
    references = sorted(each for each in entry["references"] if each != path)
    signers = sorted({str(each).partition(":")[0] for each in entry.get("signatures") or ()})
    deriver = entry.get("deriver") or None
    return Entry(path, _nar_hash(entry["narHash"]), tuple(references), deriver, tuple(signers))


def _nar_hash(text: str) -> NarHash:
    """From `sha256-BASE64`, as Nix writes it here, or another form that Nix uses."""
    if text.startswith("sha256-") and len(text) == 51:
        return NarHash(binascii.a2b_base64(text[7:], strict_mode=True).hex())
    return NarHash.read(text)
