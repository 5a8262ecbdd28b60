"""What a `vm` builder's machine is made of: Debian packages, pinned in the lock like a toolchain's.

A machine is a root of packages, assembled as every Debian root here, and a kernel, which is a package too and
goes beside it.
"""

from __future__ import annotations

import re
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.request import busybox_output, package_output
from orchestrator.recipe.lock import DebianSet, Lock
from orchestrator.recipe.part import System
from orchestrator.recipe.suites import Suite

PACKAGES = (
    "e2fsprogs",  # formats its disk when it starts
    "linux-image-cloud-amd64",
    "nix-bin",
    "openssh-server",
    "squashfs-tools",  # packs its root when the image is made
)
"""What a machine holds beside `debian.BASE`."""
SUITE = Suite("bookworm")
"""What machines are made of, whatever recipes are built with."""
SYSTEMS: tuple[System, ...] = ("x86_64-linux",)
"""Those that there are machines for."""
_KERNEL = re.compile(r"linux-image-[0-9].*_[^_]*_[^_]*\.deb")


def machine_system(name: str) -> System:
    """A system that there are machines for. Raises TallyError for any other."""
    for system in SYSTEMS:
        if system == name:
            return system
    raise TallyError(
        f"there is no virtual machine for {name}", hint=f"there are some for {', '.join(SYSTEMS)}"
    )


def machine_request(lock: Lock, system: str) -> dict[str, Any]:
    """The request for a machine's image, as `evaluation` takes it. Pure.

    Raises TallyError when there is no such machine, or the lock does not pin its packages as they are needed.
    """
    pinned, busybox = lock.machine_for(machine_system(system)), lock.busybox_for(system)
    if pinned is None or busybox is None or pinned.request != PACKAGES:
        raise TallyError(
            f"tally.lock does not pin the virtual machine's packages for {system}",
            hint="pin them with `tally lock --vm`",
        )
    kernel = kernel_of(pinned)
    return {
        "system": system,
        "targets": [],
        "busybox": busybox_output(busybox, lock.packages[busybox.package]),
        "packages": {file: package_output(lock.packages[file]) for file in pinned.packages},
        "recipes": {},
        "machine": {"kernel": kernel, "packages": [file for file in pinned.packages if file != kernel]},
    }


def kernel_of(pinned: DebianSet) -> str:
    """The file name of the package that holds the kernel. Raises TallyError unless there is just one."""
    found = [file for file in pinned.packages if _KERNEL.fullmatch(file)]
    if len(found) != 1:
        raise TallyError(
            f"the virtual machine's packages in tally.lock hold {len(found)} kernels, not one",
            hint="pin them anew with `tally lock --vm`",
        )
    return found[0]
