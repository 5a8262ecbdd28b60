"""The knobs: what of a build's surroundings can be turned alone here, and what it proves. Pure."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from orchestrator.builders.hardware import Hardware
from orchestrator.builders.variation import APART, NO_VARIATION, Machine, Variation, Wanted, vary
from orchestrator.diagnosis.names import Name


class Knob(StrEnum):
    """A variation of the surroundings, or of how often it is built. In evidence by these words."""

    AGAIN = "again"
    """Nothing but a later build in the same surroundings: time passes, chance has its way."""
    ONE_JOB = "one-job"
    """One CPU and one job: parallel work has one order."""
    TOGETHER = "together"
    """Two builds that begin at the same time: the clock says the same."""
    CLOCK = "clock"
    """A build that begins in a later second than one just before it."""
    BUILD_CORES = "build-cores"
    CPU_AFFINITY = "cpu-affinity"
    KERNEL_RELEASE = "kernel-release"
    BUILD_DIRECTORY = "build-directory"
    DIRECTORY_ORDER = "directory-order"
    UPTIME = "uptime"
    LOAD = "load"
    START = "start"
    """Another start of the virtual machine: its boot, its name."""
    CLOCK_DATE = "clock-date"
    """The date and time that the virtual machine is started with."""
    CPU_MODEL = "cpu-model"
    MEMORY = "memory"
    CPUS = "cpus"
    """How many CPUs the virtual machine has."""


PROVES: Final = {
    Knob.BUILD_CORES: (Name.CPU_COUNT, Name.RACE),
    Knob.CPU_AFFINITY: (Name.CPU_COUNT, Name.RACE),
    Knob.KERNEL_RELEASE: (Name.KERNEL,),
    Knob.BUILD_DIRECTORY: (Name.FILE_SYSTEM, Name.ORDERING, Name.BUILD_PATH),
    Knob.DIRECTORY_ORDER: (Name.ORDERING, Name.FILE_SYSTEM),
    Knob.UPTIME: (Name.UPTIME,),
    Knob.LOAD: (Name.LOAD, Name.RACE),
    Knob.START: (Name.BOOT, Name.HOST_NAME),
    Knob.CLOCK_DATE: (Name.TIMESTAMP,),
    Knob.CPU_MODEL: (Name.CPU_MODEL,),
    Knob.MEMORY: (Name.MEMORY,),
    Knob.CPUS: (Name.CPU_COUNT, Name.RACE),
}
"""What a difference is that comes and goes with a knob, the likeliest first."""

_FIELDS: Final = {
    Knob.BUILD_CORES: "build_cores",
    Knob.CPU_AFFINITY: "cpu_affinity",
    Knob.KERNEL_RELEASE: "kernel_release",
    Knob.BUILD_DIRECTORY: "build_directory",
    Knob.DIRECTORY_ORDER: "directory_order",
    Knob.UPTIME: "uptime",
    Knob.LOAD: "load",
}
TURNED: Final = tuple(_FIELDS)
"""Those that are a variation of an embedded builder, the cheapest and likeliest first."""
OF_MACHINE: Final = (Knob.CLOCK_DATE, Knob.CPU_MODEL, Knob.MEMORY, Knob.CPUS)
"""Those of a virtual machine that is started for the experiment, the likeliest first."""
_LEAST_MEMORY: Final = 1024  # MiB


@dataclass(frozen=True, slots=True)
class Setting:
    """Which of them are turned at once."""

    knobs: frozenset[Knob] = frozenset()
    number: int = 1
    """Of the embedded builder whose variation it is."""

    def without(self, knob: Knob) -> Setting:
        """The same but one."""
        return replace(self, knobs=self.knobs - {knob})

    def variation(self, machine: Machine, scratch: Path) -> Variation:
        """What makes a builder's surroundings so; nothing is staggered. `scratch` is an empty folder."""
        if not self.knobs:
            return NO_VARIATION
        if self.knobs == {Knob.ONE_JOB}:
            choices = json.dumps({"cpus": list(machine.cpus[:1])})
            around = (sys.executable, "-I", "-S", str(APART), choices)
            return Variation(around=around, flags=("--cores", "1", "--max-jobs", "1"))
        on = {_FIELDS[knob] for knob in self.knobs if knob in _FIELDS}
        wanted = Wanted(**{each.name: each.name in on for each in fields(Wanted)})
        return vary(self.number, wanted, machine, scratch)


def of_builder(wanted: Wanted, number: int) -> Setting:
    """What makes the `number`th embedded builder differ from the first, as tally.toml has it."""
    on = {knob for knob, name in _FIELDS.items() if getattr(wanted, name)}
    if Knob.BUILD_DIRECTORY in on:
        on.discard(Knob.DIRECTORY_ORDER)  # in memory folders have another order already
    return Setting(frozenset(on), number)


def hardware(knob: Knob | None, usual: Hardware) -> Hardware:
    """A virtual machine's, with one knob turned; as usual with none."""
    if knob is Knob.CLOCK_DATE:
        return replace(usual, ahead=timedelta())
    if knob is Knob.CPU_MODEL:
        models = usual.platform.cpu_models
        return replace(usual, cpu_model=next(each for each in models if each != usual.cpu_model))
    if knob is Knob.MEMORY:
        less = usual.memory * 5 // 8
        return replace(usual, memory=less if less >= _LEAST_MEMORY else usual.memory * 8 // 5)
    return replace(usual, cpus=usual.cpus + 1) if knob is Knob.CPUS else usual


def words(knob: Knob) -> tuple[str, str]:
    """How it is told that a difference came with a knob, and that it went."""
    if knob is Knob.START:
        return "the machine started again, it differs", "built again in one start, it is the same"
    if knob in OF_MACHINE:
        came = f"the machine started with {knob} turned alone, it differs"
        return came, "started again with nothing turned, it is the same"
    came = f"built with {knob} turned alone, it differs"
    return came, f"built with all else turned and {knob} not, it is the same"


def cannot(knob: Knob, machine: Machine, scratch: Path) -> str | None:
    """Why this machine cannot turn a knob; None: it can."""
    if knob is Knob.CPU_AFFINITY and len(machine.cpus) < 2:
        return "there is one CPU only"
    missing = Setting(frozenset({knob})).variation(machine, scratch).missing
    return next(iter(missing.values()), None)
