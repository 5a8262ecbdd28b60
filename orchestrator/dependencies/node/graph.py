"""From packages of a lock that name each other to dependencies: which are direct, which users get. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from orchestrator.dependencies.confusion import refuse_doubles
from orchestrator.dependencies.dependency import Dependency, Inside
from orchestrator.ground.values import replace


@dataclass(frozen=True, slots=True)
class Node:
    """One package of a lock."""

    below: tuple[str, ...]
    """Keys of what it needs."""
    dependency: Dependency | None
    """None for what is part of the project, as a member of a workspace is: nothing is fetched."""
    inside: Inside | None = None
    """A tarball of the project's own."""


def linked(
    nodes: Mapping[str, Node], asked: Iterable[str], shipped: Iterable[str], place: str
) -> tuple[Dependency, ...]:
    """Each dependency once, with its edges, by key. `place` is what messages call the lock.

    `asked` are keys of what the project asks for, `shipped` of those that its users get. Raises BadLock where
    one name and version has different bytes.
    """
    refuse_doubles((node.dependency for node in nodes.values() if node.dependency is not None), place)
    direct = reached(asked, lambda key: _below_part(nodes, key))
    of_users = reached(shipped, lambda key: nodes[key].below if key in nodes else ())
    found: dict[str, Dependency] = {}
    for key, node in nodes.items():
        if node.dependency is None:
            continue
        dependency = replace(
            node.dependency,
            direct=key in direct,
            shipped=key in of_users,
            needs=tuple(sorted({to for each in node.below if (to := _key(nodes, each)) is not None})),
        )
        known = found.get(dependency.key)
        found[dependency.key] = _both(known, dependency) if known is not None else dependency
    return tuple(
        replace(found[key], needs=tuple(each for each in found[key].needs if each != key))
        for key in sorted(found)
    )


def inside(nodes: Mapping[str, Node], parts: Iterable[Inside]) -> tuple[Inside, ...]:
    """What lies in the source as it would come from a registry, these parts too."""
    found = {each.inside for each in nodes.values() if each.inside is not None}
    return tuple(sorted(found.union(parts), key=str))


def _both(one: Dependency, other: Dependency) -> Dependency:
    """One file that a lock has under two keys, as pnpm has for other peers."""
    return replace(
        one,
        direct=one.direct or other.direct,
        shipped=one.shipped or other.shipped,
        needs=tuple(sorted({*one.needs, *other.needs})),
    )


def _key(nodes: Mapping[str, Node], key: str) -> str | None:
    node = nodes.get(key)
    return node.dependency.key if node is not None and node.dependency is not None else None


def _below_part(nodes: Mapping[str, Node], key: str) -> Iterable[str]:
    """What the project's parts ask for, it asks for itself."""
    node = nodes.get(key)
    return node.below if node is not None and node.dependency is None else ()


def reached(start: Iterable[str], below: Callable[[str], Iterable[str]]) -> frozenset[str]:
    """These keys, and all that `below` leads to from them."""
    found = set(start)
    left = list(found)
    while left:
        new = set(below(left.pop())) - found
        found |= new
        left.extend(new)
    return frozenset(found)
