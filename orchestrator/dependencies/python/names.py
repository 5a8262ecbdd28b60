"""Names of Python projects' lock files. Pure, and cheap: recipes are read with it."""

from __future__ import annotations

import re
from typing import Final

_KNOWN: Final = (
    r"uv\.lock|poetry\.lock|pdm\.lock|pylock(\.[^.]+)?\.toml|[A-Za-z0-9._-]*requirements[A-Za-z0-9._-]*\.txt"
)
USUAL: Final = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "requirements.txt")
"""Those that tools write unless they are told otherwise."""


def is_known(name: str) -> bool:
    """Whether a file of this name is a Python project's lock."""
    return re.fullmatch(_KNOWN, name) is not None
