"""Which ecosystem a lock file is of, and its reader. A kind is added here: a name and a case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

from orchestrator.dependencies.dependency import BadLock, Ecosystem, Locked
from orchestrator.dependencies.python import names as python_names
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.tree import Tree

NAMES: Final[Mapping[str, Ecosystem]] = {
    "Cargo.lock": Ecosystem.CARGO,
    "go.mod": Ecosystem.GO,
    "go.sum": Ecosystem.GO,
    "go.work": Ecosystem.GO,
    "npm-shrinkwrap.json": Ecosystem.NPM,
    "package-lock.json": Ecosystem.NPM,
    "pnpm-lock.yaml": Ecosystem.NPM,
    "yarn.lock": Ecosystem.NPM,
}
"""A lock file's name to what its kind is."""


_LONGEST: Final = 80
"""Characters of a name that are compared: comparing takes their square."""


def ecosystem_of(lock: str) -> Ecosystem | None:
    """What the name of a lock file tells; `lock` is its path."""
    name = lock.rpartition("/")[2]
    return Ecosystem.PYTHON if python_names.is_known(name) else NAMES.get(name)


def nearest_name(name: str) -> str | None:
    """The lock file's name that this one is nearly; None: no such name is near."""
    from difflib import get_close_matches  # for slips alone

    return next(
        iter(get_close_matches(name[:_LONGEST], (*NAMES, *python_names.USUAL), n=1, cutoff=0.85)), None
    )


def read(
    ecosystem: Ecosystem,
    tree: Tree,
    lock: str,
    place: str,
    system: str,
    python: Asked | None = None,
    member: str | None = None,
) -> Locked:
    """What the lock file at a path of `tree` pins for builds on `system` (Nix's name).

    `place` is what messages call it; `python` says what a build asks of a Python project's lock, `member`
    which folder of a Node.js workspace is the project. Raises BadLock, or another TallyError where it cannot
    be read.
    """
    data = tree.read(lock)
    if data is None:
        raise BadLock(place, None, "the source has no such file", hint="see `lock` in the recipe")
    match ecosystem:
        case Ecosystem.NPM:
            from orchestrator.dependencies.node import reading as of_node

            return of_node.read(data, place, tree, lock, system, member)
        case Ecosystem.PYTHON if python is not None:
            from orchestrator.dependencies.python import reading as of_python

            return of_python.read(tree.read, lock, place, python)
        case Ecosystem.CARGO:
            from orchestrator.dependencies import cargo, cargo_detours

            cargo_detours.refuse_detours(tree, lock)
            return cargo.read(data, place, lock, tree.named("Cargo.toml"))
        case Ecosystem.GO:
            from orchestrator.dependencies import go

            return go.read(place, lock, tree.read)
        case Ecosystem.PYTHON:
            raise AssertionError("what a build asks of a Python project's lock was not given")
        case _:
            assert_never(ecosystem)
