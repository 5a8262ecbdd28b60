"""Whether TOML is nested past all sense, of which tomllib takes time in the square. Pure."""

from __future__ import annotations

import re
from typing import Final

_DEEPEST: Final = 200
_CHAIN: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){200}"
)
"""A dotted key: at the beginning of a line, in a header or in an inline table."""


def too_deep(text: str) -> bool:
    """Whether a dotted key in it has more parts than anybody writes."""
    return text.count(".") >= _DEEPEST and _CHAIN.search(text) is not None
