"""Who the machine under a builder is: read, never assumed."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.errors import TallyError

_MACHINE_ID = (
    Path("/etc/machine-id"),
    Path("/var/lib/dbus/machine-id"),
    Path("/proc/sys/kernel/random/boot_id"),
)
_NARROWER: Mapping[str, Sequence[str]] = {
    "x86_64": ("i686", "i586", "i486", "i386"),
    "aarch64": ("armv8l", "armv7l"),
}


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What no build can see of its host. What could not be read is None."""

    machine_id: str | None
    """sha256 of the machine id, in hexadecimal."""
    nix_version: str | None


def machine_digest(text: str) -> str:
    """A machine id as evidence has it: equal for builders on one host, and it tells nobody the id."""
    return hashlib.sha256(f"tallystick machine {text}".encode()).hexdigest()


def boot_digest(text: str) -> str:
    """A boot id as evidence has it."""
    return hashlib.sha256(f"tallystick boot {text}".encode()).hexdigest()


def machine_id() -> str:
    """This machine's, as `machine_digest` gives it.

    A machine without an id is known by the id of its running kernel's boot.
    """
    for path in _MACHINE_ID:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text:
            return machine_digest(text)
    raise TallyError("this machine has neither a machine id nor a boot id", hint="mount /proc")


def boot_id() -> str | None:
    """That of the running kernel, as `boot_digest` gives it; None where it cannot be read."""
    try:
        return boot_digest(_MACHINE_ID[-1].read_text().strip())
    except OSError:
        return None


def runs_natively(system: str) -> bool:
    """Whether this machine's processor runs programs of that system: its own, and the narrower one it knows.

    `system` is as a probe saw it, by uname(2): 32-bit Arm is armv7l or armv8l there.
    """
    own, other = (each.partition("-")[0] for each in (nix_system(), system))
    return other == own or other in _NARROWER.get(own, ())


def nix_system() -> str:
    """Nix's word for this machine, e.g. `x86_64-linux`."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return f"{machine}-{platform.system().lower()}"
