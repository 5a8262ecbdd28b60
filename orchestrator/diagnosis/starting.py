"""Experiments in a virtual machine, started anew for each: one derivation, on hardware of our choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.builders.build import Failure
from orchestrator.builders.builder import Builder
from orchestrator.builders.hardware import Hardware
from orchestrator.builders.realising import Realisation
from orchestrator.diagnosis.knobs import Knob, hardware
from orchestrator.diagnosis.laboratory import Failed, Laboratory, Result, line
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore

Prepared = Callable[[Hardware, ExitStack], Builder]
"""A builder on a machine of that hardware, which is not started yet, and is gone when the stack ends."""


@dataclass(frozen=True)
class Starting:
    """One derivation, and the virtual machine in which it came out otherwise.

    What it is built from is taken from `lab`, which has made it: only the derivation itself is built there.
    """

    lab: Laboratory
    orchestrator: ChrootStore
    usual: Hardware
    prepared: Prepared
    held: Mapping[str, Path]
    """Output name to what the machine made of it, of those that differ."""
    say: Callable[[str], None]

    def build(self, knob: Knob | None = None) -> Result | Failed:
        """Start it with one knob turned, or with none, and build there once."""
        with ExitStack() as ending:
            try:
                builder = self.prepared(hardware(knob, self.usual), ending)
                builder.power.start(self.say)
                return self._built(builder)
            except TallyError as error:
                return Failed(error.message.partition("\n")[0])

    def _built(self, builder: Builder) -> Result | Failed:
        graph, derivation = self.lab.graph, self.lab.graph[self.lab.derivation]
        fixed = [each.fixed.path for each in graph.derivations.values() if each.fixed is not None]
        builder.receive(self.orchestrator, list(graph.derivations), fixed)
        inputs = sorted(
            graph[below].outputs[name]
            for below, names in derivation.input_derivations.items()
            for name in names
        )
        builder.store.copy_from(self.lab.builder.store, inputs)
        limits = replace(builder.limits, silence=builder.limits.silence or float(self.lab.patience))
        realisation = Realisation.begin(builder.store, graph, builder.logs, lambda _: None, limits)
        [outcome] = realisation.outcomes([derivation.path])
        if isinstance(outcome, Failure):
            return Failed(line(outcome))
        trees = {name: builder.store.bring(built.path) for name, built in outcome.outputs.items()}
        return Result(trees, frozenset(trees))
