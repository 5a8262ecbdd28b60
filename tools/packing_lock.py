"""Resolve the packages that artifacts are packed with again: tools/packing_lock.py [SYSTEM], which writes
orchestrator/pinning/packing-SYSTEM.lock."""

from __future__ import annotations

import sys
from typing import get_args

from orchestrator.builders.host import nix_system
from orchestrator.ground.state import State
from orchestrator.pinning import debian, packing
from orchestrator.pinning.licensing import with_licences
from orchestrator.pinning.locking import BUSYBOX, busybox_of
from orchestrator.recipe.lock import ARCHITECTURES, DebianSet, Lock, write
from orchestrator.recipe.part import System
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors


def main(name: str) -> None:
    [system] = [each for each in get_args(System) if each == name] or sys.exit(f"there is no system {name}")
    mirrors = Mirrors()
    sources = Sources(State.of_environment().folder("sources"), mirrors)
    with debian.opened(mirrors.bases("debian"), ARCHITECTURES[system], Lock().suite) as apt:
        packages = apt.resolve(packing.PACKAGES)
        (box,) = [package for package in apt.resolve([BUSYBOX]) if package.name == BUSYBOX]
    files = tuple(package.file for package in packages)
    pinned = DebianSet(system=system, request=(), base=packing.PACKAGES, packages=files)
    every = with_licences((*packages, box), {}, sources)
    write(
        packing.file_of(system),
        Lock(
            package=tuple(sorted(every, key=lambda package: package.file)),
            set=(pinned,),
            busybox=(busybox_of(system, box, sources),),
        ),
    )


main(sys.argv[1] if sys.argv[1:] else nix_system())
