"""A package within something else, and how texts from strangers become its name and its version. Pure."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.recipe.purls import package_url

MOST: Final = 50_000
"""Packages in one place. The largest lock files have a tenth of that."""
_LONGEST: Final = 500
_SIZES: Final = {"sha512": 64, "sha384": 48, "sha256": 32, "sha1": 20}
"""Of digests, in bytes; the strongest first."""


class NotRead(ValueError):
    """What lies there is not what its name says. The message goes on after `was not read: `."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package, as it was told of. What was not told is None or empty."""

    name: str
    version: str
    purl: str
    digest: Sha256 | OtherDigest | None = None
    """Of the file that the package is published as."""
    file_name: str | None = None
    """That file's name."""
    uris: tuple[str, ...] = ()
    license: str | None = None
    """An SPDX expression."""
    notes: tuple[str, ...] = ()
    """Sentences."""


@dataclass(frozen=True, slots=True)
class Within:
    """What is within one thing."""

    packages: tuple[Package, ...] = ()
    """By package URL, each once."""
    unread: tuple[str, ...] = ()
    """What could not be read, as sentences."""

    @classmethod
    def of(cls, packages: Iterable[Package], unread: Iterable[str] = ()) -> Within:
        """In the one order, whatever the order of what it is made from."""
        found = {each.purl: each for each in sorted(packages, key=lambda each: (each.purl, repr(each)))}
        return cls(tuple(found.values()), tuple(unread))


def word(value: Any, what: str) -> str:
    """A name or a version. Raises NotRead for what is none."""
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable() and " " not in value:
        return value
    raise NotRead(f"{what} is {shown(value)}")


def shown(value: Any) -> str:
    """A stranger's value as messages have it."""
    return "lacking" if value is None else f"not one word: {repr(value)[:80]}"


def counted(packages: Iterable[Package]) -> tuple[Package, ...]:
    """All of them. Raises NotRead where there are too many."""
    found: list[Package] = []
    for each in packages:
        if len(found) == MOST:
            raise NotRead(f"it names more than {MOST} packages")
        found.append(each)
    return tuple(found)


def purl_of(kind: str, name: str, version: str, *, namespace: str | None = None, **qualifiers: str) -> str:
    """Its package URL. Raises NotRead for what can have none."""
    try:
        return package_url(kind, name, version, namespace=namespace, **qualifiers)
    except ValueError as error:
        raise NotRead(f"{name} {version} has no package URL: {error}") from error


def vcs_url(address: str) -> str:
    """`git+https://HOST/PATH?branch=B#COMMIT`, as locks have it, as a package URL's `vcs_url` has it."""
    place, _, commit = address.partition("#")
    return f"{place.partition('?')[0]}@{commit}" if commit else place.partition("?")[0]


def integrity(text: Any) -> Sha256 | OtherDigest | None:
    """The strongest digest in a text of the W3C's Subresource Integrity (section 3.5): `sha512-BASE64 …`."""
    told = dict(each.partition("-")[::2] for each in text.split()) if isinstance(text, str) else {}
    for algorithm, size in _SIZES.items():
        try:
            data = b64decode(told.get(algorithm, "").partition("?")[0], validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(data) == size:
            return (
                Sha256(data.hex()) if algorithm == "sha256" else OtherDigest(algorithm, data.hex(), nar=False)
            )
    return None
