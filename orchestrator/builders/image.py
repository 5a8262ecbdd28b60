"""The image of `vm` builders' machine: built in the orchestrator's store, of what the lock pins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.builders.host import nix_system
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.evaluation import EvaluatedTool, evaluate_machine
from orchestrator.pinning.machine import machine_request
from orchestrator.recipe.lock import Lock

_MAKE = "make it with `tally builder add --vm NAME`, NAME being the builder's"


@dataclass(frozen=True)
class Image:
    """The image that a lock stands for, made or not."""

    store: ChrootStore
    request: Mapping[str, Any]
    evaluated: EvaluatedTool

    @classmethod
    def of(cls, store: ChrootStore, lock: Lock, system: str) -> Image:
        """Of a machine of this system, packed on this one. Raises TallyError when the lock pins none."""
        request = machine_request(lock, system, nix_system())
        return cls(store, request, evaluate_machine(store, request))

    def folder(self) -> Path:
        """Where it lies. Raises TallyError where it was not made from this lock, or was altered since."""
        output = self.evaluated.output
        if not self.store.invalid([output]):
            if self.store.modified([output]):
                raise TallyError(f"{output} was altered in its store", hint=self.store.remedy)
            return self.store.physical(output)
        if any(self.store.physical("/nix/store").glob("*-machine-image")):
            raise TallyError("the virtual machine's image is out of date with tally.lock", hint=_MAKE)
        raise TallyError("the virtual machine has no image yet", hint=_MAKE)

    def make(self) -> Path:
        """Make it, unless it is there; the store holds all that it needs from outside. Raises TallyError."""
        graph = self.store.graph([self.evaluated.derivation])
        made = [path for drv in graph.derivations.values() for path in drv.outputs.values()]
        altered = self.store.modified(made)
        if altered:
            raise TallyError(f"{altered[0]} was altered in its store", hint=self.store.remedy)
        self.store.nix.run(self.store.command("nix-store", "--realise", self.evaluated.derivation))
        return self.folder()
