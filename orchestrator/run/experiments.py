"""What this machine can try on one derivation: laboratories in two embedded builders' stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from orchestrator.builders.builder import Builder
from orchestrator.builders.hardware import Hardware
from orchestrator.builders.variation import Machine, Wanted
from orchestrator.diagnosis.knobs import Setting, of_builder
from orchestrator.diagnosis.laboratory import Laboratory
from orchestrator.diagnosis.starting import Starting
from orchestrator.evidence.kept import RELEASE, KeptDisagreement
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.recipe.lock import Lock
from orchestrator.run.workshop import Workshop

_LEAST, _TIMES = 120, 10
"""Seconds, and times as long as it took."""


@dataclass(frozen=True)
class Experiments:
    """Made by `on_builders`; every derivation gets laboratories of its own."""

    workshop: Workshop
    builders: tuple[Builder, ...]
    """Embedded ones that took part, the least varied first; never empty."""
    patience: int
    """Seconds after which a build counts as failed: one that hangs under a knob says nothing."""
    machine: str | None = None
    """The virtual machine that took part, if one did: a builder's name."""

    @property
    def varied(self) -> Setting:
        """What makes the second differ from the first; everything, where the other side is another host."""
        embedded = [each.name for each in self.workshop.configuration.builder if each.store == "local"]
        if len(self.builders) < 2:
            return self.everything
        wanted = self.workshop.configuration.variation.wanted
        return of_builder(wanted, embedded.index(self.builders[1].name))

    @property
    def everything(self) -> Setting:
        """All that can be turned: anything may have been otherwise for a side that was made elsewhere."""
        return of_builder(Wanted(), 1)

    def laboratories(self, derivation: str) -> tuple[Laboratory, Laboratory | None]:
        """One in each of the first two builders' stores. Raises TallyError where what it needs is gone."""
        graph = self.workshop.store.graph([derivation], any_digest=True).as_built()
        made = [self._laboratory(builder, graph, derivation) for builder in self.builders[:2]]
        return made[0], made[1] if len(made) > 1 else None

    def starting(
        self, lab: Laboratory, held: Mapping[str, Path], lock: Callable[[], Lock], say: Callable[[str], None]
    ) -> Starting | None:
        """The virtual machine that made `held`, to be started anew; None: none took part."""
        if self.machine is None or not held:
            return None
        name, numbers = self.machine, count()

        def prepared(hardware: Hardware, ending: ExitStack) -> Builder:
            place = f"experiments/{name}-{next(numbers)}"
            return self.workshop.virtual(name, lock(), hardware, place, ending)

        return Starting(lab, self.workshop.store, self.workshop.hardware(name), prepared, held, say)

    def _laboratory(self, builder: Builder, graph: DerivationGraph, derivation: str) -> Laboratory:
        fixed = [each.fixed.path for each in graph.derivations.values() if each.fixed is not None]
        builder.receive(self.workshop.store, list(graph.derivations), fixed)
        nix = self.workshop.store.nix
        name = derivation.rpartition("/")[2][:32]
        return Laboratory(
            builder,
            graph,
            derivation,
            Machine.seen(nix.version),
            nix.scratch / "experiments" / f"{builder.name}-{name}",
            self.patience,
        )


def on_builders(workshop: Workshop, names: Iterable[str], took: float) -> Experiments:
    """Experiments in the stores of those that took part, on what `took` so many seconds to build there.

    Raises TallyError where none of them is embedded.
    """
    known = {table.name: table for table in workshop.configuration.builder}
    took_part = [name for name in known if name in set(names) and known[name].store == "local"]
    if not took_part:
        raise TallyError("no embedded builder of this machine took part, so that no knob can be turned")
    machines = [name for name in known if name in set(names) and known[name].store == "vm"]
    return Experiments(
        workshop,
        tuple(workshop.named(took_part)),
        int(_LEAST + _TIMES * took),
        next(iter(machines), None),
    )


def on_disagreement(
    workshop: Workshop, record: KeptDisagreement, derivation: str
) -> tuple[Experiments, Setting]:
    """Experiments on a derivation of a kept disagreement, and what may have made the other side differ.

    Raises TallyError as `on_builders`.
    """
    found = on_builders(workshop, record.makers, took(record, derivation))
    return found, found.varied if record.against is None else found.everything


def took(record: KeptDisagreement, derivation: str) -> float:
    """Seconds of the longest build of it here; 0 where none is known."""
    ours = [each for name, each in record.makers.items() if name != RELEASE]
    spans = [each.spans[derivation] for each in ours if derivation in each.spans]
    return max(((span.finished - span.started).total_seconds() for span in spans), default=0.0)
