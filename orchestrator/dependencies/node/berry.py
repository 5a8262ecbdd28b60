"""yarn.lock as yarn 2, 3 and 4 write it: what it pins. Pure.

Its checksums are of archives that yarn makes of packages, which are made again here.
https://yarnpkg.com/configuration/yarnrc (compressionLevel, cacheMigrationMode); @yarnpkg/core's `Project.ts`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from orchestrator.dependencies import yamlfile
from orchestrator.dependencies.dependency import (
    BadLock,
    Dependency,
    Ecosystem,
    Inside,
    Locked,
    Unhashed,
    YarnHash,
)
from orchestrator.dependencies.node import hosted
from orchestrator.dependencies.node.berry_form import form_of
from orchestrator.dependencies.node.entries import (
    MIRROR,
    MOST,
    checked,
    file_of,
    fits,
    usual_address,
)
from orchestrator.dependencies.node.graph import Node, inside, linked
from orchestrator.dependencies.node.manifests import DEVELOPMENT, FILE, SHIPPED, manifest
from orchestrator.dependencies.node.members import Member, wishes
from orchestrator.dependencies.tree import Tree
from orchestrator.dependencies.yamlfile import YamlFile

_AGAIN: Final = "write it again with yarn 4 or later: `yarn install --mode=update-lockfile`"
_OUT: Final = "write a lock of npm's beside it, and name that: `npm install --package-lock-only`"
_PACKED: Final = (
    "depend on a release of it in a registry, or have its tarball in the project: `yarn pack` in a clone at "
    "that commit, and `file:` in package.json"
)
_COMMIT: Final = re.compile(r"#(?:.*&)?commit=")
_TARBALLS: Final = (".tgz", ".tar.gz")
_CHECKSUM: Final = re.compile(r"(?:([^/]+)/)?([0-9a-f]{128})")
"""The form of the archive, in locks of yarn 4, and the sha512."""
_METADATA: Final = "__metadata"


def read(data: bytes, place: str, tree: Tree, folder: str, system: str, member: str | None = None) -> Locked:
    """What the lock pins for one system. Raises BadLock.

    `folder` is the lock's own in `tree`, `member` that of the project; None: all members are.
    """
    file = yamlfile.read(data, place, _AGAIN)
    key = file.table(_METADATA).get("cacheKey")
    if not isinstance(key, str) or form_of(key) is None:
        told = f"its checksums are of archives of the form {str(key)[:20]!r}, and 7, 8 and 10 are known"
        hint = "write it again with yarn 4, with no compressionLevel in .yarnrc.yml; or " + _OUT
        raise file.bad(file.lines.get((_METADATA, "")) or 1, told, hint)
    lock = _Lock(file, key, system)
    members, nodes = dict[str, Member](), dict[str, Node]()
    for each in lock.entries.values():
        if each.workspace is None:
            nodes[each.key] = lock.node(each)
            continue
        names = _checked_manifest(lock, each, tree, folder)
        below = list(lock.needs(each))
        shipped = tuple(to for name, to in below if name in names)
        members[each.workspace] = Member(each.key, tuple(to for _, to in below), shipped)
        nodes[each.key] = Node(shipped, None)
    own = wishes(members, folder, member, place)
    found = linked(nodes, own.asked, own.shipped, place)
    return Locked(Ecosystem.NPM, found, {"berry": "1"}, inside(nodes, own.parts(tree, folder, place)))


def _checked_manifest(lock: _Lock, entry: _Entry, tree: Tree, folder: str) -> frozenset[str]:
    """The names that a workspace's users get. Raises BadLock where its package.json asks for more."""
    path = entry.workspace or "."
    where = posixpath.normpath(posixpath.join(folder, path))
    if where.startswith(("..", "/")):
        raise lock.bad(entry, "it is outside of the source")
    own = manifest(tree.read(posixpath.normpath(posixpath.join(where, FILE))), lock.file.place, path)
    held = _texts(entry.told.get("dependencies"))
    for name, wanted in sorted(own.asked((*DEVELOPMENT, *SHIPPED)).items()):
        if name not in held or (":" not in wanted and held[name] not in (wanted, f"npm:{wanted}")):
            at = posixpath.normpath(posixpath.join(path, FILE))
            problem = (
                f"it does not fit {at}, which asks for {name[:80]} {wanted[:80]}: "
                f"the lock has {held.get(name, 'nothing')[:80]}"
            )
            raise lock.bad(entry, problem, "run `yarn install`, and commit yarn.lock")
    return frozenset(own.asked(SHIPPED))


class _Entry:
    """One entry: `key` is its resolution, `NAME@PROTOCOL:REST`."""

    def __init__(self, patterns: str, told: Mapping[str, Any]) -> None:
        self.patterns, self.told = patterns, told
        self.key = str(told.get("resolution", patterns))
        at = self.key.find("@", 1)
        self.name, self.rest = (self.key, "") if at < 0 else (self.key[:at], self.key[at + 1 :])

    @property
    def workspace(self) -> str | None:
        """The folder of a part of the project."""
        return self.rest.removeprefix("workspace:") if self.rest.startswith("workspace:") else None

    @property
    def patched(self) -> str | None:
        """The resolution of what a patch is of."""
        if not self.rest.startswith("patch:"):
            return None
        return unquote(self.rest.removeprefix("patch:").partition("#")[0])


class _Lock:
    def __init__(self, file: YamlFile, form: str, system: str) -> None:
        self.file, self.form, self.system = file, form, system
        self.entries: dict[str, _Entry] = {}
        self.answers: dict[str, str] = {}
        """What is asked for, to the key of the entry that answers."""
        self.named: dict[str, list[str]] = {}
        """Keys by name alone."""
        for patterns, told in file.values.items():
            if patterns == _METADATA:
                continue
            if not isinstance(told, dict):
                raise file.bad(file.lines.get((patterns, "")), f"{patterns[:200]}: it is no table")
            entry = _Entry(patterns, told)
            if entry.key in self.entries:
                raise self.bad(entry, "its resolution stands there already")
            self.entries[entry.key] = entry
            if entry.patched is None:
                self.named.setdefault(entry.name, []).append(entry.key)
            for pattern in patterns.split(", "):
                self.answers[pattern] = entry.patched or entry.key
        if len(self.entries) > MOST:
            raise file.bad(None, f"it has more than {MOST:,} packages", hint="is it a lock file?")

    def bad(self, entry: _Entry, problem: str, hint: str | None = None) -> BadLock:
        line = self.file.lines.get((entry.patterns, ""))
        return self.file.bad(line, f"{entry.patterns[:200]}: {problem}", hint)

    def node(self, entry: _Entry) -> Node:
        if entry.rest.startswith(("patch:", "link:", "portal:")):
            if entry.patched is not None and entry.patched not in self.entries:
                raise self.bad(entry, f"it is a patch of {entry.patched[:80]}, which the lock does not hold")
            return Node(tuple(to for _, to in self.needs(entry)), None)
        if entry.rest.startswith("file:"):
            return Node(tuple(to for _, to in self.needs(entry)), None, self._inside(entry))
        if not self._fits(entry):
            return Node((), None)
        return Node(tuple(to for _, to in self.needs(entry)), self._dependency(entry))

    def needs(self, entry: _Entry) -> Iterator[tuple[str, str]]:
        optional = entry.told.get("dependenciesMeta")
        for name, wanted in _texts(entry.told.get("dependencies")).items():
            # before yarn 4 a lock leaves `npm:` out where it says what a package needs
            key = self.answers.get(f"{name}@{wanted}") or self.answers.get(f"{name}@npm:{wanted}")
            if key is not None:
                yield name, key
                continue
            if name in self.named:  # `resolutions` stand in for what is asked for
                yield from ((name, each) for each in self.named[name])
            elif not (isinstance(optional, dict) and name in optional):
                raise self.bad(entry, f"it needs {name[:80]} {wanted[:80]}, which the lock does not hold")

    def _fits(self, entry: _Entry) -> bool:
        """`conditions` are as `os=linux & cpu=x64`; each may be one of several: `(os=linux | os=darwin)`."""
        told: dict[str, list[str]] = {}
        text = entry.told.get("conditions")
        for each in re.findall(r"(os|cpu|libc)=([\w!.-]+)", text) if isinstance(text, str) else ():
            told.setdefault(each[0], []).append(each[1])
        return fits(told, self.system)

    def _inside(self, entry: _Entry) -> Inside | None:
        """A tarball of the project; None: a folder of it."""
        bad = partial(self.bad, entry)
        path = entry.rest.removeprefix("file:").partition("#")[0].partition("::")[0]
        if path.startswith(("/", "~")) or ".." in path.split("/"):
            raise bad(f"its file {path[:80]!r} is outside the project", "have it in the project")
        if not path.endswith(_TARBALLS):
            return None
        return Inside(*checked(entry.name, entry.told.get("version"), bad))

    def _dependency(self, entry: _Entry) -> Dependency:
        bad = partial(self.bad, entry)
        if hosted.is_git(entry.rest) or _COMMIT.search(entry.rest):
            raise bad(
                "it is out of a git repository, where yarn packs it by its own scripts to hash it", _PACKED
            )
        protocol, _, version = entry.rest.partition(":")
        if protocol != "npm" or "::" in version:
            raise bad("it is not from a registry, where yarn asks within the build", _OUT)
        name, version = checked(entry.name, version, bad)
        digest = self._digest(entry, f"{name}@{version}")
        return Dependency(
            name,
            version,
            file_of(name, version),
            digest,
            (usual_address(name, version),),
            MIRROR,
            self.file.lines.get((entry.patterns, ""), 1),
        )

    def _digest(self, entry: _Entry, named: str) -> YarnHash | Unhashed:
        checksum = entry.told.get("checksum")
        if checksum is None and "conditions" in entry.told:  # not every machine has it to hash
            return Unhashed(named)
        if checksum is None:
            raise self.bad(entry, "it has no checksum, so nothing tells which bytes are meant")
        found = _CHECKSUM.fullmatch(checksum) if isinstance(checksum, str) else None
        if found is None or form_of(found[1] or self.form) is None:
            raise self.bad(entry, f"its checksum {str(checksum)[:40]!r} is not of the form {self.form}")
        return YarnHash(f"{found[1] or self.form}/{found[2]}")


def _texts(told: Any) -> Mapping[str, str]:
    listed: Iterable[tuple[str, Any]] = told.items() if isinstance(told, dict) else ()
    return {name: each for name, each in listed if isinstance(each, str)}
