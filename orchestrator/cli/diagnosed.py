"""A diagnosis as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from orchestrator.cli.text import harmless
from orchestrator.diagnosis.culprit import Culprit, Diagnosis, Reason
from orchestrator.diagnosis.names import SENTENCES
from orchestrator.ground.wording import counted, some
from orchestrator.nix.derivation import called, name_of

if TYPE_CHECKING:
    from orchestrator.stories.mending import Mended, Unmended

_KINDS_SHOWN = 20
_CAUSES_SHOWN = 3


def lines(found: Diagnosis) -> Iterator[str]:
    """What was found, a line each, then what could not be tried."""
    for derivation, culprits in groupby(found.culprits, lambda each: each.derivation):
        if derivation is not None:
            yield harmless(f"{called(derivation)} diverged first")
        groups: dict[object, list[Culprit]] = {}
        for each in culprits:
            groups.setdefault(_kind(each), []).append(each)
        for alike in list(groups.values())[:_KINDS_SHOWN]:
            yield from map(harmless, _lines(alike[0]))
            if len(alike) > 1:
                yield f"    … and {counted(len(alike) - 1, 'more place')} like it there"
        if (more := len(groups) - _KINDS_SHOWN) > 0:
            yield f"  … and {counted(more, 'more kind')} of place: `--json` has all"
    if found.more:
        yield f"{counted(found.more, 'more place')} differ, and were not looked into"
    for sentence in found.untried:
        yield harmless(f"not tried: {sentence}")


def fixes(tried: Sequence[Mended | Unmended]) -> Iterator[str]:
    """What made each culprit's builds agree, or some of its files: a patch is printed as it is."""
    from orchestrator.stories.mending import Unmended

    for each in tried:
        name = called(each.derivation)
        if isinstance(each, Unmended):
            yield harmless(f"{name} was not mended: {each.why}")
            continue
        with_it = " and ".join(fix.name for fix in each.fixes)
        if each.whole:
            yield harmless(f"{name}: the builds agree with {with_it}:")
        else:
            same, left = some(list(each.cured.files)), some(list(each.cured.left))
            told = f"with {with_it} the builds agree on {same}, and differ in {left}"
            yield harmless(f"{name} was mended in part: {told}:")
        if len(each.fixes) > 1:
            for fix, files in each.cured.alone:
                yield harmless(f"  {fix} alone cures {some(list(files))}")
            if each.cured.together:
                yield harmless(f"  only together they cure {some(list(each.cured.together))}")
        if each.patch is not None:
            yield from map(harmless, each.patch.splitlines())
        else:
            plain = [line for fix in each.fixes for line in fix.lines()]
            yield from (harmless(f"  {key}={value}") for key, value in each.variables.items())
            yield from (harmless(f"  {line}") for line in plain if not each.variables)


def _kind(culprit: Culprit) -> object:
    """What makes places alike: a file's, of one kind, for one cause."""
    place, first = culprit.place, culprit.causes[0]
    kinds = tuple(step.kind for step in place.inside)
    return culprit.path, place.file, kinds, place.aspect, first.name, first.proof is None, place.note


def _lines(culprit: Culprit) -> list[str]:
    place = culprit.place
    file = name_of(culprit.path) if place.file == "." else place.file
    at = [" > ".join([file, *map(str, place.inside)])]
    if place.where:
        at.append(place.where)
    if place.offset is not None:
        at.append(f"offset {place.offset}")
    lines = [f"  {', '.join(at)}"]
    lines += [f"    {side}: {value}" for side, value in zip(place.between, place.values, strict=True)]
    if place.note:
        lines.append(f"    {place.note}")
    first, *others = culprit.causes
    lines += _told(first)
    for each in others[: _CAUSES_SHOWN - 1]:
        lines.append(f"    or: {each.name} ({each.confidence:.0%}): {SENTENCES[each.name]}")
    return lines


def _told(reason: Reason) -> list[str]:
    lines = [f"    cause: {reason.name} ({reason.confidence:.0%}): {SENTENCES[reason.name]}"]
    if reason.proof is not None:
        lines.append(f"    proof: {reason.proof.came}")
        if reason.proof.went:
            lines.append(f"           {reason.proof.went}")
    else:
        lines += [f"    because {sentence}" for sentence in reason.because[:3]]
    lines += [f"    see {hint.file}:{hint.line}: {hint.text}" for hint in reason.hints[:3]]
    return [*lines, f"    cure: {reason.cure}"]
