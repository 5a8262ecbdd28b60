"""pnpm-lock.yaml, lockfileVersion 9.0: what it pins. Pure.

https://github.com/pnpm/spec/blob/master/lockfile/9.0.md. pnpm 11 has a document before it, of what pnpm is
set up with: packages with settings (`configDependencies`), and pnpm itself, which is the recipe's to say.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from orchestrator.dependencies import yamlfile
from orchestrator.dependencies.dependency import BadLock, Dependency, Ecosystem, Inside, Locked
from orchestrator.dependencies.node import hosted
from orchestrator.dependencies.node.entries import (
    MOST,
    addresses_of,
    checked,
    digest_of,
    file_of,
    fits,
)
from orchestrator.dependencies.node.graph import Node, inside, linked
from orchestrator.dependencies.node.manifests import DEVELOPMENT, FILE, SHIPPED, manifest
from orchestrator.dependencies.node.members import Member, wishes
from orchestrator.dependencies.tree import Tree
from orchestrator.dependencies.yamlfile import YamlFile
from orchestrator.ground.values import replace

_AGAIN: Final = "write it again with pnpm 9 or later: `pnpm install --lockfile-only`"
_VERSION: Final = "9.0"
_START, _BETWEEN = b"---\n", b"\n---\n"
_SETTINGS: Final = "configDependencies"


def read(data: bytes, place: str, tree: Tree, folder: str, system: str, member: str | None = None) -> Locked:
    """What the lock pins for one system. Raises BadLock.

    `folder` is the lock's own in `tree`, `member` that of the project; None: all members are.
    """
    before, text = _documents(data)
    if before and not text.strip():
        raise BadLock(place, 1, "it has what pnpm is set up with, and no lock behind that", hint=_AGAIN)
    nodes, first = _set_up(_file(before, place), system) if before else ({}, [])
    lock = _Lock(_file(text, place), system)
    for importer, held in lock.file.tables("importers").items():
        _check_manifest(lock, tree, folder, importer, held)
    nodes |= {key: lock.node(key, each) for key, each in lock.snapshots.items()}
    members = {each: lock.member(each, told) for each, told in lock.file.tables("importers").items()}
    nodes |= {each.key: Node(each.shipped, None) for each in members.values()}
    own = wishes(members, folder, member, place)
    found = linked(nodes, [*(first if member is None else ()), *own.asked], own.shipped, place)
    return Locked(Ecosystem.NPM, found, {"pnpm": "1"}, inside(nodes, own.parts(tree, folder, place)))


def _documents(data: bytes) -> tuple[bytes, bytes]:
    """What stands before the lock, or nothing, and the lock, on its lines: pnpm's `yamlDocuments.ts`."""
    text = data.replace(b"\r\n", b"\n")
    before, between, own = text.partition(_BETWEEN)
    if not between or not text.startswith(_START):
        return b"", data
    return before, b"\n" * (before.count(b"\n") + 2) + own


def _file(data: bytes, place: str) -> YamlFile:
    file = yamlfile.read(data, place, _AGAIN)
    version = file.values.get("lockfileVersion")
    if version != _VERSION:
        told = (
            "it has no lockfileVersion" if version is None else f"its lockfileVersion is {str(version)[:20]}"
        )
        raise file.bad(file.lines.get(("lockfileVersion", "")) or 1, f"{told}, and {_VERSION} is read")
    return file


def _set_up(file: YamlFile, system: str) -> tuple[dict[str, Node], list[str]]:
    """Packages that pnpm has settings from, by keys that are no others', and those that are asked for."""
    lock = _Lock(file, system)
    nodes: dict[str, Node] = {}
    importers = lock.file.tables("importers").items()
    asked = [key for each, told in importers for key in lock.keys(each, told, [_SETTINGS])]
    left = [*asked]
    while left:
        key = left.pop()
        if key not in nodes and key in lock.snapshots:  # else it is a part of the project
            nodes[key] = lock.node(key, lock.snapshots[key])
            left += nodes[key].below

    def own(key: str) -> str:
        return f"{_SETTINGS}:{key}"

    placed = {own(key): replace(each, below=tuple(map(own, each.below))) for key, each in nodes.items()}
    return placed, [own(key) for key in asked]


def _check_manifest(lock: _Lock, tree: Tree, folder: str, importer: str, told: Mapping[str, Any]) -> None:
    """That the lock was written for what package.json asks for. Raises BadLock."""
    where = posixpath.normpath(posixpath.join(folder, importer))
    line = lock.file.lines.get(("importers", importer))
    if where.startswith(("..", "/")):
        raise lock.file.bad(line, f"{importer[:200]} is outside of the source")
    own = manifest(tree.read(posixpath.join(where, FILE).removeprefix("./")), lock.file.place, importer)
    for kind in (*SHIPPED, *DEVELOPMENT):
        held = _table(told, kind)
        asked = own.asked([kind])
        for name, wanted in sorted(asked.items()):
            if kind != SHIPPED[1] and name in own.asked([SHIPPED[1]]):
                continue  # it counts as optional
            if kind in DEVELOPMENT and name in own.asked(SHIPPED):
                continue  # it counts as shipped
            specifier = _table(held, name).get("specifier", "nothing")
            if specifier != wanted and name not in lock.overridden:
                file = posixpath.normpath(posixpath.join(importer, FILE))
                problem = (
                    f"it does not fit {file}, which asks for {name[:80]} {wanted[:80]} in {kind}: "
                    f"the lock has {str(specifier)[:80]}"
                )
                raise lock.file.bad(line, problem, hint="run `pnpm install --lockfile-only`")


class _Lock:
    def __init__(self, file: YamlFile, system: str) -> None:
        self.file, self.system = file, system
        self.packages, self.snapshots = file.tables("packages"), file.tables("snapshots")
        if len(self.packages) > MOST:
            raise file.bad(None, f"it has more than {MOST:,} packages", hint="is it a lock file?")
        overrides = file.values.get("overrides")
        names = (each.rpartition(">")[2] for each in (overrides if isinstance(overrides, dict) else ()))
        self.overridden = {each[:1] + each[1:].partition("@")[0] for each in names}

    def bad(self, key: str, problem: str, hint: str | None = None) -> BadLock:
        return self.file.bad(self.file.lines.get(("packages", key)), f"{key[:200]}: {problem}", hint)

    def member(self, importer: str, told: Mapping[str, Any]) -> Member:
        asked = tuple(self.keys(importer, told, (*SHIPPED, *DEVELOPMENT)))
        return Member(_link(importer), asked, tuple(self.keys(importer, told, SHIPPED)))

    def keys(self, importer: str, told: Mapping[str, Any], kinds: Iterable[str]) -> Iterator[str]:
        """Of what a package of the project asks for."""
        for kind in kinds:
            for name, each in _table(told, kind).items():
                version = each.get("version") if isinstance(each, dict) else None
                yield from self._key(name, version, importer)

    def node(self, key: str, told: Mapping[str, Any]) -> Node:
        below = [
            to
            for kind in ("dependencies", "optionalDependencies")
            for name, version in _table(told, kind).items()
            for to in self._key(name, version)
        ]
        package = key.partition("(")[0]
        if package not in self.packages:
            line = self.file.lines.get(("snapshots", key))
            raise self.file.bad(line, f"{key[:200]}: it is not among its `packages`")
        entry = self.packages[package]
        if told.get("optional") == "true" and not fits(entry, self.system):
            return Node((), None)
        found = self._found(package, entry)
        if isinstance(found, Dependency):
            return Node(tuple(below), found)
        return Node(tuple(below), None, found)

    def _key(self, name: str, version: Any, importer: str = ".") -> Iterator[str]:
        """As pnpm has it: `refToRelative` of @pnpm/dependency-path; of a link, that of a part."""
        if not isinstance(version, str):
            raise self.file.bad(None, f"{name[:200]}: its version is no text")
        if version.startswith("link:"):
            yield _link(posixpath.join(importer, version.removeprefix("link:")))
            return
        at = version.find("@", 1) if version.startswith("@") else version.find("@")
        colon, bracket = version.find(":"), version.find("(")
        whole = at >= 0 and (colon < 0 or at < colon) and (bracket < 0 or at < bracket)
        key = version if whole or version.startswith("@") else f"{name}@{version}"
        if key not in self.snapshots:
            raise self.file.bad(None, f"{key[:200]} is needed, and not among its `snapshots`")
        yield key

    def _found(self, key: str, entry: Mapping[str, Any]) -> Dependency | Inside | None:
        bad = partial(self.bad, key)
        resolution = _table(entry, "resolution")
        at = key.find("@", 1)
        name, told = (key, "") if at < 0 else (key[:at], key[at + 1 :])
        if resolution.get("type") == "directory":
            return None
        name, version = checked(entry.get("name", name), entry.get("version", told), bad)
        tarball = resolution.get("tarball")
        if isinstance(tarball, str) and tarball.startswith("file:"):
            path = tarball.removeprefix("file:")
            if path.startswith(("/", "~")) or ".." in path.split("/"):
                raise bad(f"its file {path[:80]!r} is outside the project", "have it in the project")
            return Inside(name, version)
        line = self.file.lines.get(("packages", key), 1)
        if resolution.get("type") == "git" or "repo" in resolution:
            if resolution.get("path") not in (None, "", "/"):
                hint = "depend on a release of it in a registry, or have its tarball in the project"
                raise bad(f"it is a folder of a repository: {str(resolution['path'])[:80]}", hint)
            repository = str(resolution.get("repo")).removeprefix("git+")
            whole = f"git+{repository}#{resolution.get('commit')}"
            return hosted.dependency(name, version, hosted.of_repository(whole, bad), line)
        integrity = resolution.get("integrity")
        tree = hosted.of_archive(tarball) if integrity is None and isinstance(tarball, str) else None
        if tree is not None:
            return hosted.dependency(name, version, tree, line)
        digest = digest_of(integrity, bad, _AGAIN)
        urls, registry = addresses_of(tarball, name, version, bad)
        return Dependency(name, version, file_of(name, version), digest, urls, registry, line)


def _link(folder: str) -> str:
    """The key of a part of the project; nothing else is called so."""
    return f"link:{posixpath.normpath(folder)}"


def _table(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = told.get(key)
    return found if isinstance(found, dict) else {}
