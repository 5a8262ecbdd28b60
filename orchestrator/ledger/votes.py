"""Which derivations of a closure enough operators made alike, by what each of them signed. Pure.

1. An operator has one vote on a derivation, however many builders it has: where all that they had of it is
   one thing, and one of them built or checked it in a proven sandbox.
2. A derivation is agreed on where as many votes as are needed are for one result, and fewer for any other.
3. The target stands all the way down where it is agreed on, and every derivation below it is, too, or differs
   and converges again: what stands on it is agreed on by operators who had it differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from orchestrator.ledger.entries import Entry, How

Result: TypeAlias = tuple[tuple[str, str, str], ...]
"""Output name, store path and NAR hash of each output, sorted."""
_COUNT = frozenset({How.BUILT, How.CHECKED})
LEAST = 2


class Standing(StrEnum):
    """What operators' votes come to."""

    AGREED = "agreed"
    CONVERGED = "differs, and converges above"
    DIFFERS = "differs"
    SHORT = "too few votes"


@dataclass(frozen=True, slots=True)
class Poll:
    """The votes on one derivation."""

    derivation: str
    standing: Standing
    results: Mapping[Result, tuple[str, ...]]
    """Each result with the operators that are for it, those with the most first."""
    unsteady: tuple[str, ...] = ()
    """Operators whose builders made more than one thing of it: no vote."""

    @property
    def voters(self) -> tuple[str, ...]:
        """The operators that are for the result with the most votes."""
        return next(iter(self.results.values()), ())

    @property
    def dissent(self) -> tuple[str, ...]:
        """Those that have something else, or nothing that stays the same."""
        others = [name for names in list(self.results.values())[1:] for name in names]
        return tuple(sorted({*others, *self.unsteady}))


@dataclass(frozen=True, slots=True)
class Count:
    """The votes on a target and all that it is made with, fixed outputs aside."""

    root: Poll
    polls: Mapping[str, Poll]
    """By `.drv` path."""
    culprits: tuple[str, ...]
    """Those that differ while all that they are made with is agreed on."""

    @property
    def whole(self) -> bool:
        """Whether the target stands all the way down."""
        fine = (Standing.AGREED, Standing.CONVERGED)
        return self.root.standing is Standing.AGREED and all(
            each.standing in fine for each in self.polls.values()
        )

    def those(self, standing: Standing) -> tuple[Poll, ...]:
        """The derivations that stand so, by their paths."""
        return tuple(each for _, each in sorted(self.polls.items()) if each.standing is standing)


def count(
    root: str,
    below: Mapping[str, Collection[str]],
    fixed: Collection[str],
    said: Mapping[str, Iterable[Entry]],
    needed: int | None,
) -> Count:
    """The votes of operators (`said`: name to what it signed) on `root` and its closure `below`.

    `needed`: votes for one result; None: of all operators that made anything of it, and two at the least.
    """
    votes = {name: _votes(entries) for name, entries in said.items()}
    polls = {path: _poll(path, votes, needed) for path in below if path not in fixed}
    above: dict[str, list[str]] = {path: [] for path in polls}
    for path, inputs in below.items():
        for each in inputs:
            if each in above and path in polls:
                above[each].append(path)
    for path in _from_above(above):
        poll = polls[path]
        if poll.standing is Standing.DIFFERS and _converges(poll, [polls[each] for each in above[path]]):
            polls[path] = replace(poll, standing=Standing.CONVERGED)
    culprits = tuple(
        path
        for path, poll in sorted(polls.items())
        if poll.standing is Standing.DIFFERS
        and all(each in fixed or polls[each].standing is Standing.AGREED for each in below[path])
    )
    return Count(polls[root], polls, culprits)


def _votes(entries: Iterable[Entry]) -> Mapping[str, Result | None]:
    """Derivation to what one operator made of it; None: several things."""
    made: dict[str, set[Result]] = {}
    counts: set[str] = set()
    for entry in entries:
        if entry.how is How.FAILED:
            continue
        some = made.setdefault(entry.derivation, set())
        some.add(tuple(sorted((name, one.path, one.nar_hash.hex) for name, one in entry.outputs.items())))
        for one in entry.outputs.values():
            if one.second is not None:
                some.add((("", one.path, one.second.hex),))
        if entry.how in _COUNT and entry.builder.proven:
            counts.add(entry.derivation)
    return {
        path: next(iter(some)) if len(some) == 1 else None for path, some in made.items() if path in counts
    }


def _poll(path: str, votes: Mapping[str, Mapping[str, Result | None]], needed: int | None) -> Poll:
    results: dict[Result, list[str]] = {}
    unsteady = []
    for name, made in sorted(votes.items()):
        if path not in made:
            continue
        if (result := made[path]) is None:
            unsteady.append(name)
        else:
            results.setdefault(result, []).append(name)
    ordered = dict(sorted(results.items(), key=lambda each: (-len(each[1]), each)))
    numbers = [len(names) for names in ordered.values()]
    enough = max(LEAST, needed or sum(numbers) + len(unsteady))
    reached = sum(number >= enough for number in numbers)
    if reached == 1:
        standing = Standing.AGREED
    elif len(numbers) > 1 or (unsteady and sum(numbers) + len(unsteady) > 1) or reached > 1:
        standing = Standing.DIFFERS
    else:
        standing = Standing.SHORT
    return Poll(path, standing, {result: tuple(names) for result, names in ordered.items()}, tuple(unsteady))


def _converges(poll: Poll, above: Sequence[Poll]) -> bool:
    """Whether all that stands on it is agreed on by operators who had it differ, or converges itself."""
    sides = [set(names) for names in (*poll.results.values(), *((each,) for each in poll.unsteady))]
    return bool(above) and all(
        each.standing is Standing.CONVERGED
        or (each.standing is Standing.AGREED and sum(not side.isdisjoint(each.voters) for side in sides) > 1)
        for each in above
    )


def _from_above(above: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Every derivation after all that stand on it. One in a circle, which no Nix makes, is left out."""
    left = {path: len(those) for path, those in above.items()}
    below: dict[str, list[str]] = {path: [] for path in above}
    for path, those in above.items():
        for each in those:
            below[each].append(path)
    ready = [path for path, number in left.items() if not number]
    while ready:
        path = ready.pop()
        yield path
        for each in below[path]:
            left[each] -= 1
            if not left[each]:
                ready.append(each)
