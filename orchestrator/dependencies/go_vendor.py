"""vendor/modules.txt: which modules a vendor folder has, and whether it is of its go.mod. Pure.

https://go.dev/ref/mod#vendoring
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator.dependencies.dependency import BadLock, Inside
from orchestrator.dependencies.go_mod import GoMod
from orchestrator.dependencies.go_sum import checked
from orchestrator.ground.values import dataclass, replace

_AGAIN: Final = "run `go mod vendor` and commit the folder, or remove it so that modules are fetched"


@dataclass(frozen=True, slots=True)
class Vendored:
    """A module that the list names."""

    path: str
    version: str
    """Empty where it is a folder that stands in for all versions."""
    by: tuple[str, ...]
    """What stands in for it, as written: a folder, or a module and its version; empty: nothing does."""
    line: int
    explicit: bool = False
    """Whether go.mod asks for it."""
    used: bool = False
    """Whether any of its packages is in the folder."""


def modules(text: str) -> Iterator[Vendored]:
    """The modules of the list, in its order; one without a path is of packages that stand before any."""
    last: Vendored | None = None
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if line.startswith("# ") and len(words) >= 2:
            if last is not None:
                yield last
            left, _, right = " ".join(words[1:]).partition(" => ")
            path, version = (*left.split(" "), "")[:2]
            last = Vendored(path, version, tuple(right.split()), number)
        elif line.startswith("## ") and last is not None:
            last = replace(last, explicit=last.explicit or "explicit" in line.split(";")[0].split())
        elif words and not line.startswith("#"):
            last = replace(last or Vendored("", "", (), number), used=True)
    if last is not None:
        yield last


def inside(data: bytes, place: str) -> tuple[Inside, ...]:
    """The modules of which packages are in the folder. Raises BadLock for what is no module."""
    found = set()
    for each in modules(data.decode("utf-8", "replace")):
        path, version = each.by if len(each.by) == 2 else (each.path, each.version)
        if each.used and len(each.by) != 1:  # one word is a folder of the project's own
            found.add(Inside(*_named(path, version, place, each.line)))
    return tuple(sorted(found, key=str))


def _named(path: str, version: str, place: str, line: int) -> tuple[str, str]:
    module = checked(path, version, place, line)
    return module.path, module.version


def refuse_other_vendor(data: bytes, place: str, module: GoMod) -> None:
    """Raises BadLock where go.mod and the folder's list disagree on a version or on what stands in for it."""
    explicit: dict[str, tuple[str, int]] = {}
    stands_in: dict[str, str] = {}
    for listed in modules(data.decode("utf-8", "replace")):
        if listed.by:
            stands_in[listed.path] = " ".join(listed.by)
        if listed.explicit:
            explicit[listed.path] = (listed.version, listed.line)
    for line in module.required:
        path, wanted = line.module.path, line.module.version
        if path not in explicit:
            problem = f"it requires {path} {wanted}, which {place} does not list as explicit"
            raise BadLock(module.place, line.line, problem, hint=_AGAIN)
        held, at = explicit[path]
        if held != wanted:
            raise BadLock(place, at, f"{path} is {held}, and {module.place} requires {wanted}", hint=_AGAIN)
    for each in module.replaced:
        by = each.by if each.by_version is None else f"{each.by} {each.by_version}"
        if each.path in explicit and stands_in.get(each.path) != by:
            problem = f"it replaces {each.path} by {by}, and {place} does not"
            raise BadLock(module.place, each.line, problem, hint=_AGAIN)
