"""`pypi:NAME==VERSION`, `deb:NAME=VERSION`, `npm:NAME@VERSION`: what registries serve, by name. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.names import normalised

SCHEMES: Final = ("pypi", "deb", "npm")
FORMS: Final = ("pypi:NAME==VERSION", "deb:NAME=VERSION", "npm:NAME@VERSION")
_PYPI: Final = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)(?:==([A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}))?"
)
_DEB: Final = re.compile(r"([a-z0-9][a-z0-9+.-]{1,99})(?:=([0-9][A-Za-z0-9.+~:-]{0,99}))?")
_NPM: Final = re.compile(
    r"((?:@[a-z0-9~-][a-z0-9._~-]{0,98}/)?[A-Za-z0-9~-][A-Za-z0-9._~-]{0,98})"
    r"(?:@([0-9][A-Za-z0-9.+-]{0,99}))?"
)

_FORMS: Final = {
    "pypi": (_PYPI, "pypi:six==1.17.0", "=="),
    "deb": (_DEB, "deb:python3-six=1.16.0-4", "="),
    "npm": (_NPM, "npm:left-pad@1.3.0", "@"),
}
"""By scheme, in the order in which a name without one is tried."""
_OTHERWISE: Final = {
    **{scheme: scheme for scheme in SCHEMES},
    "pip": "pypi",
    "python": "pypi",
    "apt": "deb",
    "debian": "deb",
    "dpkg": "deb",
}
"""What schemes are called by mistake."""


@dataclass(frozen=True, slots=True)
class PypiName:
    """One version of a project on a Python index."""

    project: str
    """In its canonical spelling (PEP 503)."""
    version: str

    def __str__(self) -> str:
        return f"pypi:{self.project}=={self.version}"


@dataclass(frozen=True, slots=True)
class DebName:
    """One version of a binary package in Debian's archive."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"deb:{self.package}={self.version}"


@dataclass(frozen=True, slots=True)
class NpmName:
    """One version of a package in an npm registry."""

    package: str
    """With its scope: `@scope/name`."""
    version: str

    def __str__(self) -> str:
        return f"npm:{self.package}@{self.version}"


Named = PypiName | DebName | NpmName


def is_named(text: str) -> bool:
    """Whether a text is meant for one of these."""
    return text.partition(":")[0] in SCHEMES and ":" in text


def meant(text: str) -> Named | None:
    """What was probably meant by a text that is none: a name without its scheme, or with another sign."""
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() not in _OTHERWISE:
        return next((found for each in SCHEMES if (found := _read(each, text)) is not None), None)
    near = _OTHERWISE[scheme.lower()]
    sign = _FORMS[near][2]
    return _read(near, re.sub("(?<=.)=+|(?<=.)@", sign, rest))


def _read(scheme: str, rest: str) -> Named | None:
    found = _FORMS[scheme][0].fullmatch(rest)
    return None if found is None or found[2] is None else parse(f"{scheme}:{rest}")


def named(text: str) -> Named | None:
    """A text that is not there as a file; None: it is no name. Raises TallyError for what is nearly one."""
    if is_named(text):
        return parse(text)
    if (near := meant(text)) is not None:
        raise TallyError(f"there is no release {text[:120]!r}", hint=f"did you mean {near}?")
    return None


def parse(text: str) -> Named:
    """Read one. Raises TallyError for what is none."""
    scheme, _, rest = text.partition(":")
    pattern, like, sign = _FORMS[scheme]
    found = pattern.fullmatch(rest)
    if found is None:
        near = meant(text)
        raise TallyError(
            f"{text[:120]!r} names no version of a project",
            hint=f"did you mean {near}?" if near else f"write it as {like}",
        )
    if found[2] is None:
        raise TallyError(f"{text} does not say which version", hint=f"write it as {text}{sign}1.0")
    if scheme == "deb":
        return DebName(found[1], found[2])
    if scheme == "npm":
        return NpmName(found[1], found[2])
    return PypiName(normalised(found[1]), found[2])
