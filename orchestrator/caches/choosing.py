"""Which derivations of a graph every builder builds, and which store paths are believed. Pure.

1. What was asked for is rebuilt, always.
2. So are the closest N levels below it, and what a pattern names; and all that stands on one of these.
3. Of the inputs that are left, those are believed whose outputs a cache has with all that they refer to.
4. An input that no cache has is rebuilt, and its own inputs come to 3; so is one that refers to such a one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

from orchestrator.caches.believed import Beliefs, Believed
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import DerivationGraph, name_of

Ask = Callable[[Sequence[str]], Mapping[str, Believed]]
"""Takes store paths, and gives those that a cache has; the others, none has."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far down inputs are rebuilt."""

    levels: int = 0
    """So many levels below what was asked for."""
    patterns: tuple[str, ...] = ()
    """Of derivations' names, as `openssl-*`."""


ALL = Reach()
"""No level and no pattern: all is believed that a cache has."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is rebuilt and what is taken."""

    beliefs: Beliefs
    fixed: frozenset[str] = frozenset()
    """Store paths of fixed outputs that have to be there before anything is built."""


@dataclass
class _Search:
    graph: DerivationGraph
    ask: Ask
    rebuilt: set[str]
    sources: frozenset[str]
    seen: dict[str, Believed | None] = field(default_factory=dict)

    def needed(self) -> Mapping[str, str]:
        """Outputs that what is rebuilt uses and that nobody here builds, each with its derivation."""
        found: dict[str, str] = {}
        for path in self.reached():
            for below, names in self.graph[path].input_derivations.items():
                if below not in self.rebuilt and self.graph[below].fixed is None:
                    found.update((self.graph[below].outputs[name], below) for name in names)
        return found

    def reached(self) -> set[str]:
        """What is rebuilt, as far as what was asked for needs it."""
        found, queue = set(self.graph.roots), list(self.graph.roots)
        while queue:
            for below in self.graph[queue.pop()].input_derivations:
                if below in self.rebuilt and below not in found:
                    found.add(below)
                    queue.append(below)
        return found

    def learn(self, paths: Iterable[str]) -> None:
        """Ask of paths and of all that they refer to, a level at a time."""
        unknown = sorted(set(paths) - self.seen.keys())
        while unknown:
            found = self.ask(unknown)
            self.seen.update((path, found.get(path)) for path in unknown)
            references = {each for path in found for each in found[path].references}
            unknown = sorted(each for each in references - self.seen.keys() if self._is_asked(each))

    def _is_asked(self, path: str) -> bool:
        """Input sources were there before; outputs of what is rebuilt are not to come from elsewhere."""
        made_by = self.graph.by_output.get(path)
        return path not in self.sources and (made_by is None or made_by.path not in self.rebuilt)

    def within(self, path: str) -> set[str]:
        """A path and all that it refers to, as far as it is known."""
        found, queue = {path}, [path]
        while queue:
            told = self.seen.get(queue.pop())
            new = set(told.references if told else ()) - found
            found |= new
            queue += new
        return found


def choose(graph: DerivationGraph, requested: Sequence[str], reach: Reach, ask: Ask) -> Choice:
    """What is rebuilt and what is believed. Raises TallyError for a pattern that names nothing, and for a
    cache that has a path without one that it refers to.
    """
    whole = DerivationGraph(graph.derivations, tuple(requested))
    sources = frozenset(path for drv in graph.derivations.values() for path in drv.input_sources)
    search = _Search(whole, ask, set(_asked_for(whole, reach)), sources)
    while True:
        needed = search.needed()
        search.learn(needed)
        more = {drv for path, drv in needed.items() if search.seen[path] is None}
        more |= {
            drv for path, drv in needed.items() if _meets(search, search.within(path))
        }  # it refers to what is rebuilt
        if not more:
            break
        search.rebuilt |= more
    rebuilt = frozenset(search.reached())
    closure = {each for path in needed for each in search.within(path)}
    return _chosen(search, rebuilt, closure)


def _meets(search: _Search, closure: Iterable[str]) -> bool:
    made_by = (search.graph.by_output.get(path) for path in closure)
    return any(each is not None and each.path in search.rebuilt for each in made_by)


def _chosen(search: _Search, rebuilt: frozenset[str], closure: Iterable[str]) -> Choice:
    graph = search.graph
    taken: dict[str, Believed] = {}
    fixed: set[str] = set()
    for path in rebuilt:
        inputs = (graph[below].fixed for below in graph[path].input_derivations)
        fixed.update(each.path for each in inputs if each is not None)
    for path in sorted(closure):
        told = search.seen.get(path)
        made_by = graph.by_output.get(path)
        if made_by is not None and made_by.fixed is not None:
            fixed.add(path)  # its digest says what it is, whoever has it
        elif told is not None:
            taken[path] = told
        elif path not in search.sources:
            user = next(each for each in search.seen.values() if each is not None and path in each.references)
            raise TallyError(
                f"{user.path} cannot be taken from the cache {user.cache}: it refers to {path}, which no "
                "cache has",
                hint="the cache is not whole; leave it out of tally.toml, or rebuild with "
                f"--rebuild {name_of(user.path)}",
            )
    return Choice(Beliefs(taken, rebuilt), frozenset(fixed))


def _asked_for(graph: DerivationGraph, reach: Reach) -> Iterable[str]:
    """What is rebuilt whatever caches have: rules 1 and 2."""
    level, found = set(graph.roots), set(graph.roots)
    for _ in range(reach.levels):
        below = {path for drv in level for path in graph[drv].input_derivations} - found
        level = {path for path in below if graph[path].fixed is None}
        if not level:
            break
        found |= level
    for pattern in reach.patterns:
        named = {
            drv.path
            for drv in graph.derivations.values()
            if drv.fixed is None and fnmatchcase(drv.name, pattern)
        }
        if not named:
            names = sorted({drv.name for drv in graph.derivations.values() if drv.fixed is None})
            near = get_close_matches(pattern.strip("*"), names, n=3, cutoff=0.4)
            raise TallyError(
                f"no input has a name like {pattern!r}, so there is nothing to rebuild of that name",
                hint=(f"there is {', '.join(near)}; " if near else "")
                + "a pattern is of a whole name, as 'openssl-*'",
            )
        found |= named
    return _with_what_stands_on(graph, found)


def _with_what_stands_on(graph: DerivationGraph, named: set[str]) -> set[str]:
    found = set(named)
    for derivation in graph.in_build_order():
        if derivation.fixed is None and not found.isdisjoint(derivation.input_derivations):
            found.add(derivation.path)
    return found
