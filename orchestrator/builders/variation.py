"""How the embedded builders of one machine are made to differ: each after the first has other surroundings.

The derivations stay as they are, so what differs in an output for it was never determined by them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from orchestrator.nix.command import version_tuple

APART = Path(__file__).parents[1] / "nix" / "apart.py"
_FUSE = Path("/dev/fuse")
_NEXT_SECOND = 1.1
"""Seconds: past the next full one."""
_NEXT_AVERAGES = 5.1
"""Seconds: past the kernel's next load averages, which it works out every 5 s and a tick (`LOAD_FREQ`)."""
_UP_FOR_LONGER = 400 * 24 * 3600
"""Seconds."""
_WHEN_FULL = (
    "its builds are made in memory; `build-directory = false` under [variation] in tally.toml ends that"
)
_OWN_SETTING = (2, 22)
"""The first Nix with the setting `build-dir`; since 2.30 it asks `TMPDIR` no more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of them are on, as `[variation]` of tally.toml says."""

    build_cores: bool = True
    cpu_affinity: bool = True
    build_directory: bool = True
    directory_order: bool = True
    start: bool = True
    uptime: bool = True
    kernel_release: bool = True
    load: bool = True


@dataclass(frozen=True, slots=True)
class Machine:
    """What of this machine counts here."""

    cpus: tuple[int, ...]
    """The numbers of those that we may use."""
    nix_version: str
    disorderfs: str | None
    """The program, where it is installed and can be used."""

    @classmethod
    def seen(cls, nix_version: str) -> Machine:
        usable = os.access(_FUSE, os.R_OK | os.W_OK)
        program = shutil.which("disorderfs") if usable else None
        return cls(tuple(sorted(os.sched_getaffinity(0))), nix_version, program)


@dataclass(frozen=True, slots=True)
class Variation:
    """What makes one builder differ from the first. The default: nothing does."""

    around: tuple[str, ...] = ()
    """Words of a command before those of Nix."""
    flags: tuple[str, ...] = ()
    """Words for Nix."""
    stagger: float = 0.0
    """Seconds between the start of its builds and that of the first builder's."""
    when_full: str | None = None
    """What to do when its builds find no space left."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """What this machine cannot do, and why."""


NO_VARIATION = Variation()


def vary(number: int, wanted: Wanted, machine: Machine, scratch: Path) -> Variation:
    """What makes the `number`th embedded builder differ; 0 is the first, which does not.

    `scratch` is an empty folder of its own. What is wanted and cannot be had is left out, and said.
    """
    if number == 0 or not any(getattr(wanted, each.name) for each in fields(wanted)):
        return NO_VARIATION
    missing: dict[str, str] = {}
    choices: dict[str, Any] = {}
    flags: list[str] = []
    own_setting = version_tuple(machine.nix_version) >= _OWN_SETTING
    cpus = machine.cpus[number:] or machine.cpus[-1:]
    if wanted.build_cores:  # more, and not fewer: it costs the other builder nothing that it would wait for
        flags += ["--cores", str(len(machine.cpus) + number)]
    if wanted.cpu_affinity and len(machine.cpus) > 1:
        choices["cpus"] = cpus
        flags += ["--max-jobs", str(len(machine.cpus))]  # Nix would count the CPUs that are left
    elif wanted.cpu_affinity:
        missing["cpu-affinity"] = "there is one CPU only"
    own = {"scratch": str(scratch), "own_setting": own_setting}
    if wanted.build_directory:
        choices |= own
    elif wanted.directory_order and machine.disorderfs:  # in memory they have another order already
        choices |= {**own, "disorderfs": machine.disorderfs}
    elif wanted.directory_order:
        missing["directory-order"] = "disorderfs is not installed, or /dev/fuse cannot be used"
    if wanted.uptime:
        choices["boottime"] = number * _UP_FOR_LONGER
    if wanted.kernel_release:
        flags += ["--option", "impersonate-linux-26", "true"]
    if wanted.load:
        choices["load"] = len(cpus)
    around = (sys.executable, "-I", "-S", str(APART), json.dumps(choices)) if choices else ()
    return Variation(
        around=around,
        flags=tuple(flags),
        stagger=number * (_NEXT_AVERAGES if wanted.load else _NEXT_SECOND) if wanted.start else 0.0,
        when_full=_WHEN_FULL if wanted.build_directory else None,
        missing=missing,
    )
