"""The files of one pinned package, and the one that a Python takes of them. Pure.

Specifications: https://packaging.python.org/specifications/, "Binary distribution format" and "Source
distribution format"; pip's order of candidates: `CandidateEvaluator._sort_key` of its package_finder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from orchestrator.dependencies.dependency import (
    BadLock,
    CommitTree,
    Dependency,
    Ecosystem,
    Inside,
    Locked,
)
from orchestrator.dependencies.python.interpreter import Interpreter, ranks
from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.ground.secrets import without_secrets
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import some

PYPI: Final = "pypi"
_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_HASH: Final = re.compile(r"(sha256|sha512)[:=]([0-9a-f]{64}|[0-9a-f]{128})")
_SDISTS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
_BUILT: Final = (".egg", ".exe", ".msi", ".rpm", ".dmg", ".deb")
"""What old releases have besides, which pip does not take either."""


@dataclass(frozen=True, slots=True)
class File:
    """One file that a lock names for a package."""

    name: str
    digest: Sha256 | OtherDigest
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package of a lock, with all of its files."""

    name: str
    """Normalised."""
    version: str
    line: int
    files: tuple[File, ...]
    registry: str = PYPI
    direct: bool = True
    shipped: bool = True
    needs: tuple[str, ...] = ()
    tree: CommitTree | None = None
    """Where it is no file but out of a repository."""
    part: str | None = None
    """The folder of the tree that it is."""

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"


def locked(
    found: Iterable[Pinned], inside: Iterable[Inside], interpreter: Interpreter, place: str, again: str
) -> Locked:
    """What a lock pins: of each package the file that this Python takes, in the order of the lock.

    `inside` are files of the source itself. Raises BadLock for two of one name, which cannot be installed
    together: from two registries, that is somebody's trap.
    """
    seen: dict[str, Pinned] = {}
    for each in found:
        other = seen.setdefault(each.name, each)
        if other is not each:
            what = "from two registries" if other.registry != each.registry else "in two versions"
            raise BadLock(
                place,
                each.line,
                f"{each.name} is wanted {what}: line {other.line} has another",
                hint="a build has one of each: choose extras and groups that go together",
            )
    own = tuple(inside)
    _refuse_own_twice(own, seen, place)
    taken = ordered(dependency(each, interpreter, place, again) for each in seen.values())
    return Locked(Ecosystem.PYTHON, taken, {}, tuple(sorted(own, key=lambda each: each.name)))


def _refuse_own_twice(inside: Iterable[Inside], others: Mapping[str, Pinned], place: str) -> None:
    """Raises BadLock where a file of the source has the name of another package: pip takes either."""
    from packaging.utils import canonicalize_name

    lines = {each.name: each.line for each in others.values()}
    for each in inside:
        name = canonicalize_name(each.name)
        if name in lines:
            raise BadLock(
                place,
                each.line,
                f"{each.name} is a file of the source, {each.path}, and is wanted from elsewhere, too: line "
                f"{lines[name]} has another",
                hint="a build has one of each: choose extras and groups that go together",
            )
        lines[name] = each.line or 0


def dependency(pinned: Pinned, interpreter: Interpreter, place: str, again: str) -> Dependency:
    """The package with the one file that this Python takes. Raises BadLock where none fits."""
    if pinned.tree is not None:
        _refuse_unnameable(pinned, place, again)
        return Dependency(
            name=pinned.name,
            version=pinned.version,
            file=f"{pinned.name}-{pinned.version}-{pinned.tree.rev[:12]}",
            digest=pinned.tree,
            urls=(pinned.tree.url,),
            registry=pinned.tree.address,
            line=pinned.line,
            direct=pinned.direct,
            shipped=pinned.shipped,
            needs=pinned.needs,
            rev=pinned.tree.rev,
            part=pinned.part,
        )
    if not pinned.files:
        raise BadLock(
            place, pinned.line, f"{pinned.name} {pinned.version} has no file with a digest", hint=again
        )
    file = best(pinned.files, interpreter, pinned.name, pinned.version, place, pinned.line)
    return Dependency(
        name=pinned.name,
        version=pinned.version,
        file=file.name,
        digest=file.digest,
        urls=file.urls,
        registry=pinned.registry,
        line=pinned.line,
        direct=pinned.direct,
        shipped=pinned.shipped,
        needs=pinned.needs,
    )


def _refuse_unnameable(pinned: Pinned, place: str, again: str) -> None:
    """Raises BadLock for a name or a version by which no sdist can be called."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(pinned.version)
        named = _SAFE.fullmatch(pinned.name) is not None
    except InvalidVersion:
        named = False
    if not named:
        problem = f"{pinned.name[:80]!r} {pinned.version[:80]!r} is no name and version of a package"
        raise BadLock(place, pinned.line, problem, hint=again)


def best(
    files: Sequence[File], interpreter: Interpreter, name: str, version: str, place: str, line: int
) -> File:
    """The best wheel that fits, else an sdist. Raises BadLock where there is neither."""
    fitting: list[tuple[tuple[Any, ...], File]] = []
    for file in files:
        found = order_of(file.name, interpreter, name, version, place, line)
        if found is not None:
            fitting.append((found, file))
    if not fitting:
        raise BadLock(
            place,
            line,
            f"no file of {name} {version} is for {interpreter.told}; "
            f"it has {some([file.name for file in files], 3)}",
            hint="lock a version that has a wheel for it or an sdist, or use a toolchain whose Python fits",
        )
    return min(fitting, key=lambda each: (each[0], each[1].name))[1]


def order_of(
    file: str, interpreter: Interpreter, name: str, version: str, place: str, line: int
) -> tuple[Any, ...] | None:
    """The file's place among others, the first the best; None: it does not fit.

    Raises BadLock for a file that is not one of the package's.
    """
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    if file.endswith(_BUILT):
        return None
    of: str
    try:
        if _SAFE.fullmatch(file) is None:
            raise InvalidSdistFilename("it is no file's name")
        if file.endswith(".whl"):
            of, at, build, tags = parse_wheel_filename(file)
            known = ranks(interpreter)
            rank = min((known[tag] for tag in tags if tag in known), default=None)
            found = None if rank is None else (0, rank, -int(build[0]) if build else 1)
        else:
            of, at = _sdist(file, name)
            found = (1, _SDISTS.index(next(each for each in _SDISTS if file.endswith(each))), 0)
        if of != name or at != Version(version):
            raise InvalidSdistFilename(f"it is of {of} {at}")
    except (InvalidSdistFilename, InvalidVersion, InvalidWheelFilename, ValueError) as error:
        problem = f"{file[:100]!r} is no file of {name} {version}: {error}"
        raise BadLock(place, line, problem, hint="have the lock written again") from error
    return found


def _sdist(file: str, project: str) -> tuple[str, Any]:
    """The name and version in an sdist's name, old spellings too. Raises InvalidSdistFilename."""
    from packaging.utils import InvalidSdistFilename, canonicalize_name
    from packaging.version import InvalidVersion, Version

    ending = next((each for each in _SDISTS if file.endswith(each)), None)
    if ending is None:
        raise InvalidSdistFilename("it is neither a wheel nor an sdist")
    stem = file.removesuffix(ending)
    for dash in re.finditer("-", stem):  # a name may hold a dash, as old sdists have it
        if canonicalize_name(stem[: dash.start()]) == project:
            try:
                return canonicalize_name(project), Version(stem[dash.end() :])
            except InvalidVersion:
                continue
    raise InvalidSdistFilename("it does not begin with the package's name and a version")


def digest_of(text: Any, place: str, line: int, what: str) -> Sha256 | OtherDigest:
    """A digest as locks write it, `sha256:HEX`. Raises BadLock for what proves nothing."""
    found = _HASH.fullmatch(text.lower()) if isinstance(text, str) else None
    if found is None or (found[1] == "sha256") != (len(found[2]) == 64):
        problem = f"{what} has no sha256 or sha512: {str(text)[:40]!r}" if text else f"{what} has no digest"
        raise BadLock(place, line, problem, hint="lock it from an index that tells sha256 digests")
    if found[1] == "sha256":
        return Sha256(found[2])
    return OtherDigest("sha512", found[2], nar=False)


def checked_url(address: str, place: str, line: int) -> str:
    """An address of a file or of an index. Raises BadLock for one with credentials, or that is none."""
    try:
        parts = urlsplit(address)
        secret = "@" in parts.netloc or without_secrets(address) != address
        whole = parts.scheme in ("https", "http") and parts.hostname
    except ValueError:
        secret, whole = False, None
    if secret:
        raise BadLock(
            place,
            line,
            "an address with a user, a password or a token, which would be in every release",
            hint="take them out of the lock, and let pip's own configuration or .netrc have them",
        )
    if not whole or not address.isprintable():
        problem = f"{address[:100]!r} is no https address"
        raise BadLock(place, line, problem, hint="lock it from an index")
    if "subdirectory=" in parts.fragment:
        refuse_subdirectory(parts.fragment, place, line)
    return address.partition("#")[0]


def refuse_subdirectory(told: object, place: str, line: int) -> None:
    """Raises BadLock where a package is one folder of an archive: pip finds no such thing among files."""
    if told:
        problem = f"it is a part of an archive: {str(told)[:80]}"
        raise BadLock(
            place, line, problem, hint="give the archive as a source of the recipe, and install it there"
        )


def name_in(address: str) -> str:
    """The name of the file at an address."""
    return unquote(urlsplit(address).path.rpartition("/")[2])


def registry_of(address: str | None) -> str:
    """Whose an index is: `pypi` for the one that pip asks when it is told of none, else its address."""
    if address is None:
        return PYPI
    return _registry(address)


@lru_cache(maxsize=1000)
def _registry(address: str) -> str:
    from packageurl.contrib.purl2url import get_repo_url

    known = urlsplit(get_repo_url("pkg:pypi/six") or "").hostname  # type: ignore[no-untyped-call]
    return PYPI if known and urlsplit(address).hostname == known else address.rstrip("/")


def urls_of(name: str, file: str, registry: str, address: str | None) -> tuple[str, ...]:
    """Where a file may be: PyPI's by the user's own mirrors first, another index's where the lock says."""
    mirrored = (f"mirror://pypi/{name}/{file}",) if registry == PYPI else ()
    return (*mirrored, *((address,) if address else ()))


def ordered(found: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """By key, each once."""
    by_key = {each.key: each for each in found}
    return tuple(by_key[key] for key in sorted(by_key))
