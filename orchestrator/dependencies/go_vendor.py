"""vendor/modules.txt: whether a vendor folder is of its go.mod, as `go build -mod=vendor` asks. Pure.

https://go.dev/ref/mod#vendoring
"""

from __future__ import annotations

from typing import Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.go_mod import GoMod

_AGAIN: Final = "run `go mod vendor` and commit the folder, or remove it so that modules are fetched"


def refuse_other_vendor(data: bytes, place: str, module: GoMod) -> None:
    """Raises BadLock where go.mod and the folder's list disagree on a version or on what stands in for it."""
    explicit: dict[str, tuple[str, int]] = {}
    stands_in: dict[str, str] = {}
    last: str | None = None
    version = ""
    at = 0
    for number, raw in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        words = raw.split()
        if raw.startswith("# ") and len(words) >= 3:
            left, _, right = " ".join(words[1:]).partition(" => ")
            last, version = (*left.split(" "), "")[:2]
            at = number
            if right:
                stands_in[last] = right
        elif raw.startswith("## ") and last is not None and "explicit" in raw.split(";")[0].split():
            explicit[last] = (version, at)
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
