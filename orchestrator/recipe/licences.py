"""SPDX licence expressions, checked against the SPDX list. Pure."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from license_expression import Licensing

_LIMIT = 1000
_NESTING = 100
_EXPECTED = 'expected an SPDX licence expression, e.g. "MIT OR Apache-2.0"'
_REFERENCE = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")


@cache
def spdx() -> Licensing:
    """The SPDX list. Reading it takes 40 ms, so it is read once, and only where it is needed."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def check_license(expression: str) -> str:
    """An SPDX expression in its canonical spelling (SPDX 2.3, annex D). Raises ValueError for others."""
    if not expression.isascii() or len(expression) > _LIMIT or expression.count("(") > _NESTING:
        raise ValueError(f"expected an SPDX licence expression of at most {_LIMIT} ASCII characters")
    try:
        parsed = spdx().parse(expression, validate=False, strict=True)
    except (
        Exception
    ) as error:  # ExpressionError, and whatever its parser stumbles over: IndexError by `()OR x+`
        raise ValueError(f"{_EXPECTED}; got {expression!r}") from error
    if parsed is None:
        raise ValueError(f"{_EXPECTED}; got nothing")
    unknown = [key for key in spdx().unknown_license_keys(parsed) if not _REFERENCE.fullmatch(key)]
    if unknown:
        raise ValueError(_unknown(unknown[0], list(spdx().known_symbols)))
    return str(parsed.render())


def _unknown(key: str, known: list[str]) -> str:
    longer = sorted(each for each in known if each.lower().startswith(key.lower()))
    nearest = longer or get_close_matches(key, known, n=1)
    return f"{key!r} is not an SPDX licence identifier" + (
        f"; did you mean {nearest[0]!r}?" if nearest else ""
    )
