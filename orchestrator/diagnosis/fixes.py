"""Fixes that are known to help: lines before a build's script, or variables of a derivation. Pure.

Each is small, and says what it does. None is used but on a copy: the patch is for whoever wants it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.diagnosis.names import Name

_EPOCH: Final = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing to set, or one program to put before the real one."""

    name: str
    helps: tuple[Name, ...]
    """Causes that it is known to help with."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values may name `$SOURCE_DATE_EPOCH`."""
    shim: tuple[str, str] | None = None
    """A program's name, and the shell words that run in its place; `$real` is the real one."""

    def lines(self) -> list[str]:
        """As a build's script for bash begins with it."""
        found = [f'export {name}="{value}"' for name, value in self.variables.items()]
        if self.shim is not None:
            program, words = self.shim
            found += [
                "mkdir -p /build/.fix",
                f"real=$(command -v {program})",
                f"printf '#!%s\\nreal=%s\\n%s\\n' \"$BASH\" \"$real\" '{words}' > /build/.fix/{program}",
                f"chmod +x /build/.fix/{program}; PATH=/build/.fix:$PATH",
            ]
        return found

    def environment(self, epoch: str) -> Mapping[str, str] | None:
        """As variables of a derivation; None: it takes more than that."""
        if self.shim is not None:
            return None
        return {name: value.replace(f"${_EPOCH}", epoch) for name, value in self.variables.items()}


FIXES: Final = (
    Fix("PYTHONHASHSEED", (Name.ORDERING, Name.RANDOMNESS), {"PYTHONHASHSEED": "0"}),
    Fix(
        "PERL_HASH_SEED",
        (Name.ORDERING, Name.RANDOMNESS),
        {"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"},
    ),
    Fix("LC_ALL", (Name.LOCALE, Name.ORDERING), {"LC_ALL": "C.UTF-8"}),
    Fix("TZ", (Name.TIMESTAMP,), {"TZ": "UTC"}),
    Fix(
        "TAR_OPTIONS",
        (Name.TIMESTAMP, Name.ORDERING, Name.USER),
        {"TAR_OPTIONS": f"--sort=name --mtime=@${_EPOCH} --owner=0 --group=0 --numeric-owner"},
    ),
    Fix("GZIP", (Name.TIMESTAMP,), {"GZIP": "-n"}),
    Fix("MAKEFLAGS", (Name.RACE, Name.CPU_COUNT, Name.LOAD, Name.ORDERING), {"MAKEFLAGS": "-j1"}),
    Fix(
        "one job",
        (Name.CPU_COUNT, Name.RACE),
        {"NIX_BUILD_CORES": "1", "OMP_NUM_THREADS": "1"},
    ),
    Fix("nproc", (Name.CPU_COUNT, Name.RACE), shim=("nproc", "echo 1")),
    Fix("date", (Name.TIMESTAMP,), shim=("date", f'exec "$real" -u -d "@${_EPOCH}" "$@"')),
    Fix("find", (Name.ORDERING,), shim=("find", '"$real" "$@" | LC_ALL=C sort')),
)
"""The least intrusive first."""


def candidates(causes: Iterable[Name]) -> list[Fix]:
    """Those that are known to help with one of these causes, the least intrusive first."""
    wanted = set(causes)
    return [fix for fix in FIXES if wanted & set(fix.helps)]


def script(fixes: Sequence[Fix], text: str) -> str:
    """A build's script with fixes before it."""
    lines = [line for fix in fixes for line in fix.lines()]
    return "\n".join([*lines, text])


def patch(recipe: str, text: str, fixes: Sequence[Fix]) -> str | None:
    """What to change in a recipe, as `patch -p1` takes it; None where its script is not found.

    The lines go in after the one that opens the script.
    """
    before = text.splitlines(keepends=True)
    opening = next(
        (n for n, line in enumerate(before) if line.split("#")[0].replace(" ", "").strip() in _OPENING), None
    )
    if opening is None:
        return None
    escaped = '"""' in before[opening]
    lines = [
        (line.replace("\\", "\\\\") if escaped else line) + "\n" for fix in fixes for line in fix.lines()
    ]
    after = [*before[: opening + 1], *lines, *before[opening + 1 :]]
    return "".join(difflib.unified_diff(before, after, f"a/{recipe}", f"b/{recipe}"))


_OPENING: Final = ('script="""', "script='''")
