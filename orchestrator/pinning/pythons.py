"""The Python that a recipe builds with, and what it asks of a Python project's lock."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.interpreter import Interpreter, glibc_of, machine_of, of_debian
from orchestrator.ground.errors import TallyError
from orchestrator.pinning.request import set_of
from orchestrator.recipe.dependencies_table import DependenciesPart
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import Recipe

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GLIBC: Final = 28
"""Of a toolchain that does not tell: every Linux of this decade has a newer one."""


def asked_of(recipe: Recipe, part: DependenciesPart, lock: Lock, system: str) -> Asked:
    """What a recipe asks of a lock. Raises TallyError where nothing tells which Python it has."""
    interpreter = _interpreter(recipe, part, lock, system)
    told = lock.told.get(recipe.name, {}).get(key_of(recipe, part), {})
    names = {sha256: file for sha256, file in told.items() if _SHA256.fullmatch(sha256)}
    return Asked(interpreter, part.extras, part.groups, part.package, part.venv, names)


def key_of(recipe: Recipe, part: DependenciesPart) -> str:
    """Under which `tally.lock` has what a lock file does not say."""
    return f"{recipe.source_of(part)}/{part.lock}"


def _interpreter(recipe: Recipe, part: DependenciesPart, lock: Lock, system: str) -> Interpreter:
    packages: dict[str, str] = {}
    if recipe.toolchain.from_ != "nixpkgs":
        locked = (lock.packages[file] for file in set_of(recipe, lock, system).packages)
        packages = {each.name: each.version for each in locked}
    found = of_debian(packages, system)
    if part.python is not None:
        if found is not None and found.version != part.python and recipe.toolchain.from_ == "debian":
            raise TallyError(
                f"recipe {recipe.name}: it says python {part.python}, and its toolchain has {found.version}",
                hint="leave `python` out of [[dependencies]]: the toolchain tells it",
            )
        return Interpreter(part.python, glibc_of(packages) or _GLIBC, machine_of(system))
    if found is None:
        raise TallyError(
            f"recipe {recipe.name}: nothing tells which Python reads {part.lock}",
            hint="add python3 to the toolchain's packages"
            if recipe.toolchain.from_ == "debian"
            else 'say its version: python = "3.13.2" in [[dependencies]]',
        )
    return found
