"""Strangers' text as text: names, logs and contents that a page can show and no reader is fooled by. Pure.

Escaping for HTML is the templates' work. Here it is what a browser would obey without any markup: control
characters, terminals' sequences, and marks that turn the order of letters around (UAX #9).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

LONGEST: Final = 2000
"""Characters of one line that are shown."""
_SAFE = re.compile(r"[a-z0-9][a-z0-9+_.-]{0,80}")


def plain(text: str, longest: int = LONGEST) -> str:
    """One line, in which what does not print is written as an escape; the beginning of one that is longer."""
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text) - longest} more characters)"
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else _escaped(each) for each in text)
    )


def _escaped(character: str) -> str:
    if character == "\t":
        return "    "
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def slug(*parts: str, alone: bool = True) -> str:
    """A file name for parts of any kind. What is no plain name, or is not `alone`, has a digest behind it."""
    text = "-".join(part for part in parts if part)
    if alone and _SAFE.fullmatch(text):
        return text
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{re.sub(r'[^a-z0-9+_.-]+', '-', text.lower()).strip('-.')[:60] or 'package'}~{digest}"


def slugs(keys: Iterable[tuple[str, ...]]) -> Mapping[tuple[str, ...], str]:
    """A name of its own for each, also where file names do not tell upper from lower case."""
    every = list(keys)
    told = Counter(slug(*key).lower() for key in every)
    return {key: slug(*key, alone=told[slug(*key).lower()] == 1) for key in every}
