"""What a virtual machine is made to look like: all that a build can see differs from this machine.

Pure but for `Hardware.unlike_this_machine`, which looks at it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

CLOCK_AHEAD = timedelta(days=4321, hours=7, minutes=23, seconds=17)
"""Another year, day, minute and second; sources with times to come, and with them the end of 32 bits."""
UP_FOR_LONGER = 500 * 24 * 3600
"""Seconds."""
_KVM = Path("/dev/kvm")
MODELS = ("Nehalem", "SandyBridge")
"""CPU models of QEMU's that every x86_64 machine can play, the oldest first."""
_MEMORY = 4096
_DISK = 32


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

    @classmethod
    def unlike_this_machine(cls, memory: int | None, disk: int | None, kvm: bool | None) -> Hardware:
        """What differs from what is seen here; what is given counts. Raises OSError without /proc."""
        return unlike(
            Path("/proc/cpuinfo").read_text(),
            Path("/proc/meminfo").read_text(),
            len(os.sched_getaffinity(0)),
            memory=memory,
            disk=disk,
            kvm=kvm,
            can_kvm=os.access(_KVM, os.R_OK | os.W_OK),
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
) -> Hardware:
    """Hardware that differs from that of a machine with these files in /proc, which lets us use `cpus`.

    `kvm` is what was asked for, None for what there is; `can_kvm` is whether there is KVM at all.
    """
    total = re.search(r"^MemTotal: *(\d+) kB", meminfo, re.MULTILINE)
    half = int(total.group(1)) // 2048 if total else _MEMORY
    return Hardware(
        cpus=cpus - 1 or 2,
        cpu_model=next((model for model in MODELS if model not in cpuinfo), MODELS[-1]),
        memory=memory or max(1024, min(half, _MEMORY)),
        disk=disk or _DISK,
        kvm=can_kvm if kvm is None else kvm,
        emulate=not kvm,
    )
