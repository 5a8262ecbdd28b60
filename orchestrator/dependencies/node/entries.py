"""What locks of npm, yarn and pnpm say of one package in the same way: names, digests, addresses. Pure."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.digest import OtherDigest, Sha256

MOST: Final = 50_000
"""Packages of one lock."""
MIRROR: Final = "npm"
"""The mirror that is npm's registry."""
YARNS: Final = "yarnpkg.com"
"""Yarn 1 writes a host of this domain for npm's registry, wherever it fetches from."""
_NAME: Final = re.compile(r"(@[A-Za-z0-9~-][A-Za-z0-9._~-]*/)?[A-Za-z0-9_~-][A-Za-z0-9._~-]*")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,200}")
_ALGORITHMS: Final = {"sha512": 64, "sha256": 32}
"""Digests that Nix can pin a file by, in bytes; the strongest first."""
_CPU: Final = {
    "x86_64": "x64",
    "aarch64": "arm64",
    "i686": "ia32",
    "armv7l": "arm",
    "riscv64": "riscv64",
    "powerpc64le": "ppc64",
    "s390x": "s390x",
}
"""What Node.js calls a processor (`process.arch`), by Nix's name."""


class Bad(Protocol):
    """Makes the error for one entry of a lock; without a hint it says how the lock is written again."""

    def __call__(self, problem: str, hint: str | None = None) -> BadLock: ...


def checked(name: Any, version: Any, bad: Bad) -> tuple[str, str]:
    """A name and a version, which become names of files. Raises BadLock."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 214:
        raise bad(f"{str(name)[:80]!r} is no name of a package")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise bad("it has no version" if version is None else "its version is none")
    return name, version


def file_of(name: str, version: str) -> str:
    """What registries call its tarball."""
    return f"{name.rpartition('/')[2]}-{version}.tgz"


def usual_address(name: str, version: str) -> str:
    """Where a registry has it."""
    return f"mirror://{MIRROR}/{name}/-/{file_of(name, version)}"


def digest_of(text: Any, bad: Bad, without: str) -> Sha256 | OtherDigest:
    """The strongest digest in `integrity`; `without` is the way out where there is none. Raises BadLock."""
    if text is None:
        raise bad("it has no integrity, so nothing tells which bytes are meant", without)
    told: dict[str, list[bytes]] = {}
    for word in text.split() if isinstance(text, str) else ():
        algorithm, _, rest = word.partition("-")
        try:
            octets = b64decode(rest.partition("?")[0], validate=True)
        except (binascii.Error, ValueError):
            continue
        told.setdefault(algorithm, []).append(octets)
    for algorithm, size in _ALGORITHMS.items():
        fitting = [octets for octets in told.get(algorithm, ()) if len(octets) == size]
        if len(fitting) > 1:
            raise bad(f"it has more than one {algorithm}, any of which would be taken")
        if fitting:
            digits = fitting[0].hex()
            return Sha256(digits) if algorithm == "sha256" else OtherDigest(algorithm, digits, nar=False)
    if "sha1" in told:
        raise bad(
            "it is pinned by sha1 alone, which can be forged",
            "have a sha512 written: remove this entry's `integrity`, then install it once more",
        )
    raise bad(f"its integrity is {str(text)[:80]!r}: no sha512 and no sha256")


def addresses_of(resolved: Any, name: str, version: str, bad: Bad) -> tuple[tuple[str, ...], str]:
    """Where its tarball may be, the user's own registry first; and whose it is. Raises BadLock."""
    usual = usual_address(name, version)
    if resolved is None:
        return (usual,), MIRROR
    if not isinstance(resolved, str):
        raise bad("its address is no text")
    try:
        parts = urlsplit(resolved)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known or not resolved.isascii() or not resolved.isprintable() or " " in resolved:
        raise bad("its tarball has no address with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise bad(
            "its address has a user name or a password in it",
            "keep those in .npmrc, take them out of the lock, and change them: they are published",
        )
    _check_named(unquote(parts.path), name, version, bad)
    address = parts._replace(query="", fragment="").geturl() if parts.query else resolved
    address = address.partition("#")[0]
    return (usual, address), _registry(address, parts.hostname or "", name)


def _registry(address: str, host: str, name: str) -> str:
    """Whose a package is: `npm`, else the address of another registry, or of this one file."""
    if host in (f"registry.{YARNS}", _host_of_npm()):
        return MIRROR
    before, mark, _ = address.partition("/-/")
    return unquote(before).removesuffix(f"/{name}") if mark else address


@cache
def _host_of_npm() -> str | None:
    """As the specification of package URLs has it."""
    from packageurl.contrib.purl2url import get_download_url

    return urlsplit(get_download_url("pkg:npm/npm@1.0.0") or "").hostname  # type: ignore[no-untyped-call]


def _check_named(path: str, name: str, version: str, bad: Bad) -> None:
    """That an address of a registry is of the package that the lock says is there."""
    before, mark, file = path.partition("/-/")
    if not mark:
        return
    if not before.endswith(f"/{name}"):
        raise bad(
            f"it is called {name}, and its address is of another package: {path[-120:]!r}",
            "find out who changed the lock: an alias says which package it stands for",
        )
    if file.rpartition("/")[2] != file_of(name, version):
        raise bad(f"it is version {version}, and its address is of another: {path[-120:]!r}")


def fits(entry: Mapping[str, Any], system: str) -> bool:
    """Whether it is installed on a system, Nix's name (npm-install-checks, `checkPlatform`)."""
    processor, _, kernel = system.partition("-")
    return all(
        _listed(entry.get(key), mine)
        for key, mine in (("os", kernel), ("cpu", _CPU.get(processor, processor)), ("libc", "glibc"))
    )


def _listed(told: Any, mine: str) -> bool:
    """Whether a list of what is supported has one's own: `["linux", "!win32"]`."""
    words = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    if not words or words == ["any"]:
        return True
    refused = {str(each)[1:] for each in words if str(each).startswith("!")}
    wanted = {str(each) for each in words if not str(each).startswith("!")}
    return mine not in refused and (not wanted or mine in wanted)
