"""The part of a lock that some recipes need on one system. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.recipe.lock import Busybox, DebianSet, Lock
from orchestrator.recipe.recipe import Recipe


def portion_of(lock: Lock, recipes: Mapping[str, Recipe], names: Sequence[str], system: str) -> Lock:
    """What the lock pins of these recipes; the request that they make with it is the same."""
    wanted = [recipes[name] for name in names]
    found = {
        lock.set_for(recipe.toolchain.packages, system, recipe.toolchain.debian)
        for recipe in wanted
        if recipe.toolchain.is_debians
    }
    sets: tuple[DebianSet, ...] = tuple(each for each in lock.set if each in found)
    images = {recipe.toolchain.image for recipe in wanted}
    pinned = lock.busybox_for(system)
    busybox: tuple[Busybox, ...] = (pinned,) if pinned is not None else ()
    used = Lock(set=sets, busybox=busybox).used
    return Lock(
        version=lock.version,
        suite=lock.suite,
        **lock.debian.pins,
        package=tuple(lock.packages[file] for file in sorted(used)),
        set=sets,
        busybox=busybox,
        container=tuple(each for each in lock.container if each.image in images and each.system == system),
        source={name: lock.source[name] for name in names if name in lock.source},
        followed={name: lock.followed[name] for name in names if name in lock.followed},
        told={name: lock.told[name] for name in names if name in lock.told},
        nixpkgs=lock.nixpkgs if any(recipe.toolchain.from_ == "nixpkgs" for recipe in wanted) else None,
    )
