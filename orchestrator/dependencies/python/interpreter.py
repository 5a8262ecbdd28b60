"""The Python that a build has, for markers and wheels: the toolchain's, never that of this machine. Pure.

Specifications: https://packaging.python.org/specifications/, "Dependency specifiers" and "Platform
compatibility tags"; PEP 600 for `manylinux_X_Y`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from orchestrator.ground.values import dataclass

if TYPE_CHECKING:
    from packaging.tags import Tag

_LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Minor versions of glibc 2 to the names that such platforms had before PEP 600."""
_OLDEST: Final = {"x86_64": 5, "i686": 5}
"""The oldest glibc 2 that wheels of a machine may be for; 17 for others."""
_MACHINES: Final = {"armv7l": "armv7l", "powerpc64le": "ppc64le"}
"""Nix's names of machines to the kernel's, where they are two."""
_OF_DEBIAN: Final = re.compile(r"(?:\d+:)?([^-]+)(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """CPython on Linux with glibc."""

    version: str
    """All of it: `3.11.2`."""
    glibc: int
    """The minor version of glibc 2."""
    machine: str
    """As the kernel calls it: `x86_64`."""

    @property
    def told(self) -> str:
        """As messages have it."""
        return f"Python {self.version} on {self.machine}, glibc 2.{self.glibc}"

    @property
    def short(self) -> str:
        """`3.11`."""
        return ".".join(self.version.split(".")[:2])


def environment(interpreter: Interpreter) -> Mapping[str, str]:
    """What markers ask for. What only a running kernel could say is empty."""
    return {
        "implementation_name": "cpython",
        "implementation_version": interpreter.version,
        "os_name": "posix",
        "platform_machine": interpreter.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": interpreter.version,
        "python_version": interpreter.short,
        "sys_platform": "linux",
    }


@cache
def ranks(interpreter: Interpreter) -> Mapping[Tag, int]:
    """The tags of wheels that fit, each with its place in pip's order: the first is the best."""
    from packaging.tags import compatible_tags, cpython_tags

    major, minor = (int(part) for part in interpreter.short.split("."))
    platforms = list(_platforms(interpreter))
    own = f"cp{major}{minor}"
    ordered = [
        # the ABI is named, since `packaging` would look at the Python that runs it
        *cpython_tags((major, minor), abis=[own], platforms=platforms),
        *compatible_tags((major, minor), own, platforms),
    ]
    return {tag: number for number, tag in reversed(list(enumerate(ordered)))}


def _platforms(interpreter: Interpreter) -> Iterator[str]:
    for minor in range(interpreter.glibc, _OLDEST.get(interpreter.machine, 17) - 1, -1):
        yield f"manylinux_2_{minor}_{interpreter.machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{interpreter.machine}"
    yield f"linux_{interpreter.machine}"


def of_debian(packages: Mapping[str, str], system: str) -> Interpreter | None:
    """The Python of a set of Debian packages, names to versions; None: it has none."""
    versions = {name: _upstream(version) for name, version in packages.items()}
    asked, glibc = versions.get("python3"), glibc_of(packages)
    if asked is None or glibc is None:
        return None
    short = ".".join(asked.split(".")[:2])
    version = versions.get(f"python{short}", versions.get(f"python{short}-minimal", asked))
    return Interpreter(version, glibc, machine_of(system))


def glibc_of(packages: Mapping[str, str]) -> int | None:
    """The minor version of glibc 2 in such a set."""
    found = re.match(r"2\.([0-9]+)", _upstream(packages.get("libc6", "")))
    return int(found[1]) if found else None


def machine_of(system: str) -> str:
    """The kernel's name of the machine of one of Nix's systems."""
    machine = system.partition("-")[0]
    return _MACHINES.get(machine, machine)


def _upstream(version: str) -> str:
    """`1:3.14.0~rc2-1+b1` as Python says it: `3.14.0rc2`."""
    found = _OF_DEBIAN.fullmatch(version)
    return (found[1] if found else version).partition("+")[0].replace("~", "")
