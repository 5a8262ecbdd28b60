"""yarn.lock as yarn 1 writes it: what it pins.

https://classic.yarnpkg.com/lang/en/docs/yarn-lock/. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from orchestrator.dependencies.dependency import BadLock, Dependency, Ecosystem, Inside, Locked
from orchestrator.dependencies.node import hosted
from orchestrator.dependencies.node.entries import (
    addresses_of,
    checked,
    digest_of,
    file_of,
)
from orchestrator.dependencies.node.graph import Node, inside, linked
from orchestrator.dependencies.node.manifests import DEVELOPMENT, SHIPPED, Manifest, manifests, table
from orchestrator.dependencies.node.members import Member, wishes
from orchestrator.dependencies.node.yarn_lock import AGAIN, Entry, entries
from orchestrator.dependencies.tree import Tree

_FIRST: Final = re.compile(r"^# yarn lockfile v1\s*$", re.MULTILINE)
_LOCAL: Final = ("file:", "link:", "./", "../", "/", "~/")


def read(data: bytes, place: str, tree: Tree, folder: str, member: str | None = None) -> Locked:
    """What the lock pins. `folder` is the lock's own in `tree`, `member` the project's. Raises BadLock."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if not _FIRST.search(text):
        raise BadLock(place, 1, "it does not say `# yarn lockfile v1`", hint=AGAIN)
    listed = entries(text, place)
    lock = _Lock(listed, place)
    members = dict(_members(lock, manifests(tree, folder, place), place))
    nodes = {each.key: Node(each.shipped, None) for each in members.values()}
    nodes |= {each.patterns[0]: lock.node(each) for each in listed}
    own = wishes(members, folder, member, place)
    found = linked(nodes, own.asked, own.shipped, place)
    return Locked(Ecosystem.NPM, found, {"yarn": "1"}, inside(nodes, own.parts(tree, folder, place)))


def _members(lock: _Lock, own: Iterable[Manifest], place: str) -> Iterator[tuple[str, Member]]:
    """Each package of the project, by its folder. Raises BadLock where the lock has no answer."""
    workspaces = {each.name: _key(each.folder) for each in own}
    resolved = {name for each in own for name in _names_of_resolutions(each)}

    def keys(manifest: Manifest, kinds: Iterable[str]) -> Iterator[str]:
        for name, wanted in sorted(manifest.asked(kinds).items()):
            key = lock.answers.get(f"{name}@{wanted}")
            if key is not None:
                yield key
            elif name in resolved and name in lock.named:
                yield from lock.named[name]
            elif name in workspaces:
                yield workspaces[name]
            elif not wanted.startswith(_LOCAL):
                where = f"{manifest.folder}/package.json".lstrip("/")
                problem = (
                    f"it does not fit {where}, which asks for {name[:80]} {wanted[:80]}: it has no such entry"
                )
                raise BadLock(place, None, problem, hint="run `yarn install`, and commit yarn.lock")

    for each in own:
        asked = tuple(keys(each, (*SHIPPED, *DEVELOPMENT)))
        yield each.folder, Member(_key(each.folder), asked, tuple(keys(each, SHIPPED)))


def _key(folder: str) -> str:
    """Of a package of the project; a lock has no entry for it."""
    return f"workspace:{folder}"


def _names_of_resolutions(manifest: Manifest) -> Iterator[str]:
    """`resolutions` stand in for what is asked for: `a`, `a/b`, `**/@c/d`."""
    for path in table(manifest.values, "resolutions"):
        parts = path.split("/")
        yield "/".join(parts[-2:]) if len(parts) > 1 and parts[-2].startswith("@") else parts[-1]


class _Lock:
    def __init__(self, listed: Iterable[Entry], place: str) -> None:
        self.place = place
        self.answers: dict[str, str] = {}
        """What is asked for, to the key of the entry that answers."""
        self.named: dict[str, list[str]] = {}
        """The same by name alone."""
        for each in listed:
            for pattern in each.patterns:
                self.answers[pattern] = each.patterns[0]
            self.named.setdefault(_split(each.patterns[0])[0], []).append(each.patterns[0])

    def bad(self, entry: Entry, problem: str, hint: str | None = None) -> BadLock:
        return BadLock(self.place, entry.line, f"{entry.patterns[0][:200]}: {problem}", hint=hint or AGAIN)

    def node(self, entry: Entry) -> Node:
        found, below = self._found(entry), tuple(dict.fromkeys(self._needs(entry)))
        if isinstance(found, Dependency):
            return Node(below, found)
        return Node(below, None, found)

    def _needs(self, entry: Entry) -> Iterator[str]:
        optional = entry.needs.get("optionalDependencies", {})
        for name, wanted in {**entry.needs.get("dependencies", {}), **optional}.items():
            key = self.answers.get(f"{name}@{wanted}")
            if key is not None:
                yield key
            elif name in self.named:  # `resolutions` stand in for what is asked for
                yield from self.named[name]
            elif name not in optional:
                raise self.bad(entry, f"it needs {name[:80]} {wanted[:80]}, which the lock does not hold")

    def _found(self, entry: Entry) -> Dependency | Inside | None:
        bad = partial(self.bad, entry)
        resolved, integrity = entry.texts.get("resolved"), entry.texts.get("integrity")
        named = {_meant(pattern) for pattern in entry.patterns}
        local = any(_split(pattern)[1].startswith(_LOCAL) for pattern in entry.patterns)
        if len(named) != 1:
            raise bad("it is of more than one package")
        if local and resolved is None:
            return None
        name, version = checked(named.pop(), entry.texts.get("version"), bad)
        if local and resolved is not None and resolved.startswith(_LOCAL):
            path = resolved.removeprefix("file:")
            if path.startswith(("/", "~")) or ".." in path.split("/"):
                raise bad(f"its file {path[:80]!r} is outside the project", "have it in the project")
            return Inside(name, version)
        if resolved is None:
            raise bad("it has no address (`resolved`)")
        if hosted.is_git(resolved):
            return hosted.dependency(name, version, hosted.of_any(resolved, bad), entry.line)
        tree = hosted.of_archive(resolved) if integrity is None else None
        if tree is not None:
            return hosted.dependency(name, version, tree, entry.line)
        digest = digest_of(
            integrity, bad, "take the entry out of the lock, then `yarn install`: registries tell a sha512"
        )
        urls, registry = addresses_of(resolved, name, version, bad)
        return Dependency(name, version, file_of(name, version), digest, urls, registry, entry.line)


def _split(pattern: str) -> tuple[str, str]:
    """What is asked for as a name and a range; the name of a scope begins with @."""
    at = pattern.find("@", 1)
    return (pattern, "") if at < 0 else (pattern[:at], pattern[at + 1 :])


def _meant(pattern: str) -> str:
    """The package's own name: an alias is `NAME@npm:PACKAGE@RANGE`."""
    name, wanted = _split(pattern)
    return _split(wanted.removeprefix("npm:"))[0] if wanted.startswith("npm:") else name
