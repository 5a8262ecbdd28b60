"""A file that is provenance by somebody else, where a release was expected: what it names, and lacks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from orchestrator.evidence import foreign_provenance
from orchestrator.evidence.foreign_provenance import Foreign
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, shown
from orchestrator.publishing.index import INDEX

_LARGEST: Final = 1 << 24


def foreign_of(path: Path) -> Foreign | None:
    """What a file in no release says of how somebody else built something; None: it is no such file."""
    with suppress(OSError, ValueError):
        if path.is_file() and not (path.parent / INDEX).exists():
            return foreign_provenance.parse(contents(path, _LARGEST))
    return None


def refuse_lacking(path: Path, foreign: Foreign) -> None:
    """Raises TallyError for provenance that does not name enough to make its output again."""
    lacks = [] if foreign.flake else ["no flake's attribute"]
    lacks += [] if foreign.outputs else ["no output path"]
    if foreign.flake and not foreign.names_commit:
        lacks.append(f"no commit of {foreign.flake}")
    if foreign.flake and not foreign.names_content:
        lacks.append("no narHash of that" if foreign.names_commit else "no narHash")
    if not lacks:
        return
    hint = "give a release, which carries what it was made from"
    if foreign.flake and foreign.is_pinned and foreign.outputs:
        hint = (
            f"`tally build '{foreign.fetched}' --no-sign` builds it on your builders; its output has to be "
            f"{foreign.outputs[0]}, with the NAR hash that the provenance has"
        )
    raise TallyError(
        f"{named(path, foreign)}, and names {' and '.join(lacks)}: it is not made again", hint=hint
    )


def refuse_foreign(path: Path) -> None:
    """Raises TallyError for such a file where a release alone is taken."""
    if (foreign := foreign_of(path)) is None:
        return
    refuse_lacking(path, foreign)
    raise TallyError(
        f"{named(path, foreign)}, and no release",
        hint=f"`tally rebuild {shown(path)}` makes it again by itself",
    )


def named(path: Path, foreign: Foreign) -> str:
    """What it is, in words."""
    return f"{shown(path)} is provenance of the build type {foreign.build_type}"
