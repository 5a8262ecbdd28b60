"""From the change with which a target stopped agreeing to the inputs that do it: what lies between is built.

Copies of what diverged first are built in two embedded builders' stores, with some of its direct inputs as
they were in the derivation of its name that agreed. Nothing of that is kept, counts or can be signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.builders.configuration import Configuration
from orchestrator.diagnosis.laboratory import Failed, Result
from orchestrator.diagnosis.narrowing import narrowed
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted, some
from orchestrator.ledger.bisecting import turns
from orchestrator.ledger.change import stem
from orchestrator.ledger.course import Course
from orchestrator.ledger.reading import read
from orchestrator.nix.derivation import Derivation, DerivationGraph, called, name_of
from orchestrator.nix.evaluation import retouch
from orchestrator.nix.hybrid import Swap, hybrid, swaps
from orchestrator.run.experiments import Experiments, on_builders
from orchestrator.run.workshop import Workshop, opened

Say = Callable[[str], None]
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Bisected:
    """What building came to, of one derivation that diverged first."""

    derivation: str
    before: str
    """The one of its name that agreed."""
    inputs: tuple[Swap, ...]
    """With these as they were two builds agree, and with none of them left out of that. Empty: see `why`."""
    proven: bool
    """Whether they differ, too, with all inputs but these as they were."""
    tries: int
    why: str | None = None
    """Why there is no answer, in a sentence without its end."""

    @property
    def document(self) -> Mapping[str, Any]:
        """As `--json` prints it."""
        return {
            "derivation": self.derivation,
            "before": self.before,
            "inputs": [{"before": each.before, "after": each.after} for each in self.inputs],
            "proven": self.proven,
            "tries": self.tries,
            "why": self.why,
        }

    def lines(self) -> Sequence[str]:
        """The same for people."""
        name = called(self.derivation)
        if self.why is not None:
            return [f"{name}: not narrowed: {self.why}"]
        told = some([f"{called(each.before)} → {called(each.after)}" for each in self.inputs], _SHOWN)
        both = "; as it is, with all else as it was, they differ" if self.proven else ""
        tries = counted(self.tries, "try", "tries")
        return [f"{name} differs by {told}: as it was before, two builds agree{both} ({tries})"]


def bisect(state: State, configuration: Configuration, course: Course, say: Say) -> tuple[Bisected, ...]:
    """For each derivation that diverged first when a target stopped agreeing: which inputs do it.

    Raises TallyError where the target did not stop agreeing by a change, or nothing can be built here.
    """
    with read(state) as ledger:
        pairs = turns(ledger, course)
    if not pairs:
        raise TallyError(
            f"{course.target} did not stop agreeing with another derivation in any run here",
            hint="`tally history` tells when it agreed; `tally diagnose` finds out why builds differ",
        )
    with opened(state, configuration) as workshop:
        experiments = on_builders(workshop, [table.name for table in configuration.builder], 0)
        return tuple(_bisected(workshop, experiments, good, bad, say) for good, bad in pairs)


def _bisected(workshop: Workshop, experiments: Experiments, good: str, bad: str, say: Say) -> Bisected:
    attempt: _Attempt | None = None
    try:
        graph = workshop.store.graph([good, bad], any_digest=True)
        attempt = _Attempt(experiments, graph, graph[bad], say)
        return attempt.bisected(good, swaps(graph[good], graph[bad], _kind))
    except TallyError as error:
        return Bisected(bad, good, (), proven=False, tries=attempt.tries if attempt else 0, why=error.message)


@dataclass
class _Attempt:
    """Copies of one derivation with some inputs as they were, each built as both builders do."""

    experiments: Experiments
    graph: DerivationGraph
    derivation: Derivation
    say: Say
    tries: int = 0

    def bisected(self, good: str, every: tuple[Swap, ...]) -> Bisected:
        def none(why: str) -> Bisected:
            return Bisected(self.derivation.path, good, (), proven=False, tries=self.tries, why=why)

        if not every:
            return none(
                "none of its direct inputs is another version of one that it had: its own text changed"
            )
        if (now := self.agrees(())) is not False:
            return none("two builds of it agree here" if now else "it does not build here")
        if not (then := self.agrees(every)):
            how = (
                "it does not build"
                if then is None
                else "it differs still: it is its own text, or a new input"
            )
            return none(f"with all of {counted(len(every), 'changed input')} as they were {how}")
        found = narrowed(every, lambda some: self.agrees(some) is True)
        others = [each for each in every if each not in found]
        proven = self.agrees(others) is False if others else True  # without others: it was seen as it is
        return Bisected(self.derivation.path, good, found, proven, self.tries)

    def agrees(self, swapped: Sequence[Swap]) -> bool | None:
        """Whether two builds of it agree with these as they were, twice. None: it does not build so."""
        self.say(f"building it with {_told(swapped)} as before")
        self.tries += 1
        path = self.derivation.path
        if swapped:
            made = hybrid(self.derivation, swapped, self.graph)
            path = retouch(self.experiments.workshop.store, made, {})
        one, other = self.experiments.laboratories(path)
        for _ in range(2):
            both = one.in_turn(other or one, self.experiments.varied)
            if isinstance(both, Failed):
                self.say(f"it does not build so: {both.why}")
                return None
            plain, varied = both
            if _hashes(plain) != _hashes(varied):
                return False
        return True


def _hashes(made: Result) -> Mapping[str, str]:
    return {output: nar_hash(tree).hex for output, tree in made.trees.items()}


def _told(swapped: Sequence[Swap]) -> str:
    return some([called(each.after) for each in swapped], _SHOWN) if swapped else "no input"


def _kind(path: str) -> str:
    return stem(path) if path.endswith(".drv") else name_of(path)
