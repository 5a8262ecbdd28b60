"""Targets by whatever a user calls them: one meaning of a name for every command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from orchestrator.ground.errors import TallyError
from orchestrator.ledger.course import Course, courses
from orchestrator.ledger.entries import Result
from orchestrator.ledger.reading import Ledger

_RECIPE = ".toml"
_STATE = "TALLY_STATE says in which folder what was built is kept"
_LIST = "`tally history` lists all that was"


def words_of(target: str) -> frozenset[str]:
    """What the ledger may have for a target: the words themselves, or what a run writes down for them.

    A recipe has its file's name, and an attribute of a flake is written down without the flake's place.
    """
    if target.endswith(_RECIPE):
        return frozenset({target, target.rpartition("/")[2].removesuffix(_RECIPE)})
    flake, mark, attribute = target.partition("#")
    return frozenset({target, f"#{attribute or 'default'}"}) if mark and flake else frozenset({target})


def called_so(every: Iterable[Course], target: str) -> list[Course]:
    """The courses that are called so; none where nothing has that name."""
    words = words_of(target)
    return [each for each in every if each.known_as & words]


def of_name(every: Iterable[Course], target: str) -> list[Course]:
    """The courses that are called so. Raises TallyError where none is."""
    known = list(every)
    found = called_so(known, target)
    if not found:
        raise unknown(target, names_in(known))
    return found


def names_in(every: Iterable[Course]) -> set[str]:
    """What to call these, as a user would write it."""
    return {name for each in every for name in (each.target, each.results[-1].name)}


def result_of(ledger: Ledger, target: str) -> Result:
    """The last result of a target. Raises TallyError where it was never built here."""
    return of_name(courses(ledger.results(whole=False)), target)[0].results[-1]


def unknown(target: str | None, names: Iterable[str] = ()) -> TallyError:
    """That nothing has that name, of those that there are; without a target, that nothing was built."""
    there = sorted(names)
    if target is None or not there:
        return TallyError("nothing was built here yet", hint=f"`tally build` builds a target; {_STATE}")
    return TallyError(
        f"nothing that was built here is called {target!r}", hint=f"{meant(target, there)}{_LIST}; {_STATE}"
    )


def meant(target: str, names: Sequence[str]) -> str:
    """`did you mean 'hello'? `, or nothing, where none of the names is near."""
    for word in sorted(words_of(target), key=len):
        if near := get_close_matches(word, names, n=1):
            return f"did you mean {near[0]!r}? "
    return ""
