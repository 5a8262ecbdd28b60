"""How much of a builder's work is done, and how long the rest may take, by how long it took before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from orchestrator.cli.measure import elapsed
from orchestrator.nix.events import Expected


class Remaining:
    """One builder's work in one run. A derivation counts once, however often it is built again."""

    def __init__(self, expected: Expected) -> None:
        self._inputs = expected.inputs
        self._seconds = expected.seconds
        self._done: set[str] = set()
        try:
            self._order = tuple(TopologicalSorter(expected.inputs).static_order())
        except CycleError:  # no derivation needs itself, and a view is worth no error
            self._order = ()

    def end(self, derivation: str) -> None:
        """One is built; what was not expected counts for nothing."""
        if derivation in self._inputs:
            self._done.add(derivation)

    @property
    def total(self) -> int:
        return len(self._inputs)

    @property
    def done(self) -> int:
        return len(self._done)

    def rest(self, running: Mapping[str, float]) -> float | None:
        """Seconds that the longest way to the end takes; `running` is how long each is being built.

        None where that is not known of some derivation that is left.
        """
        longest = 0.0
        ends: dict[str, float] = {}
        for derivation in self._order:
            if derivation in self._done:
                continue
            if derivation not in self._seconds:
                return None
            left = max(self._seconds[derivation] - running.get(derivation, 0.0), 0.0)
            ends[derivation] = left + max(
                (ends[below] for below in self._inputs[derivation] if below in ends), default=0.0
            )
            longest = max(longest, ends[derivation])
        return longest

    def sentence(self, running: Mapping[str, float]) -> str:
        """`3 of 12 built, 2 building, about 4:10 left`."""
        parts = [f"{self.done} of {self.total} built"]
        if running:
            parts.append(f"{len(running)} building")
        if self.done < self.total and (rest := self.rest(running)) is not None:
            late = rest <= 0
            parts.append("later than last time" if late else f"about {elapsed(rest + 0.5)} left")
        return ", ".join(parts)
