"""package-lock.json and npm-shrinkwrap.json, lockfileVersion 2 and 3. Pure.

Format: https://docs.npmjs.com/cli/configuring-npm/package-lock-json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from orchestrator.dependencies.confusion import refuse_doubles
from orchestrator.dependencies.dependency import (
    BadLock,
    Dependency,
    Ecosystem,
    Inside,
    Locked,
)
from orchestrator.dependencies.node import hosted
from orchestrator.dependencies.node.entries import (
    MOST,
    addresses_of,
    checked,
    digest_of,
    file_of,
    fits,
)
from orchestrator.dependencies.node.graph import reached
from orchestrator.dependencies.node.members import Member, Wishes, wishes
from orchestrator.dependencies.tree import Tree
from orchestrator.ground.values import replace

_FOLDER: Final = "node_modules/"
_DEEPEST: Final = 200
"""Folders of a place."""
_VERSIONS: Final = (2, 3)
_REGENERATE: Final = "write the lock again with `npm install --package-lock-only`"
_NEEDED: Final = ("dependencies", "optionalDependencies", "peerDependencies")
_DIRECT: Final = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def read(data: bytes, place: str, tree: Tree, folder: str, system: str, member: str | None = None) -> Locked:
    """What the lock pins for one system. Raises BadLock.

    `folder` is the lock's own in `tree`, `member` that of the project; None: all members are.
    """
    lock = _Lock(data, place, system)
    beside = f"{folder}/" if folder else ""
    if (taken := tree.read(f"{beside}npm-shrinkwrap.json")) is not None and taken != data:
        raise BadLock(
            place,
            None,
            "npm takes the npm-shrinkwrap.json that is beside it in its place",
            hint="name that one as the lock, or remove it",
        )
    lock.check_manifest(tree.read(f"{beside}package.json"))
    own = wishes(lock.members(member is None), folder, member, place)
    found = tuple(lock.dependencies(own, whole=member is None))
    refuse_doubles(found, place)
    inside = {*lock.inside.get("", ()), *own.parts(tree, folder, place)}
    listed = tuple(sorted(found, key=lambda each: each.key))
    return Locked(Ecosystem.NPM, listed, {}, tuple(sorted(inside, key=str)))


class _Lock:
    def __init__(self, data: bytes, place: str, system: str) -> None:
        self.place, self.system = place, system
        self.text = data.decode("utf-8", "replace")
        try:
            self.top = json.loads(data)
        except json.JSONDecodeError as error:
            raise BadLock(place, error.lineno, f"it is not JSON: {error.msg}", hint=_REGENERATE) from error
        except (ValueError, RecursionError) as error:
            problem = (
                "its JSON is nested too deeply" if isinstance(error, RecursionError) else "it is not JSON"
            )
            raise BadLock(place, None, problem, hint=_REGENERATE) from error
        if not isinstance(self.top, dict):
            raise BadLock(place, 1, "it is no JSON object", hint=_REGENERATE)
        version = self.top.get("lockfileVersion")
        if version not in _VERSIONS or isinstance(version, bool):
            raise BadLock(
                place,
                self._line_of("lockfileVersion") or 1,
                "it has no lockfileVersion"
                if version is None
                else f"its lockfileVersion is {str(version)[:20]}, and 2 and 3 are read",
                hint="write it again with npm 7 or later: `npm install --package-lock-only`",
            )
        packages = self.top.get("packages")
        if not isinstance(packages, dict):
            raise BadLock(place, self._line_of("packages") or 1, "it has no `packages`", hint=_REGENERATE)
        if len(packages) > MOST:
            raise BadLock(place, None, f"it has more than {MOST:,} packages", hint="is it a lock file?")
        self.packages: dict[str, Any] = packages
        self.lines = _lines(self.text, packages)
        for at, entry in packages.items():
            if not isinstance(entry, dict):
                raise self.bad(at, "it is no object")
            parts = at.split("/", _DEEPEST)
            if len(parts) > _DEEPEST:
                raise self.bad(at, f"it lies more than {_DEEPEST} folders deep")
            if at.startswith("/") or ".." in parts or "\\" in at or not at.isprintable():
                raise self.bad(at, "its path leads out of the project")

        self.inside = self._inside()
        """By its place, what the file of a package holds; by an empty one, what the source does."""

    def _line_of(self, key: str) -> int | None:
        found = re.search(rf'"{re.escape(key)}"\s*:', self.text)
        return self.text.count("\n", 0, found.start()) + 1 if found else None

    def bad(self, at: str, problem: str, hint: str | None = None) -> BadLock:
        shown = at[:200] or "the project"
        return BadLock(self.place, self.lines.get(at), f"{shown}: {problem}", hint=hint or _REGENERATE)

    def check_manifest(self, data: bytes | None) -> None:
        """That the lock was written for what package.json asks for; `npm ci` refuses it else."""
        root = self.packages.get("", {})
        if data is None:
            raise self.bad("", "there is no package.json beside it", hint="see `lock` in the recipe")
        try:
            manifest = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BadLock(self.place, None, "package.json beside it is not JSON", hint="mend it") from error
        if not isinstance(manifest, dict):
            raise BadLock(self.place, None, "package.json beside it is no object", hint="mend it")
        optional = _table(manifest, "optionalDependencies")
        for kind in ("dependencies", "devDependencies", "optionalDependencies"):
            asked, locked = dict(_table(manifest, kind)), dict(_table(root, kind))
            if kind == "dependencies":  # npm takes what is in both for optional
                asked = {name: of for name, of in asked.items() if name not in optional}
                locked = {name: of for name, of in locked.items() if name not in optional}
            if kind == "devDependencies" and not locked:
                continue  # as in a lock that is published with its package
            for name in sorted(asked.keys() | locked.keys()):
                if asked.get(name) != locked.get(name):
                    told, held = asked.get(name, "nothing"), locked.get(name, "nothing")
                    raise self.bad(
                        "",
                        f"it does not fit package.json, which asks for {name[:80]} {str(told)[:80]} in "
                        f"{kind}: the lock has {str(held)[:80]}",
                    )

    def members(self, as_flagged: bool) -> Mapping[str, Member]:
        """Each package of the project; `as_flagged`: users get nothing of what is there for development."""
        found = {}
        for at, entry in self.packages.items():
            if _FOLDER in at or entry.get("link") is True:
                continue
            asked = self._placed(at, (name for kind in _DIRECT for name in _table(entry, kind)))
            of_users = self._of_users(at) if not as_flagged or entry.get("dev") is not True else ()
            found[at] = Member(at, tuple(asked), tuple(of_users))
        return found

    def dependencies(self, own: Wishes, whole: bool) -> Iterator[Dependency]:
        """What the lock pins. `whole`: the project is all of it, as `dev` of each says."""
        self._refuse_taken_from_within()
        direct = reached(own.asked, lambda at: self._of_users(at) if _FOLDER not in at else ())
        shipped = reached(own.shipped, self._of_users)  # whatever `dev` says of it
        kept = {at: each for at, entry in self.packages.items() if (each := self._kept(at, entry))}
        keys = {at: f"{name}@{version} at {at}" for at, (name, version) in kept.items()}
        for at, (name, version) in kept.items():
            entry = self.packages[at]
            needs = {keys[to] for to in self._needs(at, entry) if to in keys and to != at}
            found = self._tree(at, entry, name, version) or self._tarball(at, entry, name, version)
            yield replace(
                found,
                direct=at in direct,
                shipped=at in shipped or (whole and entry.get("dev") is not True),
                needs=tuple(sorted(needs)),
                place=at,
                inside=tuple(sorted(self.inside.get(at, ()), key=str)),
            )

    def _kept(self, at: str, entry: Mapping[str, Any]) -> tuple[str, str] | None:
        """Name and version of what is fetched; None for what is in the project, or in another package."""
        if entry.get("link") is True:
            self._check_link(at, entry)
            return None
        if _FOLDER not in at or self._holder(at) is not None:
            return None
        if entry.get("optional") is True and not fits(entry, self.system):
            return None  # `npm ci` leaves it out, too
        return self._named(at, entry)

    def _refuse_taken_from_within(self) -> None:
        """Raises BadLock where npm takes what another package's file has, whatever the lock pins.

        `getBundler` of @npmcli/arborist: what is listed, what lies in that or is needed by it and lies beside
        it. npm writes `inBundle` of each; without it a lock names bytes that are not installed.
        """
        within: dict[str, list[str]] = {}
        for at in self.packages:
            within.setdefault(_holding(at), []).append(at)
        left = [at for at, entry in self.packages.items() if entry.get("inBundle") is True]
        for at, entry in self.packages.items():
            listed = entry.get("bundleDependencies") if _FOLDER in at else None
            names = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
            left += [to for name in names if (to := f"{at}/{_FOLDER}{name}") in self.packages]
        taken: set[str] = set()
        while left:
            at = left.pop()
            holder = _holding(at)
            if at in taken or _FOLDER not in holder:  # what the project bundles itself is fetched first
                continue
            taken.add(at)
            if self.packages[at].get("inBundle") is not True:
                top = holder
                while self.packages.get(top, {}).get("inBundle") is True:
                    top = _holding(top)
                said = f"npm takes what the file of {top[:200]} has of it, and the lock pins something else"
                raise self.bad(at, said)
            needed = self._needs(at, self.packages[at])
            left += [*within.get(at, ()), *(to for to in needed if _holding(to) == holder)]

    def _named(self, at: str, entry: Mapping[str, Any]) -> tuple[str, str]:
        name = entry.get("name") or at.rpartition(_FOLDER)[2]
        return checked(name, entry.get("version"), partial(self.bad, at))

    def _check_within(self, at: str, entry: Mapping[str, Any]) -> None:
        """A tarball of the project, of which npm compares the integrity."""
        path = str(entry.get("resolved")).removeprefix("file:")
        if path.startswith(("/", "~")) or "\\" in path or ".." in path.split("/"):
            raise self.bad(at, f"its file {path[:80]!r} is outside the project", "have it in the project")
        digest_of(entry.get("integrity"), partial(self.bad, at), "`npm install` writes it")

    def _inside(self) -> Mapping[str, set[Inside]]:
        found: dict[str, set[Inside]] = {}
        for at, entry in self.packages.items():
            holder = self._holder(at) if _FOLDER in at and entry.get("link") is not True else None
            if holder is not None:
                if not holder:
                    self._check_within(at, entry)
                found.setdefault(holder, set()).add(Inside(*self._named(at, entry)))
        return found

    def _holder(self, at: str) -> str | None:
        """Where the package is in whose file this one lies, empty for the source; None: it is fetched."""
        entry = self.packages[at]
        if str(entry.get("resolved")).startswith("file:"):
            return ""
        while entry.get("inBundle") is True:
            at = at.rpartition(f"/{_FOLDER}")[0]
            entry = self.packages.get(at, {})
            if _FOLDER not in at:  # what the project bundles itself is fetched first
                return None
            if entry.get("inBundle") is not True:
                return at
        return None

    def _check_link(self, at: str, entry: Mapping[str, Any]) -> None:
        to = entry.get("resolved")
        if not isinstance(to, str) or to.startswith("/") or ".." in to.split("/"):
            raise self.bad(at, f"it is a link to {str(to)[:80]!r}, which is outside the project")

    def _tarball(self, at: str, entry: Mapping[str, Any], name: str, version: str) -> Dependency:
        digest = digest_of(
            entry.get("integrity"),
            partial(self.bad, at),
            "write the lock again, against a registry that tells integrities: "
            "`rm -r node_modules package-lock.json && npm install`",
        )
        urls, registry = addresses_of(entry.get("resolved"), name, version, partial(self.bad, at))
        line = self.lines.get(at, 1)
        return Dependency(name, version, file_of(name, version), digest, urls, registry, line)

    def _tree(self, at: str, entry: Mapping[str, Any], name: str, version: str) -> Dependency | None:
        """What is out of a git repository; None: it is not."""
        resolved = entry.get("resolved")
        if not isinstance(resolved, str) or not hosted.is_git(resolved):
            return None
        tree = hosted.of_any(resolved, partial(self.bad, at))
        return hosted.dependency(name, version, tree, self.lines.get(at, 1))

    def _of_users(self, at: str) -> Iterator[str]:
        """Where that is which users of a package get for it."""
        entry = self.packages[at]
        others = {*_table(entry, "peerDependenciesMeta")}
        if _FOLDER not in at:  # where a name is in both, npm takes the dependency for development
            others.update(_table(entry, "devDependencies"))
        asked = [*_table(entry, "dependencies"), *_table(entry, "optionalDependencies")]
        asked += [name for name in _table(entry, "peerDependencies") if name not in others]
        return self._placed(at, asked)

    def _needs(self, at: str, entry: Mapping[str, Any]) -> Iterator[str]:
        return self._resolved(at, (name for kind in _NEEDED for name in _table(entry, kind)))

    def _resolved(self, at: str, names: Iterable[str]) -> Iterator[str]:
        """Where packages that are no part of the project are found by their names."""
        return (to for to in self._placed(at, names) if _FOLDER in to)

    def _placed(self, at: str, names: Iterable[str]) -> Iterator[str]:
        """Where Node.js finds packages by their names, from a package's folder up; links are followed."""
        above = list(_above(at))
        for name in names:
            for folder in above:
                if (place := f"{folder}{_FOLDER}{name}") in self.packages:
                    entry = self.packages[place]
                    to = str(entry.get("resolved")) if entry.get("link") is True else place
                    if to in self.packages:
                        yield to
                    break


def _holding(at: str) -> str:
    """The package in whose node_modules one lies; empty: the project."""
    return at.rpartition(f"/{_FOLDER}")[0]


def _above(at: str) -> Iterator[str]:
    """The folders in whose node_modules a package looks, its own first, each ending in a slash or empty."""
    parts = at.split("/") if at else []
    for count in range(len(parts), 0, -1):
        if parts[count - 1] != "node_modules":
            yield "/".join(parts[:count]) + "/"
    yield ""


def _table(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}


def _lines(text: str, packages: Mapping[str, Any]) -> Mapping[str, int]:
    """The line of each entry of `packages`, from 1; where a key is there twice, of the last."""
    found: dict[str, int] = {}
    line, last = 1, 0
    # every string is matched whole, also one that is no key: a search would begin again at each quote in it
    for match in re.finditer(r'"((?:[^"\\\n]++|\\.)*+)"(\s*+:\s*+(\{)?)?', text):
        if match[2] is None:
            continue
        key = match[1]
        if "\\" in key:
            try:
                key = json.loads(f'"{key}"')
            except ValueError:
                continue
        if key in packages:
            line += text.count("\n", last, match.start())
            last = match.start()
            if match[3] or key not in found:  # a name is also what others ask for, with a text
                found[key] = line
    return found
