"""The texts of `.drv` files, as nested lists of strings. Pure, exact, and quick: most of it runs in C.

A derivation is one term in the ATerm syntax: `Derive(…)` around tuples, lists and strings in double quotes.
Nix writes five escapes and no white space (its `src/libstore/derivations.cc`, `printString`); so does this.
"""

from __future__ import annotations

import json
import re
from typing import Any

_HEAD = "Derive("
_STRING = re.compile(r'("[^"\\]*(?:\\["\\nrt][^"\\]*)*")')
_BRACKETS = str.maketrans("()", "[]")
_BETWEEN = re.compile(r"[\[\](),]*")


def read(text: str) -> list[Any]:
    """The arguments of `Derive`: tuples and lists as lists. Raises ValueError for any other text.

    The derivations of Nix's experimental `dynamic-derivations` begin otherwise and are refused, too.
    """
    if not text.startswith(_HEAD):
        raise ValueError(f"it does not begin with {_HEAD}…)")
    pieces = _STRING.split(text[len(_HEAD) - 1 :])
    between = ",".join(pieces[::2])
    if not _BETWEEN.fullmatch(between):
        raise ValueError("it holds something that is no string, list or tuple")
    pieces[::2] = [piece.translate(_BRACKETS) for piece in pieces[::2]]
    try:
        # `strict=False` takes characters such as tabs as they are, which Nix leaves in its strings
        found = json.loads("".join(pieces), strict=False)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, list):
        raise ValueError("it is no tuple")
    return found
