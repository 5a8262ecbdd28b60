"""What the artifacts of targets without a recipe are packed with: pinned here, in no lock of the project's.

A `packing-SYSTEM.lock` is of the same form as `tally.lock`; `tools/packing_lock.py SYSTEM` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.request import busybox_output, package_output
from orchestrator.recipe.lock import Lock, read

_FOLDER: Final = Path(__file__).parent
PACKAGES: Final = (
    "bash",
    "coreutils",
    "findutils",
    "grep",
    "gzip",
    "libc-bin",
    "sed",
    "tar",
    "usr-is-merged",
    "util-linux",
    "xz-utils",
    "zstd",
)
"""What our scripts call, and no compiler."""


def file_of(system: str) -> Path:
    """Where a system's pins are, if there are any."""
    return _FOLDER / f"packing-{system}.lock"


def packing_lock(system: str) -> Lock:
    """The pins for a system. Raises TallyError when there are none."""
    if not file_of(system).exists():
        systems = (each.stem.removeprefix("packing-") for each in sorted(_FOLDER.glob("packing-*.lock")))
        raise TallyError(
            f"targets without a recipe cannot be packed on {system}", hint=f"they can on {', '.join(systems)}"
        )
    return read(file_of(system))


def packing_request(lock: Lock, system: str, targets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The request for packing these targets, as `evaluation` takes it. Pure.

    Raises TallyError when nothing is pinned for this system.
    """
    pinned, busybox = lock.set_for((), system), lock.busybox_for(system)
    if pinned is None or busybox is None:
        raise TallyError(
            f"targets without a recipe cannot be packed on {system}",
            hint=f"they can on {', '.join(each.system for each in lock.set)}",
        )
    return {
        "system": system,
        "targets": list(targets),
        "busybox": busybox_output(busybox, lock.packages[busybox.package]),
        "packages": {file: package_output(lock.packages[file]) for file in pinned.packages},
        "recipes": {},
    }
