"""What the last lines of a failed build's log tell about the way out. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.builders.lacking import NO_NETWORK, lacking

_SETUID = (
    "Nix's sandbox refuses setuid and setgid bits: leave them out, e.g. `chmod 755`; "
    "whoever installs the package sets them"
)
_OUTSIDE = "a build can write to $out and to its own folder alone: install into $out, e.g. "
_INSTALL = _OUTSIDE + "`./configure --prefix=$out` or `make install PREFIX=$out`"
_OTHER_FILE = (
    "name one of the files that it holds: --artifact file:PATH, or with a recipe `path` in its [artifact]; a "
    "package that is one file itself goes as `nar`"
)
_LINKED = (
    "what is in a store never changes, but its count of links does where equal files are linked meanwhile "
    "(`auto-optimise-store`, `nix-store --optimise`), and tar takes that for a change: build again"
)
_FOLDERS = "usr|opt|etc|var|s?bin|lib(?:64)?|share|include|man"
_SYSTEM = rf"(?<![\w.])['\"\u2018]?/(?:{_FOLDERS})\b[^\s'\"\u2019:]*['\"\u2019]?"
"""Where programs install that were not told where."""
# chmod, install, cp and tar, in a locale that is fixed
_SYMPTOMS = (
    (
        re.compile(r'^tally: the package holds no file ".*" for the artifact; it holds:$'),
        _OTHER_FILE,
    ),
    (re.compile(r"^tar: .*: file changed as we read it$"), _LINKED),
    (
        re.compile(
            r"(chang(e|ing) permissions of|preserving permissions for|setting permissions for"
            r"|[Cc]hange mode to) .*: Operation not permitted"
        ),
        _SETUID,
    ),
    (re.compile(rf"{_SYSTEM}: Read-only file system$"), _INSTALL),
    (re.compile(rf"cannot create .*{_SYSTEM}: Permission denied$"), _INSTALL),
    (re.compile(rf"Read-only file system: {_SYSTEM}$"), _INSTALL),  # Python's
    (
        re.compile(
            r"[Cc]ould not resolve host|unable to resolve host address|Temporary failure in name resolution"
        ),
        NO_NETWORK,
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
