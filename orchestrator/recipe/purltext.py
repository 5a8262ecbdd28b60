"""Package URLs as texts: what can be said of one without its type's definition. Pure, and cheap to import."""

from __future__ import annotations

import re


def is_purl(text: str) -> bool:
    """Whether a text means to be a package URL: its scheme says the same in upper and lower case."""
    return text.lstrip()[:4].lower() == "pkg:"


def unescaped(text: str) -> str:
    """A part of a package URL without percent-encoding (RFC 3986, 2.1)."""
    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", lambda each: _bytes(each[0]).decode(errors="replace"), text)


def _bytes(escapes: str) -> bytes:
    return bytes.fromhex(escapes.replace("%", ""))
