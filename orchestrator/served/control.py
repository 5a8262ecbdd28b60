"""Debian's control files: paragraphs of fields, and what relations ask for (deb-src-control(5)). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_FIELD: Final = re.compile(r"([!-9;-~]+):[ \t]*(.*)")
_ALTERNATIVE: Final = re.compile(
    r"\s*([a-z0-9][a-z0-9+.-]+)(?::([a-z0-9-]+))?\s*(?:\(([^()]*)\))?\s*(?:\[([^][]*)\])?((?:\s*<[^<>]*>)*)\s*"
)


def paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """Each paragraph's fields; further lines of a field are kept, behind line ends."""
    for block in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t"):
                if last:
                    fields[last] += "\n" + line.strip()
            elif found := _FIELD.fullmatch(line):
                last = found[1]
                fields[last] = found[2].strip()
        if fields:
            yield fields


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the packages that satisfy a clause."""

    package: str
    version: str | None
    """`>= 13`; None: any."""


def clauses(text: str, architecture: str) -> Iterator[tuple[str, tuple[Alternative, ...]]]:
    """Each clause that counts for an architecture and without build profiles: its text, and its alternatives.

    The text has no conditions left. Raises ValueError for one that cannot be read.
    """
    for clause in filter(None, (each.strip() for each in " ".join(text.split()).split(","))):
        kept, found = [], []
        for one in clause.split("|"):
            read = _ALTERNATIVE.fullmatch(one)
            if read is None:
                raise ValueError(clause)
            name, qualifier, version, architectures, profiles = read.groups()
            if not _of_architecture(architectures, architecture) or not _without_profiles(profiles):
                continue
            found.append(Alternative(name, version))
            named = name if qualifier in (None, "native", "any") else f"{name}:{qualifier}"
            kept.append(named if version is None else f"{named} ({version})")
        if found:
            yield " | ".join(kept), tuple(found)


def _of_architecture(wanted: str | None, architecture: str) -> bool:
    if not wanted:
        return True
    names = wanted.split()
    alike = {architecture, "any", "linux-any", f"any-{architecture}", f"linux-{architecture}"}
    if names[0].startswith("!"):
        return not any(name.removeprefix("!") in alike for name in names)
    return any(name in alike for name in names)


def _without_profiles(formula: str) -> bool:
    """Whether a restriction formula holds where no profile is active."""
    lists = re.findall(r"<([^<>]*)>", formula)
    return not lists or any(all(term.startswith("!") for term in each.split()) for each in lists)
