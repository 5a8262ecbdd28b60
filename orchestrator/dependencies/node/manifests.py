"""package.json of a project and of its workspaces: what they ask for themselves. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

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
        return any(each.fullmatch(folder) for each in wanted) and not any(
            each.fullmatch(folder) for each in refused
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


def _pattern(text: str) -> re.Pattern[str]:
    """A glob of folders: `*` is one of them, `**` any number."""
    parts = [part for part in text.split("/") if part not in ("", ".")][:50]
    found = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            found += r"(?:[^/]+/)*+" if not last else r"[^/]++(?:/[^/]++)*+"
        else:
            found += re.sub(r"\\\*", "[^/]*", re.escape(part)) + ("" if last else "/")
    return re.compile(found)
