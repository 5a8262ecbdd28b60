"""What a lock file pins, as the values of a request that Nix reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

from orchestrator.dependencies.dependency import (
    BadLock,
    CommitTree,
    Dependency,
    Ecosystem,
    GoHash,
    Inside,
    Locked,
    Unhashed,
    Untold,
    YarnHash,
)
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.values import dataclass, replace
from orchestrator.recipe.names import store_name
from orchestrator.recipe.purls import package_url
from orchestrator.recipe.wanted import PLAIN, Extras, pinned

_BLANK: Final = re.compile(r"\s")
Dependencies = Mapping[str, Sequence[Mapping[str, Any]]]
"""Recipe name to its `dependencies` as a request has them: one for each lock file, in the recipe's order."""


@dataclass(frozen=True, slots=True)
class Depended:
    """One file that lock files of a recipe pin, as the evidence needs it."""

    path: str
    """Its store path."""
    ecosystem: Ecosystem
    name: str
    version: str
    direct: bool
    """Whether the project itself asks for it."""
    shipped: bool
    """Whether users get it, as far as a lock file says."""
    needs: tuple[str, ...]
    """Store paths of those that it needs itself, sorted."""


def with_needs(dependencies: Sequence[Depended], told: Mapping[str, Sequence[str]]) -> tuple[Depended, ...]:
    """These with the edges that files of theirs tell: store path to `NAME@VERSION` of what each needs.

    What a build takes in place of a version is the one that is there: a later one, as go chooses.
    """
    found: dict[str, list[Depended]] = {}
    for each in dependencies:
        if each.shipped:
            found.setdefault(each.name, []).append(each)
    result = []
    for each in dependencies:
        taken = (_taken(found, one) for one in told.get(each.path, ()))
        needs = {path for path in taken if path is not None and path != each.path}
        result.append(replace(each, needs=tuple(sorted(needs.union(each.needs)))))
    return tuple(result)


def _taken(found: Mapping[str, Sequence[Depended]], key: str) -> str | None:
    name, _, version = key.rpartition("@")
    listed = found.get(name, ())
    exact = [each.path for each in listed if each.version == version]
    if exact or len(listed) == 1:
        return exact[0] if exact else listed[0].path
    return None


@dataclass(frozen=True, slots=True)
class Within:
    """A package that a lock file says is within a file that is fetched, or within a source."""

    name: str
    version: str
    purl: str


def within(
    recipe: Mapping[str, Any], paths: Mapping[tuple[str, Sha256 | NarHash | OtherDigest], str]
) -> Mapping[str, tuple[Within, ...]]:
    """Store path of what holds others to these, as lock files of one recipe of a request say."""
    found: dict[str, set[Within]] = {}
    for lock in recipe.get("dependencies", ()):
        holders = [(each, each.get("inside", ())) for each in lock["packages"]]
        holders.append((recipe["sources"][lock["source"]], lock.get("inside", ())))
        for each, inside in holders:
            for one in inside:
                path = paths[each["name"], pinned(each)]
                told = Within(one["called"], one["version"], one["purl"])
                found.setdefault(path, set()).add(told)
    return {path: tuple(sorted(some, key=lambda each: each.purl)) for path, some in found.items()}


def depended(
    recipe: Mapping[str, Any], paths: Mapping[tuple[str, Sha256 | NarHash | OtherDigest], str]
) -> tuple[Depended, ...]:
    """What lock files pin of one recipe of a request, by store path, each once.

    `paths` are store paths by store name and digest. What lies at several places of a project has the edges
    of all of them, and is shipped where one of them is.
    """
    found: dict[str, Depended] = {}
    for lock in recipe.get("dependencies", ()):
        at = {_key(each): paths[each["name"], pinned(each)] for each in lock["packages"]}
        for each in lock["packages"]:
            path = at[_key(each)]
            needs = {at[key] for key in each["needs"] if key in at} - {path}
            known = found.get(path)
            found[path] = Depended(
                path,
                Ecosystem(lock["kind"]),
                each["called"],
                each["version"],
                each["direct"] or (known is not None and known.direct),
                each["shipped"] or (known is not None and known.shipped),
                tuple(sorted(needs.union(known.needs if known is not None else ()))),
            )
    return tuple(found[path] for path in sorted(found))


def _key(each: Mapping[str, Any]) -> str:
    """As `Dependency.key` writes it."""
    return f"{each['called']}@{each['version']}" + (f" at {each['place']}" if "place" in each else "")


def described(
    locked: Locked, *, lock: str, source: str, sha256: str, place: str, told: Mapping[str, str]
) -> dict[str, Any]:
    """One lock file's part of a request; `place` is what messages call it.

    `told` is what tally.lock has of what the lock file does not say. Raises BadLock.
    """
    return {
        "kind": str(locked.ecosystem),
        "lock": lock,
        "source": source,
        "sha256": sha256,
        "beside": dict(sorted(locked.beside.items())),
        **_inside(locked.ecosystem, locked.inside),
        "packages": list(_packages(locked, place, told)),
    }


def _packages(locked: Locked, place: str, told: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for each in locked.dependencies:
        if any(not word or _BLANK.search(word) for word in (each.name, each.version, each.file, *each.urls)):
            raise BadLock(
                place,
                each.line,
                "a name, a version or an address has a blank in it",
                hint="see what wrote it",
            )
        try:
            purl = purl_of(locked.ecosystem, each)
        except ValueError as error:
            raise BadLock(
                place, each.line, f"{each.name} {each.version}: {error}", hint="see what wrote the lock"
            ) from error
        yield {
            "name": store_name(each.file),
            "mode": "flat",
            **_digest(each, place, told),
            "urls": list(each.urls),
            "purl": purl,
            "kind": "source",
            "file": each.file,
            "called": each.name,
            "version": each.version,
            "registry": each.registry,
            "direct": each.direct,
            "shipped": each.shipped,
            "line": each.line,
            "needs": list(each.needs),
            **({"rev": each.rev} if each.rev else {}),
            **({"place": each.place} if each.place else {}),
            **({"part": each.part} if each.part else {}),
            **_inside(locked.ecosystem, each.inside),
        }


def _inside(ecosystem: Ecosystem, told: Sequence[Inside]) -> dict[str, Any]:
    """What lies in something, where anything does."""
    found = [
        {"called": each.name, "version": each.version, "purl": _plain(ecosystem, each.name, each.version)}
        for each in told
    ]
    return {"inside": found} if found else {}


def _digest(each: Dependency, place: str, told: Mapping[str, str]) -> dict[str, str | bool]:
    match each.digest:
        case Sha256(hexadecimal):
            return {"sha256": hexadecimal}
        case OtherDigest("sha512", hexadecimal, nar=False):
            return {"sha512": hexadecimal}
        case OtherDigest(algorithm):
            raise BadLock(
                place,
                each.line,
                f"{each.name} {each.version} is pinned by {algorithm}, by which nothing enters the store",
                hint="pin it by sha256 or sha512",
            )
        case GoHash(text) | YarnHash(text) | Unhashed(text) if text in told:
            return {"sha256": told[text]}
        case GoHash() | YarnHash() | Unhashed():
            raise Untold(
                place, each.line, f"tally.lock has no sha256 of {each.name}", hint="run `tally lock`"
            )
        case CommitTree() if each.digest.url in told:
            found: dict[str, str | bool] = {"sha256": told[each.digest.url], "mode": "recursive"}
            return {**found, "submodules": True} if extras_of(each.digest).submodules else found
        case CommitTree():
            raise Untold(
                place,
                each.line,
                f"tally.lock has no digest of the tree of {each.name} at the commit {each.digest.rev[:12]}",
                hint="run `tally lock`",
            )
        case _:
            assert_never(each.digest)


def extras_of(tree: CommitTree) -> Extras:
    """What it holds besides: submodules, as Cargo and pip have it, but none of a repository of this machine.

    Their addresses may be of anything that the user can read.
    """
    return PLAIN if tree.address.startswith("file:") else Extras(submodules=True)


def purl_of(ecosystem: Ecosystem, each: Dependency) -> str:
    """The package URL of a dependency. Raises ValueError when it can have none."""
    if isinstance(each.digest, CommitTree):
        url = f"{each.digest.url}#{each.part}" if each.part else each.digest.url
        return _plain(ecosystem, each.name, each.version, vcs_url=url)
    if each.registry == ecosystem.mirror:
        return _plain(ecosystem, each.name, each.version)
    elsewhere = "download_url" if each.urls[-1:] == (each.registry,) else "repository_url"
    return _plain(ecosystem, each.name, each.version, **{elsewhere: each.registry})


def _plain(ecosystem: Ecosystem, name: str, version: str, **qualifiers: str) -> str:
    match ecosystem:
        case Ecosystem.NPM | Ecosystem.GO:
            namespace, _, short = name.rpartition("/")
            kind = "npm" if ecosystem is Ecosystem.NPM else "golang"
            return package_url(kind, short, version, namespace=namespace or None, **qualifiers)
        case Ecosystem.CARGO:
            return package_url("cargo", name, version, **qualifiers)
        case Ecosystem.PYTHON:
            return package_url("pypi", name, version, **qualifiers)
        case _:
            assert_never(ecosystem)
