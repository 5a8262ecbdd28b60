"""Two package sets, as two ledgers have them: what changed, in their closures and in their bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.ground.digest import NarHash
from orchestrator.ledger.change import Closure, changed
from orchestrator.ledger.entries import Result
from orchestrator.ledger.reading import Ledger

Bits = Mapping[str, NarHash]
"""Output name to NAR hash."""


class Change(StrEnum):
    """What is not the same of one package."""

    NONE = "same"
    """The same derivation, the same bits."""
    CLOSURE = "closure"
    """Another derivation, the same bits."""
    BITS = "bits"
    """The same derivation, other bits: not reproducible, whatever each set's builders say."""
    BOTH = "closure and bits"
    DERIVATION = "derivation"
    """Another derivation; nothing was built, so that the bits are not known."""
    LACKING = "lacking"
    """One set does not have it."""
    UNKNOWN = "unknown"
    """On some side its builders do not agree, so that it has no bits to compare."""


@dataclass(frozen=True, slots=True)
class Package:
    """One target of either set."""

    target: str
    change: Change
    verdicts: tuple[str | None, str | None]
    derivations: tuple[str | None, str | None]
    inputs: tuple[tuple[str, str], ...] = ()
    """Where the change of its closure begins, before and after: `openssl-3.0.17` and `openssl-3.0.18`."""

    @property
    def document(self) -> Mapping[str, Any]:
        """As `--json` has it."""
        return {
            "target": self.target,
            "change": str(self.change),
            "verdicts": list(self.verdicts),
            "derivations": list(self.derivations),
            "inputs": [list(pair) for pair in self.inputs],
        }


def compared(one: Ledger, other: Ledger) -> Iterator[Package]:
    """Every target that one of them has, sorted, by its last result in each."""
    before = {result.target: result for result in one.latest()}
    after = {result.target: result for result in other.latest()}
    for target in sorted(before.keys() | after.keys()):
        pair = before.get(target), after.get(target)
        verdicts = tuple(None if each is None else each.verdict.value for each in pair)
        derivations = tuple(None if each is None else each.package for each in pair)
        first, second = pair
        if first is None or second is None:
            yield Package(target, Change.LACKING, _two(verdicts), _two(derivations))
            continue
        moved = first.package != second.package
        inputs = changed(one.inputs(first.package), other.inputs(second.package)) if moved else ()
        change = _change(bits(one, first), bits(other, second), moved=moved)
        yield Package(target, change, _two(verdicts), _two(derivations), inputs)


EVALUATES, FAILS = "evaluates", "does not evaluate"
"""What is told in place of a verdict of what was evaluated alone."""


def evaluated(
    before: Mapping[str, str | None],
    after: Mapping[str, str | None],
    closure: Callable[[str], Closure],
) -> Iterator[Package]:
    """Every package that one of two evaluations has, sorted: name to `.drv`; None: it does not evaluate.

    `closure` gives the build-time closure of a derivation.
    """
    for name in sorted(before.keys() | after.keys()):
        pair = before.get(name), after.get(name)
        one, other = pair
        verdicts = tuple(
            None if name not in side else FAILS if side[name] is None else EVALUATES
            for side in (before, after)
        )
        inputs: tuple[tuple[str, str], ...] = ()
        if name not in before or name not in after:
            change = Change.LACKING
        elif one is None or other is None:
            change = Change.UNKNOWN if one is other else Change.DERIVATION
        elif one == other:
            change = Change.NONE
        else:
            change, inputs = Change.DERIVATION, changed(closure(one), closure(other))
        yield Package(name, change, _two(verdicts), pair, inputs)


def bits(ledger: Ledger, result: Result) -> Bits | None:
    """What all builders of a result made of its package; None: they do not agree, or nobody built it."""
    if not result.verdict.agrees:
        return None
    made = [
        {name: output.nar_hash for name, output in entry.outputs.items()}
        for entry in ledger.entries([result.package])
        if entry.run == result.run and entry.outputs
    ]
    return made[0] if made and all(each == made[0] for each in made) else None


def _change(one: Bits | None, other: Bits | None, *, moved: bool) -> Change:
    if one is None or other is None:
        return Change.UNKNOWN
    if one == other:
        return Change.CLOSURE if moved else Change.NONE
    return Change.BOTH if moved else Change.BITS


def _two(pair: tuple[str | None, ...]) -> tuple[str | None, str | None]:
    one, other = pair
    return one, other
