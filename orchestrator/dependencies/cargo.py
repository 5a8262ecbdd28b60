"""Cargo.lock: what it pins, by the checksums that it has. Pure.

Format: https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from orchestrator.dependencies.cargo_fitting import fitting, shipped
from orchestrator.dependencies.cargo_graph import needs_of, reached, refuse_cycles
from orchestrator.dependencies.cargo_lock import AGAIN, DEFAULT, Entry, entries
from orchestrator.dependencies.cargo_manifests import manifests
from orchestrator.dependencies.confusion import refuse_doubles
from orchestrator.dependencies.dependency import BadLock, CommitTree, Dependency, Ecosystem, Locked
from orchestrator.ground.addresses import has_secret
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import replace

_MIRROR: Final = "cargo"
"""The mirror that is Cargo's default registry."""
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")
_VERSION: Final = re.compile(r"\d{1,20}\.\d{1,20}\.\d{1,20}(-[0-9A-Za-z.-]{1,100})?(\+[0-9A-Za-z.-]{1,100})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ADDRESS: Final = re.compile(r"[!#-\[\]-~]{1,2000}")
"""It is written into Cargo's configuration, between quotes."""
_ONE: Final = "take it from one registry (`registry = …` in Cargo.toml, [patch] for what others need)"
_REFERENCES: Final = ("branch", "rev", "tag")


def read(data: bytes, place: str, at: str, beside: Mapping[str, bytes]) -> Locked:
    """What a lock pins. `place` is the file as messages name it, `at` its path from the top of the source.

    `beside` holds every Cargo.toml of the source, by path. Raises BadLock.
    """
    listed = entries(data, place)
    needs = needs_of(listed, place)
    own = {index for index, each in enumerate(listed) if each.source is None}
    if not own:
        hint = "name the lock that cargo wrote beside the project's Cargo.toml"
        raise BadLock(place, None, "it holds no package of the project's own", hint=hint)
    refuse_cycles(listed, needs, own, place)
    manifest_of = fitting(listed, needs, own, manifests(beside, at), place, beside)
    direct = {each for index in own for each in needs[index]}
    of_users = shipped(listed, needs, manifest_of)
    needed = reached(own, lambda index: needs[index])
    twice = Counter((each.name, each.version) for each in listed)
    outside = {}
    for index, entry in enumerate(listed):
        if entry.source is None:
            continue
        if index not in needed:
            raise BadLock(place, entry.line, f"nothing needs {entry.name} {entry.version}", hint=AGAIN)
        outside[index] = replace(
            _dependency(entry, entry.source, place),
            direct=index in direct,
            shipped=index in of_users,
        )
        if twice[entry.name, entry.version] > 1 and outside[index].place is None:
            outside[index] = replace(outside[index], place=_registry(entry.source))
    refuse_doubles((each for each in outside.values() if each.rev is None), place, _ONE)
    found = [
        replace(each, needs=tuple(sorted({outside[below].key for below in needs[index] if below not in own})))
        for index, each in outside.items()
    ]
    return Locked(Ecosystem.CARGO, tuple(sorted(found, key=lambda each: each.key)), {})


def _dependency(entry: Entry, source: str, place: str) -> Dependency:
    named = f"{entry.name} {entry.version}"
    if not _NAME.fullmatch(entry.name) or not _VERSION.fullmatch(entry.version):
        raise BadLock(place, entry.line, f"{named[:200]!r} is no crate's name and version", hint=AGAIN)
    kind, _, address = source.partition("+")
    registry = _registry(source)
    _refuse_credentials(address, entry, place)
    if kind == "git":
        return _from_git(entry, address, registry, place)
    if kind not in ("registry", "sparse"):
        problem = f"{named} is of a kind of source that is not fetched: {source[:200]}"
        raise BadLock(place, entry.line, problem, hint="registries and git repositories are followed")
    if entry.checksum is None:
        raise BadLock(
            place,
            entry.line,
            f"{named} has no checksum, so that nothing says which bytes are right",
            hint="its registry gives none, or the lock was written offline: run `cargo generate-lockfile`",
        )
    if not _SHA256.fullmatch(entry.checksum):
        problem = f"the checksum of {named} is no sha256: {entry.checksum[:80]!r}"
        raise BadLock(place, entry.line, problem, hint=AGAIN)
    file = f"{entry.name}-{entry.version}.crate"
    url = (
        f"mirror://{_MIRROR}/{entry.name}/{file}" if registry == _MIRROR else f"{source}#{entry.name}/{file}"
    )
    return Dependency(
        entry.name,
        entry.version,
        file,
        Sha256(entry.checksum),
        (url,),
        registry,
        entry.line,
    )


def _from_git(entry: Entry, address: str, registry: str, place: str) -> Dependency:
    """A git repository's tree is pinned by its commit, of which Cargo.lock has no digest."""
    commit = address.partition("#")[2]
    named = f"{entry.name} {entry.version}"
    if not _COMMIT.fullmatch(commit):
        moving = ", ".join(f"{key} {value}" for key, value in _reference(address).items()) or "its branch"
        problem = f"{named} is not pinned to a commit: {moving} can move"
        raise BadLock(place, entry.line, problem, hint="run `cargo update -p " + entry.name + "`")
    repository, mark, query = address.partition("#")[0].partition("?")
    told = parse_qsl(query, keep_blank_values=True)
    if mark and (len(told) != 1 or told[0][0] not in _REFERENCES or not _ADDRESS.fullmatch(told[0][1])):
        problem = f"the branch, tag or revision of {named} is not understood: {query[:200]!r}"
        raise BadLock(place, entry.line, problem, hint=AGAIN)
    spelled = f"{repository}?{told[0][0]}={told[0][1]}" if told else repository
    tree = CommitTree(repository, commit)
    return Dependency(
        entry.name,
        entry.version,
        f"{entry.name}-{entry.version}-{commit[:12]}",
        tree,
        (tree.url,),
        registry,
        entry.line,
        rev=commit,
        place=f"git+{spelled}#{commit}",
    )


def _registry(source: str) -> str:
    """Whose a package is: the mirror, or the address of the registry's index or of a repository."""
    return _MIRROR if source == DEFAULT else source.partition("+")[2].partition("#")[0]


def _refuse_credentials(address: str, entry: Entry, place: str) -> None:
    try:
        parts = urlsplit(address)
        secret = has_secret(address)
        bad = (not parts.hostname and parts.scheme != "file") or not _ADDRESS.fullmatch(address)
    except ValueError:
        secret, bad = False, True
    if secret:
        raise BadLock(
            place,
            entry.line,
            f"the address of {entry.name} {entry.version} holds a user or a password",
            hint="take it out of Cargo.toml and the lock; cargo has it in credentials.toml, which is read",
        )
    if bad:
        problem = f"the source of {entry.name} {entry.version} is no address"
        raise BadLock(place, entry.line, problem, hint=AGAIN)


def _reference(address: str) -> Mapping[str, str]:
    """Of a git source: `branch`, `tag` or `rev`."""
    query = address.partition("#")[0].partition("?")[2]
    return {key: value for key, value in parse_qsl(query) if key in _REFERENCES}
