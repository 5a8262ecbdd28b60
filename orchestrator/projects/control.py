"""`Build-Depends` of a project that is packaged for Debian: the best word on what it is built with. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from orchestrator.projects.guess import Guess
from orchestrator.projects.tree import Tree

FILE: Final = "debian/control"
_OF_PACKAGING: Final = re.compile(
    r"(debhelper(-compat)?|dh-.*|dpkg-dev|quilt|po-debconf|cdbs|pkg-config-.*|lsb-release|devscripts|fakeroot|pkg-kde-tools"
    r"|gnome-pkg-tools|python3-all(-dev|-dbg)?|pybuild-.*|dpkg-build-api|hardening-wrapper|autotools-dev|perl-xs-dev)"
)
"""What serves the making of a .deb alone."""


def build_depends(tree: Tree) -> Iterator[Guess]:
    """The packages of Build-Depends: of alternatives the first, without those for tests alone."""
    inside = False
    for number, line in tree.lines(FILE):
        if not line.strip():
            break
        if line.startswith("#"):
            continue
        if not line[:1].isspace():
            inside = re.match(r"(?i)build-depends(-arch)?:", line) is not None
        if not inside:
            continue
        for part in re.sub(r"^\S+:", "", line).split(","):
            if name := _package(part):
                yield Guess(name, f"{FILE}:{number}")


def _package(part: str) -> str | None:
    """The name in one entry, where it is for building on amd64."""
    first = part.partition("|")[0].strip()
    name = re.match(r"[a-z0-9][a-z0-9+.-]+", first)
    if name is None or "<!no" in part or _OF_PACKAGING.fullmatch(name[0]):
        return None
    systems = re.search(r"\[([^\]]*)\]", first)
    if systems and not (
        {"amd64", "linux-any", "any"} & set(systems[1].split())
        or ("!" in systems[1] and "!amd64" not in systems[1])
    ):
        return None
    return name[0]
