"""A file that is provenance by somebody else, where a release was expected: refused, with what it lacks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from orchestrator.evidence import foreign_provenance
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, shown
from orchestrator.publishing.index import INDEX

_LARGEST: Final = 1 << 24


def refuse_foreign(path: Path) -> None:
    """Raises TallyError for a file in no release that says how somebody else built something."""
    found = None
    with suppress(OSError, ValueError):
        if path.is_file() and not (path.parent / INDEX).exists():
            found = foreign_provenance.parse(contents(path, _LARGEST))
    if found is None:
        return
    lacks = [] if found.flake else ["no flake's attribute"]
    lacks += [] if found.outputs else ["no output path"]
    if found.flake and not found.is_pinned:
        lacks.append(f"no commit of {found.flake}")
    what = f"{shown(path)} is provenance of the build type {found.build_type}"
    if lacks:
        raise TallyError(
            f"{what}, and names {' and '.join(lacks)}: it cannot be made again from that",
            hint="give a release, which carries what it was made from",
        )
    raise TallyError(
        f"{what}, which is made again by hand: `tally rebuild` makes releases again from what they carry",
        hint=f"`tally build '{found.flake}' --no-sign` builds it on your builders; its output has to be "
        f"{found.outputs[0]}, with the NAR hash that the provenance has",
    )
