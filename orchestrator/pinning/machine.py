"""What a `vm` builder's machine is made of: Debian packages, pinned in the lock like a toolchain's.

A machine is a root of packages, assembled as every Debian root here, and a kernel, which is a package too and
goes beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.request import busybox_output, package_output
from orchestrator.recipe.lock import DebianSet, Lock
from orchestrator.recipe.part import System
from orchestrator.recipe.suites import Suite

KERNELS: Mapping[System, str] = {
    "x86_64-linux": "linux-image-cloud-amd64",
    "aarch64-linux": "linux-image-cloud-arm64",
}
"""Those systems that there are machines for, and Debian's kernel for machines that are virtual."""
BUSYBOX = "busybox"
"""What stands for another system's in a request."""
SUITE = Suite("bookworm")
"""What machines are made of, whatever recipes are built with."""
_KERNEL = re.compile(r"linux-image-[0-9].*_[^_]*_[^_]*\.deb")


def machine_system(name: str) -> System:
    """A system that there are machines for. Raises TallyError for any other."""
    for system in KERNELS:
        if system == name:
            return system
    raise TallyError(
        f"there is no virtual machine for {name}", hint=f"there are some for {', '.join(KERNELS)}"
    )


def machine_packages(system: str) -> tuple[str, ...]:
    """What a machine holds beside `debian.BASE`, sorted. Raises TallyError when there is none."""
    return (
        "e2fsprogs",  # formats its disk when it starts
        KERNELS[machine_system(system)],
        "nix-bin",
        "openssh-server",
        "squashfs-tools",  # packs its root when the image is made, or that of another machine
    )


def machine_request(lock: Lock, system: str, packed_on: str) -> dict[str, Any]:
    """The request for a machine's image, as `evaluation` takes it. Pure.

    A system that has another machine's image made, `packed_on`, packs it with the programs of its own one.
    Raises TallyError when there is no such machine, or the lock does not pin its packages as they are needed.
    """
    own = "" if packed_on == system else f" --system {system}"
    kernel, packages, busybox = _pinned(lock, system, own)
    files = {file: package_output(lock.packages[file]) for file in (*packages, kernel)}
    machine: dict[str, Any] = {"kernel": kernel, "packages": packages}
    made_by = busybox
    if packed_on != system:
        _, packers, made_by = _pinned(lock, packed_on, own)
        files |= {file: package_output(lock.packages[file]) for file in packers} | {BUSYBOX: busybox}
        machine |= {"busybox": BUSYBOX, "packers": packers}
    return {
        "system": packed_on,
        "targets": [],
        "busybox": made_by,
        "packages": files,
        "recipes": {},
        "machine": machine,
    }


def _pinned(lock: Lock, system: str, option: str) -> tuple[str, list[str], dict[str, Any]]:
    """The kernel's package, the others', and the busybox of a system's machine.

    Raises TallyError when they are not pinned; `option` is what `tally lock` then takes.
    """
    pinned, busybox = lock.machine_for(machine_system(system)), lock.busybox_for(system)
    if pinned is None or busybox is None or pinned.request != machine_packages(system):
        raise TallyError(
            f"tally.lock does not pin the virtual machine's packages for {system}",
            hint=f"pin them with `tally lock --vm{option}`",
        )
    kernel = kernel_of(pinned)
    others = [file for file in pinned.packages if file != kernel]
    return kernel, others, busybox_output(busybox, lock.packages[busybox.package])


def kernel_of(pinned: DebianSet) -> str:
    """The file name of the package that holds the kernel. Raises TallyError unless there is just one."""
    found = [file for file in pinned.packages if _KERNEL.fullmatch(file)]
    if len(found) != 1:
        raise TallyError(
            f"the virtual machine's packages in tally.lock hold {len(found)} kernels, not one",
            hint="pin them anew with `tally lock --vm`",
        )
    return found[0]
