"""A diagnosis as people read it."""

from __future__ import annotations

from itertools import groupby

from orchestrator.cli.text import in_lines, say
from orchestrator.diagnosis.culprit import Culprit, Diagnosis, Reason
from orchestrator.diagnosis.names import SENTENCES
from orchestrator.ground.wording import counted
from orchestrator.nix.derivation import name_of

_PLACES_SHOWN = 10
_CAUSES_SHOWN = 3


def show(found: Diagnosis) -> None:
    """Print it on standard output; what could not be tried goes to standard error."""
    for derivation, culprits in groupby(found.culprits, lambda each: each.derivation):
        print(in_lines([f"{name_of(derivation).removesuffix('.drv')} diverged first"]))
        places = list(culprits)
        for each in places[:_PLACES_SHOWN]:
            print(in_lines(_lines(each)))
        if (more := len(places) - _PLACES_SHOWN) > 0:
            print(f"  … and {counted(more, 'more place')}")
    if found.more:
        say(f"{counted(found.more, 'more place')} differ, and were not looked into")
    for sentence in found.untried:
        say(f"not tried: {sentence}")


def _lines(culprit: Culprit) -> list[str]:
    place = culprit.place
    file = name_of(culprit.path) if place.file == "." else place.file
    at = [" > ".join([file, *map(str, place.inside)])]
    if place.where:
        at.append(place.where)
    if place.offset is not None:
        at.append(f"offset {place.offset}")
    lines = [f"  {', '.join(at)}"]
    lines += [f"    {side}: {value}" for side, value in zip(culprit.between, place.values, strict=True)]
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
