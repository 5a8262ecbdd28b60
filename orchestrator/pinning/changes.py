"""What one lock pins that another pins otherwise: packages up, down, in and out of each toolchain. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from orchestrator.recipe.lock import DebianPackage, DebianSet, Lock, SourcePin
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.suites import Suite
from orchestrator.recipe.versions import ordered, same

Way = Literal["up", "down", "again", "in", "out"]
_WAYS: Final = ("up", "down", "again", "in", "out")


@dataclass(frozen=True, slots=True)
class Moved:
    """One package of a toolchain that is another now, new there, or gone."""

    way: Way
    """`again`: the same version with other bytes."""
    name: str
    old: DebianPackage | None
    new: DebianPackage | None
    closed: tuple[str, ...] = ()
    """The vulnerabilities that the old one has and the new one has not, as a security tracker says."""
    opened: tuple[str, ...] = ()
    """Those that the new one has and the old one has not."""

    @property
    def text(self) -> str:
        versions = " -> ".join(each.version for each in (self.old, self.new) if each is not None)
        told = [f"closes {', '.join(self.closed)}"] if self.closed else []
        told += [f"opens {', '.join(self.opened)}"] if self.opened else []
        return f"{self.way:5} {self.name} {versions}" + (f"; {'; '.join(told)}" if told else "")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What changed of the packages that some recipes, or the virtual machine, are given."""

    name: str
    """The list that it is resolved from, and its system."""
    users: tuple[str, ...]
    before: Suite | None
    """None: it was not locked before."""
    after: Suite | None
    """None: it is locked no more."""
    moved: tuple[Moved, ...]
    instead_of: str | None = None
    """What its place was taken of, where that is called otherwise."""

    @property
    def title(self) -> str:
        suites = " -> ".join(f"Debian {each}" for each in dict.fromkeys((self.before, self.after)) if each)
        users = f" ({', '.join(self.users)})" if self.users else ""
        state = ", new" if self.before is None else ", locked no more" if self.after is None else ""
        instead = f", instead of {self.instead_of}" if self.instead_of else ""
        return f"{self.name}, {suites}{users}{state}{instead}"


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that differs between two locks."""

    toolchains: tuple[Toolchain, ...]
    other: tuple[str, ...]
    """Sentences on what is no toolchain's package: sources, busybox, nixpkgs."""

    def lines(self) -> Iterator[str]:
        for each in self.toolchains:
            yield f"{each.title}: {_counted(each.moved)}"
            if each.before is not None and each.after is not None:
                yield from (f"  {moved.text}" for moved in each.moved)
        yield from self.other

    def document(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {"toolchains": [_document(each) for each in self.toolchains], "other": list(self.other)}


def changes(old: Lock, new: Lock, recipes: Mapping[str, Recipe]) -> Changes:
    """What changed from one lock to another. `recipes` say who uses which toolchain of the new one."""
    found = tuple(_toolchains(old, new, recipes))
    return Changes(
        found, (*_busyboxes(old, new), *_sources(old, new), *_containers(old, new), *_nixpkgs(old, new))
    )


def _toolchains(old: Lock, new: Lock, recipes: Mapping[str, Recipe]) -> Iterator[Toolchain]:
    before, after = _sets(old), _sets(new)
    gone = {key: before[key] for key in before if key not in after}
    same_change: dict[object, Toolchain] = {}
    for key, found in after.items():
        held_key = key if key in before else _nearest(key, found, gone)
        held = before.get(held_key) if held_key else None
        if held_key != key and held_key is not None:
            gone.pop(held_key)
        moved = tuple(_moved(_packages(old, held), _packages(new, found)))
        if not moved and held is not None and held_key == key:
            continue
        earlier_suite, earlier_name = (held_key[1], held_key[3]) if held_key else (None, None)
        instead = None if earlier_name == key[3] else earlier_name
        made = Toolchain(key[3], _users(key, new, recipes), earlier_suite, key[1], moved, instead)
        # recipes whose lists differ by what did not change are told of together
        shared = (key[0], made.before, made.after, moved) if held_key == key else key
        earlier = same_change.get(shared)
        same_change[shared] = _together(earlier, made) if earlier else made
    yield from same_change.values()
    for key, held in gone.items():
        yield Toolchain(key[3], (), key[1], None, tuple(_moved(_packages(old, held), {})))


_Key = tuple[str, Suite, tuple[str, ...], str]


def _sets(lock: Lock) -> dict[_Key, DebianSet]:
    """By system, suite, list and what it is called."""
    found: dict[_Key, DebianSet] = {}
    for each in lock.set:
        called = f"{', '.join(each.request) or 'base packages'} on {each.system}"
        found[each.system, lock.suite_of(each), each.request, called] = each
    for each in lock.machine:
        found[each.system, lock.suite_of(each), (), f"virtual machine on {each.system}"] = each
    return found


def _nearest(key: _Key, found: DebianSet, gone: Mapping[_Key, DebianSet]) -> _Key | None:
    """The set in whose place this one seems to have come: by its system, and what is asked for."""

    def shared(other: _Key) -> tuple[bool, int]:
        return other[2] == key[2], len(set(other[2]) & set(key[2]))

    machine = key[3].startswith("virtual")
    alike = [each for each in gone if each[0] == key[0] and each[3].startswith("virtual") == machine]
    best = max(alike, key=shared, default=None)
    return best if best is not None and any(shared(best)) else None


def _users(key: _Key, lock: Lock, recipes: Mapping[str, Recipe]) -> tuple[str, ...]:
    system, suite, request, called = key
    if called.startswith("virtual"):
        return ()
    return tuple(
        name
        for name, recipe in sorted(recipes.items())
        if recipe.toolchain.is_debians
        and system in recipe.systems
        and (recipe.toolchain.debian or lock.debian, tuple(sorted(recipe.toolchain.packages)))
        == (suite, request)
    )


def _together(one: Toolchain, other: Toolchain) -> Toolchain:
    return replace(one, name=f"{one.name}; {other.name}", users=(*one.users, *other.users))


def _packages(lock: Lock, found: DebianSet | None) -> Mapping[str, DebianPackage]:
    files = found.packages if found is not None else ()
    return {lock.packages[file].name: lock.packages[file] for file in files}


def _moved(old: Mapping[str, DebianPackage], new: Mapping[str, DebianPackage]) -> Iterator[Moved]:
    found = []
    for name in sorted(old.keys() | new.keys()):
        here, there = old.get(name), new.get(name)
        if here is None or there is None or here.sha256 != there.sha256:
            found.append(Moved(_way(here, there), name, here, there))
    yield from sorted(found, key=lambda each: _WAYS.index(each.way))


def _way(old: DebianPackage | None, new: DebianPackage | None) -> Way:
    if old is None or new is None:
        return "in" if old is None else "out"
    before, after = ordered("deb", old.version), ordered("deb", new.version)
    if same(before, after):
        return "again"
    return "up" if before < after else "down"


def _counted(moved: Iterable[Moved]) -> str:
    ways = [each.way for each in moved]
    return ", ".join(f"{ways.count(way)} {way}" for way in _WAYS if way in ways) or "the same packages"


def _busyboxes(old: Lock, new: Lock) -> Iterator[str]:
    for system in sorted({each.system for each in (*old.busybox, *new.busybox)}):
        before, after = old.busybox_for(system), new.busybox_for(system)
        if before != after:
            packages = [
                lock.packages[box.package].version for lock, box in ((old, before), (new, after)) if box
            ]
            yield f"busybox on {system}: {_told(packages, before, after)}"


def _sources(old: Lock, new: Lock) -> Iterator[str]:
    for recipe in sorted(old.source.keys() | new.source.keys()):
        before, after = old.source.get(recipe, {}), new.source.get(recipe, {})
        for name in sorted(before.keys() | after.keys()):
            one, two = before.get(name), after.get(name)
            if one != two:
                pins = [_pin(each) for each in (one, two) if each is not None]
                yield f"{recipe}: source {name}: {_told(pins, one, two)}"


def _pin(pin: SourcePin) -> str:
    return f"{pin.kind} {pin.rev or pin.digest}"


def _containers(old: Lock, new: Lock) -> Iterator[str]:
    before = {(each.image, each.system): each for each in old.container}
    after = {(each.image, each.system): each for each in new.container}
    for image, system in sorted(before.keys() | after.keys()):
        one, two = before.get((image, system)), after.get((image, system))
        if one != two:
            yield f"the image {image} on {system}: " + (
                "in" if one is None else "out" if two is None else "changed"
            )


def _nixpkgs(old: Lock, new: Lock) -> Iterator[str]:
    if old.nixpkgs != new.nixpkgs:
        nodes = [each.nixpkgs.model_dump() for each in (old, new) if each.nixpkgs is not None]
        pins = [str(node.get("rev") or node.get("narHash") or node["type"]) for node in nodes]
        yield f"nixpkgs: {_told(pins, old.nixpkgs, new.nixpkgs)}"


def _told(pins: list[str], before: object, after: object) -> str:
    state = "in " if before is None else "out " if after is None else ""
    return state + " -> ".join(pins)


def _document(found: Toolchain) -> dict[str, Any]:
    return {
        "toolchain": found.name,
        "instead_of": found.instead_of,
        "recipes": list(found.users),
        "before": str(found.before) if found.before else None,
        "after": str(found.after) if found.after else None,
        "packages": [
            {
                "change": each.way,
                "name": each.name,
                "before": each.old.version if each.old else None,
                "after": each.new.version if each.new else None,
                "closed": list(each.closed),
                "opened": list(each.opened),
            }
            for each in found.moved
        ],
    }
