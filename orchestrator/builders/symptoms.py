"""What the last lines of a failed build's log tell about the way out. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.builders.lacking import lacking

_SETUID = (
    "Nix's sandbox refuses setuid and setgid bits: leave them out, e.g. `chmod 755`; "
    "whoever installs the package sets them"
)
# chmod, install, cp and tar, in a locale that is fixed
_SYMPTOMS = (
    (
        re.compile(
            r"(chang(e|ing) permissions of|preserving permissions for|setting permissions for"
            r"|[Cc]hange mode to) .*: Operation not permitted"
        ),
        _SETUID,
    ),
)


def hint_of(lines: Sequence[str]) -> str | None:
    """What a build lacked, else the hint for the first symptom that a line shows; None when none does."""
    if lacked := lacking(lines):
        return lacked
    for line in lines:
        for symptom, hint in _SYMPTOMS:
            if symptom.search(line):
                return hint
    return None
