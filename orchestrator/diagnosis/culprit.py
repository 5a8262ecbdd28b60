"""What a diagnosis comes to: the derivation, the place, and why, ranked. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # every build imports this, and few come to a diagnosis
    from orchestrator.diagnosis.hints import Hint
    from orchestrator.diagnosis.knobs import Knob
    from orchestrator.diagnosis.names import Name
    from orchestrator.places.place import Place


@dataclass(frozen=True, slots=True)
class Proof:
    """A counterfactual: with what turned the difference came, and went."""

    knob: Knob
    came: str
    """In words: what was built so that the bytes differ."""
    went: str
    """In words: what was built so that they are the same. Empty: only one way was seen."""

    def document(self) -> Mapping[str, Any]:
        """As `--json` has it."""
        return {"knob": str(self.knob), "came": self.came, "went": self.went}


@dataclass(frozen=True, slots=True)
class Reason:
    """One candidate of why bytes differ."""

    name: Name
    confidence: float
    """0 to 1: how often an answer with this evidence is right, as the corpora have it."""
    proof: Proof | None
    because: tuple[str, ...]
    """The evidence in sentences; where there is no proof, why there is none."""
    cure: str
    hints: tuple[Hint, ...] = ()
    """Lines of the source that could write the value, the likeliest first."""

    def document(self) -> Mapping[str, Any]:
        """As `--json` has it."""
        return {
            "name": str(self.name),
            "confidence": self.confidence,
            "proof": None if self.proof is None else self.proof.document(),
            "because": list(self.because),
            "cure": self.cure,
            "lines": [hint.document() for hint in self.hints],
        }


@dataclass(frozen=True, slots=True)
class Culprit:
    """One place in what a derivation made, of which the builders made two things by themselves."""

    derivation: str | None
    """Its `.drv` path; None: what made the two results is not known."""
    output: str
    path: str
    """The output's store path."""
    place: Place
    causes: tuple[Reason, ...]
    """The likeliest first; never empty."""

    def document(self) -> Mapping[str, Any]:
        """As `--json` has it."""
        return {
            "derivation": self.derivation,
            "output": self.output,
            "path": self.path,
            **self.place.document(),
            "causes": [cause.document() for cause in self.causes],
        }


def likeliest_first(culprit: Culprit) -> tuple[bool, float]:
    """A key to sort by: what follows from something else comes last, what is surest comes first."""
    return culprit.place.mirrors, -culprit.causes[0].confidence


DIAGNOSIS = "diagnosis.json"
"""The file beside the results of a kept disagreement."""
_SIGNED = 20
"""Places that evidence names: an output that differs everywhere has thousands."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found of one disagreement."""

    target: str
    culprits: tuple[Culprit, ...]
    """The one to look at first, first."""
    untried: tuple[str, ...] = ()
    """What could not be tried, and why, a sentence each."""
    more: int = 0
    """Places that were not looked into, since so many differ."""

    def signed(self) -> list[Mapping[str, Any]]:
        """What evidence says of it: the first culprits, without what could not be tried."""
        return [each.document() for each in self.culprits[:_SIGNED]]

    def document(self) -> Mapping[str, Any]:
        """As `--json` prints it."""
        return {
            "target": self.target,
            "culprits": [each.document() for each in self.culprits],
            "untried": list(self.untried),
            "more": self.more,
        }
