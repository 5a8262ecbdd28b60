"""go.sum with the go.mod, go.work or vendor folder beside it: the modules of a Go project. Pure.

https://go.dev/ref/mod. Fetched is what go.sum has a line for: of a module with a hash of its files those, as
a zip; of one with a hash of its go.mod alone that file, which Go reads to choose versions.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from orchestrator.dependencies import go_mod, go_sum, go_vendor
from orchestrator.dependencies.dependency import BadLock, Dependency, Ecosystem, Locked
from orchestrator.dependencies.go_mod import GoMod, Replaced, Required
from orchestrator.dependencies.go_sum import AGAIN, Sum, escaped
from orchestrator.ground.values import replace

MIRROR: Final = "go"
"""The mirror that is Go's module proxy."""
NAMES: Final = ("go.mod", "go.sum", "go.work")
"""What `lock` of a recipe can name; whichever it is, all three count."""
OF_GO_MOD: Final = "go.mod"
"""The place of a dependency of which go.mod alone is needed."""
Read = Callable[[str], bytes | None]


def read(place: str, lock: str, source: Read) -> Locked:
    """What a project pins. `place` is the file as messages name it, `lock` its path in the source.

    `source` gives further files of the source, by path. Raises BadLock.
    """
    folder = posixpath.dirname(lock)
    work = _given(source, posixpath.join(folder, "go.work"))
    folders = [folder] if work is None else [_inside(folder, each, work, line) for each, line in work.used]
    modules = [_module(source, each, place) for each in folders]
    if work is None and source(text := posixpath.join(folder, "vendor/modules.txt")) is not None:
        listed = source(text) or b""
        go_vendor.refuse_other_vendor(listed, text, modules[0])
        return Locked(Ecosystem.GO, (), {"mod": "vendor"}, go_vendor.inside(listed, text))
    every = [*modules, *([work] if work else [])]
    own = {each.module for each in modules if each.module is not None}
    sums = _sums(source, folders, folder, work, place)
    replaced = _replaced(every, work, source)
    _refuse_misfit(modules, own, replaced, sums, place)
    direct = {
        target.key
        for each in modules
        for line in each.required
        if not line.indirect and (target := _target(line, replaced)) is not None
    }
    whole = {each.module for each in sums if not each.of_go_mod}
    found = [
        _dependency(each, direct=each.module.key in direct and not each.of_go_mod)
        for each in sums
        if not (each.of_go_mod and each.module in whole)
    ]
    mode = "mod" if work is None else "readonly"  # the only one that go allows in a workspace
    return Locked(Ecosystem.GO, tuple(sorted(found, key=lambda each: each.key)), {"mod": mode})


def _dependency(told: Sum, *, direct: bool) -> Dependency:
    path, version = told.module.path, told.module.version
    ending = "mod" if told.of_go_mod else "zip"
    return Dependency(
        path,
        version,
        f"{path.replace('/', '-')}-{version}.{ending}",
        told.digest,
        (f"mirror://{MIRROR}/{escaped(path)}/@v/{escaped(version)}.{ending}",),
        MIRROR,
        told.line,
        direct=direct,
        shipped=not told.of_go_mod,
        place=OF_GO_MOD if told.of_go_mod else None,
    )


def _given(source: Read, path: str) -> GoMod | None:
    data = source(path)
    return None if data is None else go_mod.read(data, path)


def _module(source: Read, folder: str, place: str) -> GoMod:
    path = posixpath.join(folder, "go.mod")
    found = _given(source, path)
    if found is None:
        raise BadLock(place, None, f"the source has no {path}", hint="name the folder of the module's go.mod")
    return found


def _inside(folder: str, path: str, file: GoMod, line: int) -> str:
    """A folder that a file of the project names. Raises BadLock for one outside of the source."""
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(file.place) or folder, path))
    if path.startswith("/") or whole == ".." or whole.startswith("../"):
        hint = "name a folder that is part of the source, or a version of the module"
        raise BadLock(file.place, line, f"{path[:200]} leads out of the source", hint=hint)
    return "" if whole == "." else whole


def _sums(source: Read, folders: Sequence[str], folder: str, work: GoMod | None, place: str) -> Sequence[Sum]:
    """All lines of all go.sum files, each module's once. Raises BadLock.

    In a workspace each has the line of go.work that names the module whose go.sum it is from.
    """
    files = [posixpath.join(each, "go.sum") for each in folders]
    lines: list[int | None] = [line for _, line in work.used] if work is not None else [None]
    if work is not None:
        files.append(posixpath.join(folder, "go.work.sum"))
        lines.append(1)
    found: dict[tuple[str, bool], Sum] = {}
    for path, at in zip(files, lines, strict=True):
        data = source(path)
        shown = place if len(files) == 1 and place.endswith("go.sum") else path
        for each in go_sum.read(data, shown) if data is not None else ():
            told = each if at is None else replace(each, line=at)
            other = found.setdefault((each.module.key, each.of_go_mod), told)
            if other.digest != each.digest:
                problem = f"{each.module.key} has another hash in another go.sum of the workspace"
                raise BadLock(shown, each.line, problem, hint="see `go mod verify`")
    return tuple(found.values())


def _replaced(
    every: Iterable[GoMod], work: GoMod | None, source: Read
) -> Mapping[tuple[str, str | None], Replaced]:
    """What stands in for modules; what go.work says goes before what go.mod files say. Raises BadLock."""
    found: dict[tuple[str, str | None], Replaced] = {}
    for file in every:
        for each in file.replaced:
            key = (each.path, each.version)
            if each.by_version is None:
                folder = _inside("", each.by, file, each.line)
                if source(posixpath.join(folder, "go.mod")) is None:
                    problem = f"{each.path} is replaced by {each.by}, where no go.mod is"
                    raise BadLock(file.place, each.line, problem, hint="commit the folder with the project")
            if key not in found or file is work:
                found[key] = each
    return found


def _target(line: Required, replaced: Mapping[tuple[str, str | None], Replaced]) -> go_mod.Module | None:
    """What is fetched for a line of `require`; None where it is a folder of the project."""
    module = line.module
    stand_in = replaced.get((module.path, module.version)) or replaced.get((module.path, None))
    if stand_in is None:
        return module
    return None if stand_in.by_version is None else go_mod.Module(stand_in.by, stand_in.by_version)


def _refuse_misfit(
    modules: Iterable[GoMod],
    own: set[str],
    replaced: Mapping[tuple[str, str | None], Replaced],
    sums: Iterable[Sum],
    place: str,
) -> None:
    """Whether go.sum is of these go.mod files: what they ask for themselves has a line there."""
    known = {each.module.key for each in sums}
    for file in modules:
        for line in file.required:
            target = _target(line, replaced)
            if target is None or line.indirect or target.path in own or target.key in known:
                continue
            problem = f"it requires {target.path} {target.version}, which go.sum has no line for"
            raise BadLock(file.place, line.line, problem, hint=f"{AGAIN} and commit go.sum; see {place}")
