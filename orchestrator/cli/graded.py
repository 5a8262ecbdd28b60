"""How alike a served file and what its source makes are, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never

from orchestrator.cli import outcomes
from orchestrator.cli.text import harmless, say
from orchestrator.ground.wording import counted, some
from orchestrator.run.graded import Graded
from orchestrator.served.grade import Different, Identical, SameContents

_SHOWN = 20


_PACKING: Final = {
    "identical": "the same file",
    "same-contents": "the same contents in another container",
    "different": "another file",
}


def verdict(found: Graded) -> str:
    """The word for programs; of the packing step alone nothing is decided, nor of a source half followed."""
    return _grade(found) if found.decided else "undecided"


def _grade(found: Graded) -> str:
    match found.grade:
        case Identical():
            return "identical"
        case SameContents():
            return "same-contents"
        case Different():
            return "different"
        case _:
            assert_never(found.grade)


def document(found: Graded) -> Mapping[str, Any]:
    """As `--json` prints it."""
    grade = found.grade
    told: dict[str, Any] = {} if found.decided else {"packing": _grade(found)}
    if isinstance(grade, SameContents | Different):
        told["container"] = [each.document() for each in grade.remarks]
    if isinstance(grade, SameContents):
        told["identicalWithTimesOf"] = list(grade.with_times)
    if isinstance(grade, Different):
        told["files"] = [each.document() for each in grade.files]
        told["class"] = None if grade.kind is None else str(grade.kind)
    return {
        "release": found.release,
        "verdict": verdict(found),
        "served": {"file": found.file, "sha256": found.sha256.hex},
        "made": {"sha256": found.made.hex},
        "settings": [each.document() for each in found.settings],
        "notes": list(found.notes),
        "recipe": str(found.recipe),
        **told,
        **({} if found.kept is None else {"kept": str(found.kept)}),
        "agreement": outcomes.agreement(found.agreed),
        **({} if found.evidence is None else {"evidence": str(found.evidence)}),
    }


def told(found: Graded) -> tuple[str, list[str]]:
    """The verdict, and how the two files differ, a line each."""
    what = "what is served once more" if found.alone else "its source without its scripts"
    packing = [] if found.decided else [f"packing {what} gives {_PACKING[_grade(found)]}", *found.unrun]
    return verdict(found), [*packing, *lines(found)]


def lines(found: Graded) -> list[str]:
    """How the two files differ."""
    match found.grade:
        case Identical():
            return []
        case SameContents() as same:
            whole = []
            if same.with_times:
                names = some(list(same.with_times))
                whole = [f"with their published times the whole file is identical: {names}"]
            return whole + [each.describe() for each in same.remarks]
        case Different() as different:
            whole = [] if different.kind is None else [f"{different.kind}"]
            files = whole + [each.describe() for each in different.files]
            return files + [each.describe() for each in different.remarks]
        case _:
            assert_never(found.grade)


def _digests(found: Graded) -> list[str]:
    """The sha256 of both files, or of the one that they are."""
    if found.made == found.sha256:
        return [f"sha256    {found.sha256.hex}"]
    return [f"served    {found.sha256.hex}", f"made      {found.made.hex}"]


def show(found: Graded, *, quiet: bool) -> None:
    """Tell a person: the grade on standard output unless `quiet`, all else on standard error."""
    names = " and ".join(report.identity.name for report in found.agreed.reports)
    word = {"identical": "IDENTICAL", "same-contents": "SAME CONTENTS", "different": "DIFFERENT"}.get(
        verdict(found), "UNDECIDED"
    )
    if not quiet:
        print(harmless(f"{word}  {found.release}  {found.file}"))
        for line in _digests(found):
            print(harmless(f"  {line}"))
        if found.evidence is not None:
            print(harmless(f"  evidence  {found.evidence}"))
    say(f"{found.release}: {names} agree with one another")
    for note in found.notes:
        say(f"  note: {note}")
    for setting in found.settings:
        say(f"  {setting.describe()}")
    shown = told(found)[1]
    for line in shown[:_SHOWN]:
        say(f"  {line}")
    if (more := len(shown) - _SHOWN) > 0:
        say(f"  … and {counted(more, 'more difference')}")
    say(f"  recipe: {found.recipe}")
    if found.kept is not None:
        say(f"hint: what was made and what is served are kept in {found.kept}")
