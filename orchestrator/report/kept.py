"""A kept disagreement, as a report shows it: what differs, extracts side by side, what is signed of it.

Bounded: nothing is read of results that are larger than `LARGEST` together, and that is said.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from orchestrator.agreement.keeping import result_in
from orchestrator.agreement.trees import Side
from orchestrator.diagnosis.culprit import DIAGNOSIS
from orchestrator.diagnosis.names import OF_BYTES, Name
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.nix.derivation import name_of
from orchestrator.places.budget import Limits, OutOfTimeError
from orchestrator.places.place import Aspect, Place
from orchestrator.places.search import places
from orchestrator.report.document import Cause, Culprit, Step
from orchestrator.report.sides import AROUND, Extract, rows
from orchestrator.report.site import Diff

LARGEST: Final = 200_000_000
"""Bytes of two results that are compared."""
MOST: Final = 50
"""Places of one output that are told of."""
_LIMITS: Final = Limits(seconds=10, unpacked=1 << 30, diffoscope=0)
_SHOWN: Final = 5  # of these side by side
_DIAGNOSIS_LIMIT: Final = 1 << 24
_EVIDENCE: Final = re.compile(r".+\.sigstore\.json|link\..+\.json|trusted_root\.json|.+\.drv")
"""Not the record and the diagnosis: these are a machine's notes to itself, with the recipe in them."""


@dataclass(frozen=True, slots=True)
class Output:
    """An output of which builders made different things."""

    derivation: str
    name: str
    path: str
    hashes: Mapping[str, str]
    """Builder to NAR hash; of one that differs from itself also as `NAME (earlier)`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What differs in one output, between two results."""

    output: Output
    sides: tuple[Side, Side]
    places: tuple[Place, ...]


def found_in(folder: Path, outputs: Sequence[Output]) -> tuple[Found, ...]:
    """What differs in each output of which two results lie in the folder of a kept disagreement."""
    return tuple(each for output in outputs if (each := _found(folder, output)) is not None)


def culprits_of(folder: Path, found: Sequence[Found]) -> tuple[Culprit, ...]:
    """What a diagnosis in the folder says; else what the bytes look like, which proves nothing."""
    told = _diagnosed(folder)
    if told is not None:
        return told
    return tuple(_culprit(one.output, each) for one in found for each in one.places)


def diffs_of(found: Sequence[Found]) -> Iterator[Diff]:
    """The first files that differ, side by side."""
    every = ((one, each) for one in found for each in _whole(one.places))
    for one, each in islice(every, _SHOWN):
        name = name_of(one.output.path) if each.file == "." else each.file
        try:
            extracts = [_extract(side.path, each) for side in one.sides]
        except (OSError, ValueError):
            continue
        yield Diff(name, (one.sides[0].name, one.sides[1].name), rows(extracts[0], extracts[1]))


def evidence_in(folder: Path) -> tuple[Path, ...]:
    """What is signed of a disagreement, with what it is about."""
    try:
        names = sorted(name for name in os.listdir(folder) if _EVIDENCE.fullmatch(name))
    except OSError:
        return ()
    return tuple(folder / name for name in names)


def _found(folder: Path, output: Output) -> Found | None:
    sides = _sides(folder, output)
    if sides is None:
        return None
    if _size(sides[0].path) + _size(sides[1].path) > LARGEST:
        return Found(output, sides, ())
    found: list[Place] = []
    with suppress(TallyError, OutOfTimeError):  # what was found until then holds
        found.extend(islice(places(*sides, _LIMITS), MOST))
    return Found(output, sides, tuple(found))


def _sides(folder: Path, output: Output) -> tuple[Side, Side] | None:
    """The first two results that differ and lie there, under the output's short name or its whole one."""
    names = sorted(output.hashes)
    for name in names[1:]:
        if output.hashes[name] == output.hashes[names[0]]:
            continue
        paths = [result_in(folder, side, output.path) for side in (names[0], name)]
        if all(map(os.path.lexists, paths)):
            return Side(names[0], paths[0]), Side(name, paths[1])
    return None


def _size(path: Path) -> int:
    """Bytes of all files; more than `LARGEST` where there are very many."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    whole = 0
    for parent, _, names in os.walk(path):
        for name in names:
            whole += os.lstat(Path(parent, name)).st_size + 512
            if whole > LARGEST:
                return whole
    return whole


def _whole(some: Sequence[Place]) -> Iterator[Place]:
    """The first place of each file that is not within a container, of which bytes say nothing."""
    seen: set[str] = set()
    for each in some:
        if (
            each.aspect is Aspect.CONTENT
            and not each.inside
            and each.offset is not None
            and each.file not in seen
        ):
            seen.add(each.file)
            yield each


def _extract(path: Path, each: Place) -> Extract:
    """Bytes around where the sides first differ; a file is never opened by a link."""
    whole = path if each.file == "." else path / each.file
    offset = each.offset or 0
    start = max(offset - AROUND, 0)
    descriptor = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        lines = 0
        if start <= LARGEST:
            left = start
            while left and (chunk := stream.read(min(left, 1 << 20))):
                lines += chunk.count(b"\n")
                left -= len(chunk)
        stream.seek(start)
        return Extract(stream.read(offset - start + AROUND), start, lines)


def _culprit(output: Output, each: Place) -> Culprit:
    name = Name.DERIVED if each.mirrors else OF_BYTES[each.cause]
    return Culprit(
        derivation=output.derivation,
        output=output.name,
        file=each.file,
        inside=tuple(Step(kind=step.kind, name=step.name) for step in each.inside),
        where=each.where,
        offset=each.offset,
        values=each.values if any(each.values) else None,
        causes=() if name is Name.UNKNOWN else (Cause(name=str(name)),),
    )


def _diagnosed(folder: Path) -> tuple[Culprit, ...] | None:
    """The culprits of `tally diagnose --json` in the folder; None: there are none to be read."""
    try:
        document = json.loads(contents(folder / DIAGNOSIS, _DIAGNOSIS_LIMIT))
        return tuple(Culprit.model_validate(_known(each)) for each in document["culprits"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of a diagnosis's culprit those members that a report has."""
    found = {name: told[name] for name in told if name in _OF_CULPRIT}
    found["causes"] = [
        {name: one[name] for name in one if name in _OF_CAUSE} for one in told.get("causes", ())
    ]
    return found


_OF_CULPRIT: Final = frozenset(Culprit.model_fields) - {"causes"}
_OF_CAUSE: Final = frozenset(Cause.model_fields)
