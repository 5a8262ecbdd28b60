"""What a virtual machine is made to look like: all that a build can see differs from this machine.

Several differ from each other, too, by their number. Pure but for `Hardware.unlike_this_machine`, which looks
at it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orchestrator.builders.host import nix_system
from orchestrator.ground.errors import TallyError
from orchestrator.pinning.machine import machine_system

CLOCK_AHEAD = timedelta(days=4321, hours=7, minutes=23, seconds=17)
"""Another year, day, minute and second; sources with times to come, and with them the end of 32 bits."""
UP_FOR_LONGER = 500 * 24 * 3600
"""Seconds."""
_CLOCKS = 6
"""Of so many times that, the farthest is before 2106, which is the last year of Arm's clock."""
_KVM = Path("/dev/kvm")
_MEMORY = 4096
_MORE_MEMORY = 64
_DISK = 32


@dataclass(frozen=True, slots=True)
class Platform:
    """How QEMU runs machines of one system."""

    qemu: str
    package: str
    """Debian's, which has it."""
    machine: str
    console: str
    cpu_models: tuple[str, ...]
    """QEMU's names of those that every machine of the system can play, the oldest first."""
    native_model: str | None
    """The only one that a kernel runs (KVM); None: it runs any of them."""

    @property
    def install(self) -> str:
        return f"install it: `apt-get install {self.package}`"


PLATFORMS: Mapping[str, Platform] = {
    "x86_64-linux": Platform(
        "qemu-system-x86_64", "qemu-system-x86", "q35", "ttyS0", ("Nehalem", "SandyBridge"), None
    ),
    # models without pointer authentication, whose emulation doubles the time of a build
    "aarch64-linux": Platform(
        "qemu-system-aarch64",
        "qemu-system-arm",
        "virt,gic-version=max",
        "ttyAMA0",
        ("cortex-a57", "cortex-a72"),
        "host",
    ),
}


def platform_of(system: str) -> Platform:
    """Raises TallyError for a system that there is no machine for."""
    return PLATFORMS[machine_system(system)]


@dataclass(frozen=True, slots=True)
class Hardware:
    """A virtual machine's."""

    cpus: int
    cpu_model: str
    """QEMU's name."""
    memory: int
    """In MiB."""
    disk: int
    """In GiB; as large again for swap. Neither takes room before it is written to."""
    kvm: bool
    """Whether the kernel is asked to run it, which is some ten times as fast as emulation."""
    emulate: bool = True
    """Whether it is emulated where the kernel does not run it."""
    ahead: timedelta = CLOCK_AHEAD
    """Of this machine's clock."""
    up_for_longer: int = UP_FOR_LONGER
    system: str = "x86_64-linux"
    foreign: bool = False
    """Whether it is of another system than this machine, so that no kernel here runs it."""

    @property
    def platform(self) -> Platform:
        return platform_of(self.system)

    @classmethod
    def unlike_this_machine(
        cls, memory: int | None, disk: int | None, kvm: bool | None, system: str, number: int = 0
    ) -> Hardware:
        """What differs from what is seen here; what is given counts. Raises OSError without /proc.

        Raises TallyError where the kernel is to run what it cannot.
        """
        return unlike(
            Path("/proc/cpuinfo").read_text(),
            Path("/proc/meminfo").read_text(),
            len(os.sched_getaffinity(0)),
            memory=memory,
            disk=disk,
            kvm=kvm,
            can_kvm=os.access(_KVM, os.R_OK | os.W_OK),
            system=system,
            own=nix_system(),
            number=number,
        )


def unlike(
    cpuinfo: str,
    meminfo: str,
    cpus: int,
    *,
    memory: int | None,
    disk: int | None,
    kvm: bool | None,
    can_kvm: bool = False,
    system: str = "x86_64-linux",
    own: str = "x86_64-linux",
    number: int = 0,
) -> Hardware:
    """Hardware that differs from that of a machine with these files in /proc, which lets us use `cpus`.

    `kvm` is what was asked for, None for what there is; `can_kvm` is whether there is KVM at all. `own` is
    that machine's system, `number` counts the virtual machines. Raises TallyError.
    """
    if system != own and kvm:
        raise TallyError(
            f"KVM runs machines of this machine's own system, which is {own}, and none of {system}",
            hint="take `kvm = true` out of tally.toml to emulate it",
        )
    total = re.search(r"^MemTotal: *(\d+) kB", meminfo, re.MULTILINE)
    half = int(total.group(1)) // 2048 if total else _MEMORY
    models = platform_of(system).cpu_models
    others = [model for model in models if model not in cpuinfo] or models[-1:]
    seen = (cpus - 1 or 2) + number
    return Hardware(
        cpus=seen if cpus == 1 or seen < cpus else seen + 1,
        cpu_model=others[number % len(others)],
        memory=memory or max(1024, min(half, _MEMORY)) + number * _MORE_MEMORY,
        disk=disk or _DISK,
        kvm=(can_kvm and system == own) if kvm is None else kvm,
        emulate=not kvm,
        system=system,
        foreign=system != own,
        ahead=CLOCK_AHEAD * (number % _CLOCKS + 1),
        up_for_longer=UP_FOR_LONGER * (number + 1),
    )
