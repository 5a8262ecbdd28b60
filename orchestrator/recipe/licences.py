"""SPDX licence expressions, checked against the SPDX list. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from orchestrator.recipe.licence_names import nearest

if TYPE_CHECKING:
    from license_expression import Licensing

_LIMIT = 1000
_NESTING = 100
_NAME = 60  # characters that a licence's name takes
_EXPECTED = 'expected an SPDX licence expression, e.g. "MIT OR Apache-2.0"'
_REFERENCE = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
_LATER = re.compile(r"(?<![A-Za-z0-9.+:-])([A-Za-z0-9.-]+)\+(?![A-Za-z0-9.+:-])")
_LATER_AS_REFERENCE = re.compile(
    r"(?<![A-Za-z0-9.+:-])LicenseRef-([A-Za-z0-9.-]+)-or-later(?![A-Za-z0-9.+:-])"
)


@cache
def spdx() -> Licensing:
    """The SPDX list. Reading it takes 40 ms, so it is read once, and only where it is needed."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@cache
def known() -> Mapping[str, str]:
    """SPDX identifiers by their lower-case spelling."""
    return {key.lower(): key for key in spdx().known_symbols}


def check_license(expression: str) -> str:
    """An SPDX expression in its canonical spelling (SPDX 2.3, annex D). Raises ValueError for others."""
    if not expression.isascii() or len(expression) > _LIMIT or expression.count("(") > _NESTING:
        raise ValueError(f"expected an SPDX licence expression of at most {_LIMIT} ASCII characters")
    spelled = _LATER_AS_REFERENCE.sub(_with_plus, _LATER.sub(_with_plus, expression))
    try:
        parsed = spdx().parse(spelled, validate=False, strict=True)
    except (
        Exception
    ) as error:  # ExpressionError, and whatever its parser stumbles over: IndexError by `()OR x+`
        meant = _meant(expression, list(spdx().known_symbols)) if len(expression) <= _NAME else ""
        raise ValueError(f"{_EXPECTED}; got {expression!r}{meant}") from error
    if parsed is None:
        raise ValueError(f"{_EXPECTED}; got nothing")
    unknown = [
        key
        for key in spdx().unknown_license_keys(parsed)
        if not _REFERENCE.fullmatch(key) and not (key.endswith("+") and _versioned(key[:-1]))
    ]
    if unknown:
        raise ValueError(_unknown(unknown[0], list(spdx().known_symbols)))
    return str(parsed.render())


def as_references(expression: str) -> str:
    """`X+` as `LicenseRef-X-or-later`, for an SBOM: spdx-tools refuses a `+` that annex D allows."""
    return _LATER.sub(
        lambda found: f"LicenseRef-{key}-or-later" if (key := _versioned(found[1])) else found[0], expression
    )


def later_licence(reference: str) -> str | None:
    """The SPDX identifier that such a reference means, a later version included; None: it is another."""
    found = _LATER_AS_REFERENCE.fullmatch(reference)
    return _versioned(found[1]) if found else None


def _with_plus(found: re.Match[str]) -> str:
    key = _versioned(found[1])
    return f"{key}+" if key else found[0]


def _versioned(identifier: str) -> str | None:
    """An identifier that may have a `+` behind it, in its canonical spelling.

    None for exceptions, and for those that say themselves which versions they mean.
    """
    key = known().get(identifier.lower())
    if key is None or key.endswith(("-only", "-or-later")) or spdx().known_symbols[key].is_exception:
        return None
    return key


def _unknown(key: str, keys: list[str]) -> str:
    if key.endswith("+") and key[:-1].lower().endswith(("-only", "-or-later")):
        return f"{key!r} is not an SPDX licence identifier: {key[:-1]} says itself which versions it means"
    return f"{key!r} is not an SPDX licence identifier{_meant(key, keys)}"


def _meant(written: str, keys: list[str]) -> str:
    found = nearest(written, keys)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
