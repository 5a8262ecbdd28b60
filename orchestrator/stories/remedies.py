"""What `tally doctor --fix` runs: apt-get, for the packages that are missing, and nothing else."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from orchestrator.ground import others
from orchestrator.ground.errors import TallyError
from orchestrator.stories.doctor import Check, Status

_LISTS: Final = Path("/var/lib/apt/lists")
Command = tuple[str, ...]


def packages_of(checks: Iterable[Check]) -> list[str]:
    """The Debian packages whose absence the checks found, each once."""
    return sorted({each.package for each in checks if each.package and each.status is not Status.OK})


def commands_for(packages: Sequence[str], lists: Path = _LISTS) -> list[Command]:
    """The commands that install them, as they are to be run. Raises TallyError where none can be.

    `lists` is where apt keeps its indices: where there are none, they are fetched first.
    """
    if not packages:
        return []
    if shutil.which("apt-get") is None:
        raise TallyError(
            f"there is no apt-get here to install {', '.join(packages)} with",
            hint="install what each line above asks for by this machine's own package manager",
        )
    root: Command = ()
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            raise TallyError(
                "packages are installed by root, and sudo is not here",
                hint=f"as root: apt-get install {' '.join(packages)}",
            )
        root = ("sudo",)
    updated = any(lists.glob("*_Packages*"))
    update: list[Command] = [] if updated else [(*root, "apt-get", "update")]
    return [*update, (*root, "apt-get", "install", "--yes", "--no-install-recommends", *packages)]


def shown(command: Command) -> str:
    """A command as it can be typed."""
    return shlex.join(command)


def run(commands: Iterable[Command]) -> None:
    """Run them in order; what they say goes to standard error. Raises TallyError where one fails."""
    environment = {**others.environment(), "DEBIAN_FRONTEND": "noninteractive"}
    sys.stderr.flush()
    for command in commands:
        try:
            done = subprocess.run(command, env=environment, stdout=sys.stderr.fileno())
        except OSError as error:
            raise TallyError(f"cannot run {shown(command)}: {error.strerror or error}") from error
        if done.returncode != 0:
            raise TallyError(
                f"{shown(command)} ended with status {done.returncode}",
                hint="what it said is above; `tally doctor` says what is still missing",
            )
