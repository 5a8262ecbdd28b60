"""The image of `vm` builders' machine: made of what is fetched for it, and started once on trial."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.builders.hardware import Hardware
from orchestrator.builders.machine import Machine
from orchestrator.recipe import lock as locks
from orchestrator.run.gathering import gather
from orchestrator.run.recipes import find_lock
from orchestrator.run.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Imaged:
    """An image that works here."""

    kvm: bool
    """Whether the kernel runs the machine, or it is emulated."""
    seconds: float
    """From its start until it answered."""


def make_image(workshop: Workshop, folder: Path, hardware: Hardware, say: Callable[[str], None]) -> Imaged:
    """Make the image that the tally.lock of `folder` stands for, unless it is there. Raises TallyError."""
    image = workshop.image(locks.read(find_lock([folder / "recipe.toml"])), hardware.system)
    gather(workshop, image.request, image.evaluated.fixed, folder, say)
    scratch = workshop.store.nix.scratch / "trial-machine"
    scratch.mkdir()
    logs = workshop.state.logs(workshop.run, "trial-machine")
    machine = Machine(scratch, logs, hardware, image.folder)
    try:
        machine.destination.environment()  # what Nix could not be told is known before anything is made
        say("making the virtual machine's image")
        image.make()
        begun = time.monotonic()
        machine.start(say)
        return Imaged(machine.kvm, time.monotonic() - begun)
    finally:
        machine.close()
