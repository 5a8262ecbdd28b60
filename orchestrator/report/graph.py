"""A package's build-time closure as SVG: who is built from what, the first that diverged marked. Pure.

Of a large closure the ways from the package down to what diverged are drawn, then what lies nearest to the
package: never more than `MOST` derivations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from orchestrator.report.plain import plain

MOST: Final = 60
FEW: Final = 30
"""Derivations that are drawn where nothing diverged."""
_WIDE, _HIGH, _ACROSS, _DOWN = 190, 26, 206, 64
_NAME: Final = 26  # characters in a box
_ROW: Final = 6  # boxes beside each other


@dataclass(frozen=True, slots=True)
class Closure:
    """Derivations with what each is built from. Each input is a key, too."""

    root: str
    inputs: Mapping[str, tuple[str, ...]]
    diverging: Collection[str] = ()
    """Those whose inputs agree and whose outputs do not."""
    inherited: Collection[str] = ()
    """Those that differ since an input of theirs does."""
    whole: int | None = None
    """How many derivations there are; None: as many as are given."""

    def name(self, path: str) -> str:
        """How a derivation is called."""
        return path.rpartition("/")[2].partition("-")[2].removesuffix(".drv") or path


@dataclass(frozen=True, slots=True)
class Drawn:
    """The picture, and the same in words."""

    svg: str
    ways: tuple[tuple[str, ...], ...]
    """From the package to each derivation that diverged first, by their names."""
    shown: int
    whole: int


def draw(closure: Closure) -> Drawn:
    """The part of a closure that shows where it diverged."""
    parents = _parents(closure)
    ways = [_way(closure.root, each, parents) for each in sorted(closure.diverging) if each in parents]
    shown = _chosen(closure, ways)
    rows = _rows(closure, shown)
    places = {path: (column, level) for level, row in enumerate(rows) for column, path in enumerate(row)}
    named = tuple(tuple(closure.name(path) for path in way) for way in ways)
    return Drawn(_svg(closure, places, rows), named, len(shown), closure.whole or len(closure.inputs))


def _parents(closure: Closure) -> Mapping[str, str | None]:
    """Each derivation's nearest user, by the shortest way from the package. A circle ends where it began."""
    found: dict[str, str | None] = {closure.root: None}
    pending = deque([closure.root])
    while pending:
        path = pending.popleft()
        for each in closure.inputs.get(path, ()):
            if each not in found:
                found[each] = path
                pending.append(each)
    return found


def _way(root: str, end: str, parents: Mapping[str, str | None]) -> tuple[str, ...]:
    way: list[str] = [end]
    while (above := parents[way[-1]]) is not None:
        way.append(above)
    return tuple(reversed(way))


def _chosen(closure: Closure, ways: Iterable[tuple[str, ...]]) -> set[str]:
    """What is drawn: the ways first, then breadth first, what differs before what agrees."""
    shown: set[str] = set()
    for way in ways:
        if len(shown | set(way)) <= MOST:
            shown |= set(way)
        else:
            shown |= {closure.root, way[-1]} if len(shown) + 2 <= MOST else set()
    pending = deque([closure.root])
    seen = {closure.root}
    while pending and len(shown) < MOST:
        path = pending.popleft()
        shown.add(path)
        inputs = sorted(
            closure.inputs.get(path, ()), key=lambda one: (one not in closure.inherited, closure.name(one))
        )
        for each in inputs:
            if each not in seen:
                seen.add(each)
                pending.append(each)
    return shown


def _order(closure: Closure, shown: Collection[str]) -> list[str]:
    """What is shown, each after all that is built from it, as far as there is no circle."""
    done: list[str] = []
    seen: set[str] = set()
    for start in (closure.root, *sorted(shown)):
        pending = [(start, False)]
        while pending:
            path, left = pending.pop()
            if left:
                done.append(path)
            elif path in shown and path not in seen:
                seen.add(path)
                pending.append((path, True))
                pending.extend((each, False) for each in closure.inputs.get(path, ()))
    return done[::-1]


def _rows(closure: Closure, shown: Collection[str]) -> list[list[str]]:
    """What is shown in rows: each below all that is built from it, as far as there is no circle."""
    order = _order(closure, shown)
    at = {path: place for place, path in enumerate(order)}
    level = dict.fromkeys(shown, 0)
    for path in order:
        for each in closure.inputs.get(path, ()):
            if each in at and at[each] > at[path]:
                level[each] = max(level[each], level[path] + 1)
    by_level: dict[int, list[str]] = {}
    for path in sorted(
        shown, key=lambda one: (one not in closure.diverging, one not in closure.inherited, closure.name(one))
    ):
        by_level.setdefault(level[path], []).append(path)
    rows: list[list[str]] = []
    for _, row in sorted(by_level.items()):
        rows.extend(row[start : start + _ROW] for start in range(0, len(row), _ROW))
    return rows


def _svg(closure: Closure, places: Mapping[str, tuple[int, int]], rows: list[list[str]]) -> str:
    width = max(len(row) for row in rows) * _ACROSS
    height = len(rows) * _DOWN
    shift = {path: (width - len(rows[level]) * _ACROSS) / 2 for path, (_, level) in places.items()}

    def corner(path: str) -> tuple[float, float]:
        column, level = places[path]
        return shift[path] + column * _ACROSS + (_ACROSS - _WIDE) / 2, level * _DOWN + (_DOWN - _HIGH) / 2

    lines, boxes = [], []
    for path in places:
        x, y = corner(path)
        for each in closure.inputs.get(path, ()):
            if each in places and each != path:
                to_x, to_y = corner(each)
                hot = _kind(closure, path) and _kind(closure, each)
                lines.append(
                    f'<line class="{"edge hot" if hot else "edge"}" '
                    f'x1="{x + _WIDE / 2:.0f}" y1="{y + _HIGH:.0f}" '
                    f'x2="{to_x + _WIDE / 2:.0f}" y2="{to_y:.0f}"/>'
                )
        name, kind = plain(closure.name(path), 200), _kind(closure, path)
        short = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
        boxes.append(
            f'<g class="node {kind}"><title>{escape(f"{name}{_SAID[kind]}")}</title>'
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDE}" height="{_HIGH}" rx="4"/>'
            f'<text x="{x + _WIDE / 2:.0f}" y="{y + 17:.0f}" text-anchor="middle">'
            f"{_MARK[kind]}{escape(short)}</text></g>"
        )
    return (
        f'<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-labelledby="graph-title"><title id="graph-title">The build-time closure of '
        f"{escape(plain(closure.name(closure.root), 200))}</title>{''.join(lines)}{''.join(boxes)}</svg>"
    )


_SAID: Final = {"": "", "diverging": ": the first to diverge", "inherited": ": differs since an input does"}
_MARK: Final = {"": "", "diverging": "✗ ", "inherited": "~ "}


def _kind(closure: Closure, path: str) -> str:
    return "diverging" if path in closure.diverging else "inherited" if path in closure.inherited else ""
