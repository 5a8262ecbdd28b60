"""Whether enough operators carry a result from all that it is made with up to the target. Pure.

Counting votes on each derivation by itself counts too many where builds diverge: an operator that agrees with
one side at one step, and with the other at the next, corroborates both and carries neither. So, as laut
(github.com/mschwaig/laut, docs/semantics.md) has it for thresholds of N keys:

1. A vote is one of a resolved derivation: what an operator made of it, from what it had of its inputs.
2. Along a path of inputs, a route goes from vote to vote, at each step to a vote of any operator on just what
   the one above was made from.
3. Every path from the target down has to have N routes that share no operator at any step. By Menger's
   theorem no cut through what is signed is then carried by fewer than N.

Here an operator has one result of a derivation or no vote on it, which leaves less to be chosen than there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import TypeAlias

_Demand: TypeAlias = frozenset[tuple[Hashable, int]]
"""How many routes come down to each result of a derivation."""
_MOST = 2000
"""Ways to go on from one derivation that are looked at: beyond, nothing is said to be carried."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A target's closure, and what operators had and signed of it."""

    below: Mapping[str, Collection[str]]
    """Derivation to its inputs, those with fixed outputs left out."""
    had: Mapping[str, Mapping[str, Hashable]]
    """Derivation to operators, each with the one result that it had."""
    voters: Mapping[str, Collection[str]]
    """Derivation to the operators with a vote on it: they had one result of each of its inputs, too."""

    def sides(self, derivation: str) -> Mapping[Hashable, list[str]]:
        """Each result with those that voted for it."""
        found: dict[Hashable, list[str]] = {}
        for name in self.voters.get(derivation, ()):
            found.setdefault(self.had[derivation][name], []).append(name)
        return found


def uncarried(ground: Ground, root: str, result: Hashable, needed: int) -> str | None:
    """A derivation through which fewer than `needed` routes lead up to this result of `root`; None: none."""
    queue = [(root, frozenset({frozenset({(result, needed)})}))]
    seen = set(queue)
    while queue:
        derivation, ways = queue.pop()
        sides = ground.sides(derivation)
        there = [way for way in ways if all(number <= len(sides.get(side, ())) for side, number in way)]
        if not there:
            return derivation
        for below in sorted(ground.below[derivation]):
            on = list(islice(_further(there, sides, ground.had.get(below, {})), _MOST + 1))
            if len(on) > _MOST:
                return below
            found = below, frozenset(on)
            if found not in seen:
                seen.add(found)
                queue.append(found)
    return None


def _further(
    ways: Iterable[_Demand], sides: Mapping[Hashable, list[str]], had: Mapping[str, Hashable]
) -> Iterator[_Demand]:
    """Each way to go on to an input: by what those had of it whom the routes go through."""
    for way in ways:
        choices = [_chosen(Counter(had[name] for name in sides[side]), number) for side, number in way]
        for several in product(*choices):
            yield frozenset(sum(several, Counter[Hashable]()).items())


def _chosen(there: Mapping[Hashable, int], number: int) -> Iterator[Counter[Hashable]]:
    """Every way to take so many of what is there, of which there are as many."""
    (first, most), *others = there.items()
    left = sum(number for _, number in others)
    for taken in range(max(0, number - left), min(most, number) + 1):
        if not others:
            yield Counter({first: taken})
        else:
            yield from (more + Counter({first: taken}) for more in _chosen(dict(others), number - taken))
