"""Which derivations of a closure enough operators made alike, by what each of them signed. Pure.

1. An operator has one vote on a derivation, however many builders it has: where all that they had of it is
   one thing, one of them built or checked it in a proven sandbox, and it is known what from, since they
   had one thing of each of its inputs, too. So a vote is of the resolved derivation.
2. A derivation is agreed on where as many votes as are needed are for one result, and fewer for any other.
3. The target stands all the way down where it is agreed on, and every derivation below it is, too, or differs
   and converges again: what stands on it, or the target, is agreed on by operators who had it differ. And on
   every path down to the fixed outputs so many operators carry it (witnesses.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from orchestrator.builders.build import BuiltPath
from orchestrator.ledger.entries import Entry, How, Made
from orchestrator.ledger.witnesses import Ground, uncarried

Result: TypeAlias = tuple[tuple[str, str, str], ...]
"""Output name, store path and NAR hash of each output, sorted."""
LEAST = 2


def as_result(outputs: Mapping[str, Made | BuiltPath]) -> Result:
    """What was made, by output name, as results are compared."""
    return tuple(sorted((name, each.path, each.nar_hash.hex) for name, each in outputs.items()))


class Standing(StrEnum):
    """What operators' votes come to."""

    AGREED = "agreed"
    CONVERGED = "differs, and converges above"
    DIFFERS = "differs"
    SHORT = "too few votes"

    @property
    def fine(self) -> bool:
        """Whether nothing is lacking there."""
        return self in (Standing.AGREED, Standing.CONVERGED)


@dataclass(frozen=True, slots=True)
class Poll:
    """The votes on one derivation."""

    derivation: str
    standing: Standing
    results: Mapping[Result, tuple[str, ...]]
    """Each result with the operators that are for it, those with the most first."""
    unsteady: tuple[str, ...] = ()
    """Operators whose builders made more than one thing of it: no vote."""
    unresolved: tuple[str, ...] = ()
    """Operators that built it, and did not show what from: no vote."""
    other: tuple[str, ...] = ()
    """Those of them that made something else than the result with the most votes."""

    @property
    def voters(self) -> tuple[str, ...]:
        """The operators that are for the result with the most votes."""
        return next(iter(self.results.values()), ())

    @property
    def dissent(self) -> tuple[str, ...]:
        """Those that have something else, or nothing that stays the same."""
        others = [name for names in list(self.results.values())[1:] for name in names]
        return tuple(sorted({*others, *self.unsteady, *self.other}))

    def divides(self, operators: Collection[str]) -> bool:
        """Whether some of these operators had it differ."""
        sides = [*self.results.values(), *((each,) for each in self.unsteady)]
        return sum(not set(side).isdisjoint(operators) for side in sides) > 1


@dataclass(frozen=True, slots=True)
class Count:
    """The votes on a target and all that it is made with, fixed outputs aside."""

    root: Poll
    polls: Mapping[str, Poll]
    """By `.drv` path."""
    culprits: tuple[str, ...]
    """Those that differ while all that they are made with is agreed on."""
    uncarried: str | None
    """A derivation through which too few operators carry what is agreed on of the target; None: none."""

    @property
    def whole(self) -> bool:
        """Whether the target stands all the way down."""
        return self.uncarried is None and all(each.standing.fine for each in self.polls.values())

    def those(self, standing: Standing) -> tuple[Poll, ...]:
        """The derivations that stand so, by their paths."""
        return tuple(each for _, each in sorted(self.polls.items()) if each.standing is standing)


def count(
    root: str,
    below: Mapping[str, Collection[str]],
    fixed: Collection[str],
    said: Mapping[str, Iterable[Entry]],
    needed: int | None,
    wanted: Result | None = None,
) -> Count:
    """The votes of operators (`said`: name to what it signed) on `root` and its closure `below`.

    `needed`: votes for one result; None: of all operators that made anything of it, and two at the least.
    `wanted`: what has to be agreed on of `root`; None: anything.
    """
    inputs = {
        path: [each for each in below[path] if each not in fixed] for path in below if path not in fixed
    }
    saw = {name: _saw(entries) for name, entries in said.items()}
    polls = {path: _poll(path, inputs[path], saw, needed) for path in inputs}
    if (
        wanted is not None
        and polls[root].standing is Standing.AGREED
        and wanted != next(iter(polls[root].results))
    ):
        polls[root] = replace(polls[root], standing=Standing.DIFFERS)
    above: dict[str, list[str]] = {path: [] for path in polls}
    for path, those in inputs.items():
        for each in those:
            above[each].append(path)
    for path in _from_above(above):
        poll = polls[path]
        if poll.standing is Standing.DIFFERS and _converges(poll, [polls[each] for each in above[path]]):
            polls[path] = replace(poll, standing=Standing.CONVERGED)
    broken = _uncarried(root, inputs, saw, polls, needed)
    if broken is None:
        polls |= {
            path: replace(poll, standing=Standing.CONVERGED)
            for path, poll in polls.items()
            if poll.standing is Standing.DIFFERS and poll.divides(polls[root].voters)
        }
    culprits = tuple(
        path
        for path, poll in sorted(polls.items())
        if poll.standing is Standing.DIFFERS
        and all(polls[each].standing is Standing.AGREED for each in inputs[path])
    )
    return Count(polls[root], polls, culprits, broken)


def _uncarried(
    root: str,
    inputs: Mapping[str, Collection[str]],
    saw: Mapping[str, _Saw],
    polls: Mapping[str, Poll],
    needed: int | None,
) -> str | None:
    if (poll := polls[root]).standing is not Standing.AGREED:
        return root
    had: dict[str, dict[str, Result]] = {}
    for path in inputs:
        results = {name: each.had.get(path) for name, each in saw.items()}
        had[path] = {name: result for name, result in results.items() if result is not None}
    voters = {
        path: [name for names in each.results.values() for name in names] for path, each in polls.items()
    }
    ground = Ground(inputs, had, voters)
    return uncarried(ground, root, next(iter(poll.results)), max(LEAST, needed or len(poll.voters)))


@dataclass(frozen=True, slots=True)
class _Saw:
    """What one operator's builders had of derivations."""

    had: Mapping[str, Result | None]
    """None: several things."""
    built: Collection[str]
    """Those that one of them built or checked in a proven sandbox."""


def _saw(entries: Iterable[Entry]) -> _Saw:
    made: dict[str, dict[tuple[str, str], set[str]]] = {}
    counts: set[str] = set()
    for entry in entries:
        if entry.how is How.FAILED or (entry.how.made and not entry.builder.proven):
            continue
        for derivation, those in ((entry.derivation, entry.outputs), *entry.inputs.items()):
            outputs = made.setdefault(derivation, {})
            for name, one in those.items():
                digests = outputs.setdefault((name, one.path), set())
                digests.update(each.hex for each in (one.nar_hash, one.second) if each is not None)
        if entry.counts:
            counts.add(entry.derivation)
    return _Saw({path: _result(outputs) for path, outputs in made.items()}, counts)


def _result(outputs: Mapping[tuple[str, str], Collection[str]]) -> Result | None:
    """What was made of each output; None: nothing, or of one of them several things."""
    if not outputs or any(len(digests) > 1 for digests in outputs.values()):
        return None
    return tuple(sorted((name, path, min(digests)) for (name, path), digests in outputs.items()))


def _poll(path: str, inputs: Iterable[str], saw: Mapping[str, _Saw], needed: int | None) -> Poll:
    results: dict[Result, list[str]] = {}
    unsteady, unresolved = [], {}
    for name, each in sorted(saw.items()):
        if path not in each.built:
            continue
        if (result := each.had[path]) is None:
            unsteady.append(name)
        elif any(each.had.get(below) is None for below in inputs):
            unresolved[name] = result
        else:
            results.setdefault(result, []).append(name)
    ordered = dict(sorted(results.items(), key=lambda each: (-len(each[1]), each)))
    first = next(iter(ordered), None)
    other = tuple(name for name, result in unresolved.items() if first is not None and result != first)
    numbers = [len(names) for names in ordered.values()]
    everybody = sum(numbers) + len(unsteady) + len(unresolved)
    reached = sum(number >= max(LEAST, needed or everybody) for number in numbers)
    if reached == 1:
        standing = Standing.AGREED
    elif len({*ordered, *unresolved.values()}) > 1 or (unsteady and everybody > 1):
        standing = Standing.DIFFERS
    else:
        standing = Standing.SHORT
    voters = {result: tuple(names) for result, names in ordered.items()}
    return Poll(path, standing, voters, tuple(unsteady), tuple(unresolved), other)


def _converges(poll: Poll, above: Sequence[Poll]) -> bool:
    """Whether all that stands on it is agreed on by operators who had it differ, or converges itself."""
    return bool(above) and all(
        each.standing is Standing.CONVERGED
        or (each.standing is Standing.AGREED and poll.divides(each.voters))
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
