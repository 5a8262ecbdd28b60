"""package.json of a project and of its workspaces: what they ask for themselves. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.tree import Tree
from orchestrator.ground.values import dataclass

FILE: Final = "package.json"
SHIPPED: Final = ("dependencies", "optionalDependencies")
DEVELOPMENT: Final = ("devDependencies",)
MOST: Final = 5_000
"""Workspaces of a project."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One package.json."""

    folder: str
    """Its folder from that of the lock, without a slash at the end; empty: the same."""
    values: Mapping[str, Any]

    @property
    def name(self) -> str | None:
        return found if isinstance(found := self.values.get("name"), str) else None

    def asked(self, kinds: Iterable[str]) -> Mapping[str, str]:
        """Names and the ranges that are asked for. What is both optional and not counts as optional."""
        found: dict[str, str] = {}
        for kind in kinds:
            found.update(table(self.values, kind))
        return found


def table(values: Mapping[str, Any], key: str) -> Mapping[str, str]:
    """Names and texts; anything else is as if it were not there."""
    told = values.get(key)
    listed = told.items() if isinstance(told, dict) else ()
    return {name: each for name, each in listed if isinstance(each, str)}


def manifest(data: bytes | None, place: str, folder: str = "") -> Manifest:
    """The one in a folder. `place` is what messages call the lock. Raises BadLock."""
    where = posixpath.join(folder, FILE)
    if data is None:
        raise BadLock(place, None, f"there is no {where} beside it", hint="see `lock` in the recipe")
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadLock(place, None, f"{where} beside it is not JSON", hint="mend it") from error
    if not isinstance(values, dict):
        raise BadLock(place, None, f"{where} beside it is no object", hint="mend it")
    return Manifest(folder, values)


def manifests(tree: Tree, beside: str, place: str) -> tuple[Manifest, ...]:
    """The project's own, and those of the workspaces that it names. Raises BadLock."""
    top = manifest(tree.read(posixpath.join(beside, FILE)), place)
    patterns = list(workspaces(top.values))
    if not patterns:
        return (top,)
    return (top, *(manifest(data, place, folder) for folder, data in _within(tree, beside, patterns, place)))


def workspaces(values: Mapping[str, Any]) -> Iterator[str]:
    """The patterns of folders that a package.json has for its workspaces."""
    told = values.get("workspaces")
    listed = told.get("packages") if isinstance(told, dict) else told
    yield from (each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()


def chosen(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether these patterns mean a folder; `!` before one takes out."""
    listed = list(patterns)
    wanted = [_pattern(each) for each in listed if not each.startswith("!")]
    refused = [_pattern(each[1:]) for each in listed if each.startswith("!")]

    def is_chosen(folder: str) -> bool:
        names = folder.split("/")
        return any(_means(each, names) for each in wanted) and not any(
            _means(each, names) for each in refused
        )

    return is_chosen


def _within(tree: Tree, beside: str, patterns: Iterable[str], place: str) -> Iterator[tuple[str, bytes]]:
    is_chosen = chosen(patterns)
    count = 0
    for path, data in sorted(tree.named(FILE).items()):
        folder = posixpath.relpath(posixpath.dirname(path) or ".", beside or ".")
        if folder == "." or folder.startswith("..") or "node_modules" in folder.split("/"):
            continue
        if is_chosen(folder):
            count += 1
            if count > MOST:
                raise BadLock(
                    place, None, f"the project has more than {MOST:,} workspaces", hint="is it one?"
                )
            yield folder, data


_Glob: TypeAlias = tuple[re.Pattern[str] | None, ...]
"""What each folder on the way is called; None: `**`, any number of folders, and as the last one at least."""


def _pattern(text: str) -> _Glob:
    """A glob of folders: `*` is a part of one's name, `**` any number."""
    parts = [part for part in text.split("/") if part not in ("", ".")][:50]
    return tuple(None if part == "**" else _name(part) for part in parts)


def _name(part: str) -> re.Pattern[str]:
    """What stands between two `*` is taken where it stands first (`(?>`), so that no name takes long."""
    first, *rest = (re.escape(each) for each in re.split(r"\*+", part))
    if not rest:
        return re.compile(first)
    return re.compile(first + "".join(f"(?>.*?{each})" for each in rest[:-1]) + ".*" + rest[-1], re.DOTALL)


def _means(glob: _Glob, names: Sequence[str]) -> bool:
    """Whether a glob means the folder of these names."""
    last = len(glob) - 1

    def without_any(at: set[int]) -> set[int]:
        for number in range(last):
            if number in at and glob[number] is None:
                at.add(number + 1)
        return at

    at = without_any({0})
    for name in names:
        after = set[int]()
        for number in at - {last + 1}:
            part = glob[number]
            if part is None:
                after |= {number, number + 1}
            elif part.fullmatch(name):
                after.add(number + 1)
        at = without_any(after)
    return last + 1 in at
