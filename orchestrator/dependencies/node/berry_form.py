"""How yarn 2 and later make the archives whose checksums their locks have: `cacheKey`. Pure.

Forms that can be made again: of yarn 2.4 and 3, which compress by zlib, and of yarn 4, which does by
zlib-ng, but for its levels 2 to 4, at which no zlib-ng that was tried makes the same bytes.
"""

from __future__ import annotations

import re
from typing import Final

from orchestrator.ground.values import dataclass

_FORM: Final = re.compile(r"(7|8)(?:c([0-9]))?|(10)(?:c([015-9]))?")
_DATES: Final = {"7": (1980, 1, 1, 0, 0), "8": (1984, 6, 22, 21, 50), "10": (1984, 6, 22, 21, 50)}
"""By the version of yarn's cache, what each file's time is."""


@dataclass(frozen=True, slots=True)
class Form:
    """How an archive is made: `cacheKey` of a lock."""

    time: int
    """As MS-DOS has it, date in the upper half."""
    level: int | None
    """Of compression, 0 for none; None: as libzip does it where nobody says (`mixed`)."""
    by_next: bool = False
    """Whether zlib-ng compresses."""


def form_of(key: str) -> Form | None:
    """What a `cacheKey` means; None: it is not known."""
    found = _FORM.fullmatch(key)
    if found is None:
        return None
    year, month, day, hour, minute = _DATES[found[1] or found[3]]
    time = ((year - 1980) << 9 | month << 5 | day) << 16 | hour << 11 | minute << 5
    level = found[2] or found[4]
    return Form(time, int(level) if level else None, by_next=found[3] is not None and level != "0")
