"""Resolve the packages that artifacts are packed with again, and write orchestrator/pinning/packing.lock."""

from __future__ import annotations

from orchestrator.builders.host import nix_system
from orchestrator.ground.state import State
from orchestrator.pinning import debian, packing
from orchestrator.pinning.licensing import with_licences
from orchestrator.pinning.locking import BUSYBOX, busybox_of
from orchestrator.pinning.machine import machine_system
from orchestrator.recipe.lock import ARCHITECTURES, DebianSet, Lock, write
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors


def main() -> None:
    system, mirrors = machine_system(nix_system()), Mirrors()
    sources = Sources(State.of_environment().folder("sources"), mirrors)
    with debian.opened(mirrors.bases("debian"), ARCHITECTURES[system], Lock().suite) as apt:
        packages = apt.resolve(packing.PACKAGES)
        (box,) = [package for package in apt.resolve([BUSYBOX]) if package.name == BUSYBOX]
    files = tuple(package.file for package in packages)
    pinned = DebianSet(system=system, request=(), base=packing.PACKAGES, packages=files)
    every = with_licences((*packages, box), {}, sources)
    write(
        packing.FILE,
        Lock(
            package=tuple(sorted(every, key=lambda package: package.file)),
            set=(pinned,),
            busybox=(busybox_of(system, box, sources),),
        ),
    )


main()
