"""Detours in addresses: `.` and `..`, however written, by which one leaves the folder that it names. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote

_ENDS = re.compile(r"[/?#;@]")
"""What ends a part of a path for somebody: `?` and `#` for RFC 3986, `;` for some servers, `@REV` for us."""
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\\]")
"""What readers of addresses leave out, or take for `/` (WHATWG's URL standard, section 4.4)."""


def plain(address: str) -> bool:
    """Whether an address, or a pattern over some, has no detour (RFC 3986, section 5.2.4)."""
    decoded = unquote(unquote(address))
    if _UNSEEN.search(decoded):
        return False
    return not any(part.strip() in (".", "..") for part in _ENDS.split(decoded))
