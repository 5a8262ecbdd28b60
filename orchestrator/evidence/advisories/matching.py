"""Which components a record of a vulnerability is of: by package URL and version. Pure.

Specification: https://ossf.github.io/osv-schema/, "Evaluation".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any, Final

from orchestrator.evidence.advisories.osv import Advisory, Affected, Name, Range
from orchestrator.recipe.purls import parsed
from orchestrator.recipe.versions import ORDERED, ordered, same

_OTHER_REGISTRY: Final = "from other registries"
_UNVERSIONED: Final = "without a version"
_UNREADABLE: Final = "with no package URL"
_FIRST: Final = "0"
"""As `introduced`: before every version."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component, as far as it can be looked up."""

    name: str
    version: str | None
    purl: str
    """With its version."""


@dataclass(frozen=True, slots=True, order=True)
class Vulnerable:
    """A component that a record is of."""

    purl: str
    id: str
    aliases: tuple[str, ...]
    name: str
    version: str
    fixed: tuple[str, ...]
    """The versions in which it is mended, of any branch."""
    summary: str


@dataclass(frozen=True)
class Looked:
    """What looking came to."""

    found: tuple[Vulnerable, ...]
    """Sorted, each once."""
    undecided: tuple[str, ...]
    """A sentence for each component and record of which nobody can say."""
    compared: int
    """Components of types of which there were records."""
    uncompared: Mapping[str, int]
    """Type of package URL, or a word of ours, to how many components were compared with nothing."""


class Looking:
    """Components, looked up in one record after the other, since there can be a hundred thousand."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts: dict[Name, dict[str, Part]] = {}
        self._kinds = Counter[str]()
        self._seen: set[str] = set()
        self._found: set[Vulnerable] = set()
        self._undecided: set[str] = set()
        for part in {part.purl: part for part in parts}.values():
            name = _name(part.purl) if part.version is not None else _UNVERSIONED
            self._kinds[name if isinstance(name, str) else name.kind] += 1
            if isinstance(name, Name):
                self._parts.setdefault(name, {})[part.purl] = part

    def look(self, advisory: Advisory) -> None:
        """Look one record's packages up."""
        for affected in advisory.affected:
            self._seen.add(affected.package.kind)
            for part in self._parts.get(affected.package, {}).values():
                self._judge(part, affected, advisory)

    def _judge(self, part: Part, affected: Affected, advisory: Advisory) -> None:
        assert part.version is not None
        try:
            if not affects(affected, part.version):
                return
        except ValueError as error:
            self._undecided.add(f"{part.purl}, {advisory.id}: {error}")
            return
        fixed = {
            version
            for each in affected.ranges
            if not each.commits
            for event, version in each.events
            if event == "fixed"
        }
        self._found.add(
            Vulnerable(
                part.purl,
                advisory.id,
                advisory.aliases,
                part.name,
                part.version,
                tuple(sorted(fixed)),
                advisory.summary,
            )
        )

    def done(self) -> Looked:
        """What all of it came to."""
        uncompared = {kind: count for kind, count in sorted(self._kinds.items()) if kind not in self._seen}
        compared = sum(self._kinds.values()) - sum(uncompared.values())
        return Looked(tuple(sorted(self._found)), tuple(sorted(self._undecided)), compared, uncompared)


def affects(affected: Affected, version: str) -> bool:
    """Whether a version is one of those. Raises ValueError, as a sentence, where nobody can say."""
    kind = affected.package.kind
    if version in affected.versions or _plain(kind, version) in affected.versions:
        return True
    ranges = [each for each in affected.ranges if not each.commits]
    if not ranges:
        if not affected.versions:
            raise ValueError("it names no versions, or by commits of a repository alone")
        if kind not in ORDERED:
            return False
    if kind not in ORDERED:
        raise ValueError(f"univers has no order for versions of {kind}")
    here = ordered(kind, _plain(kind, version))
    try:
        spelled = any(same(here, each) for each in _readable(kind, affected.versions))
        return spelled or any(_within(kind, each, here) for each in ranges)
    except ValueError:
        raise
    except Exception as error:  # comparing, as reading, raises what it likes
        raise ValueError(f"its version {version!r} cannot be compared") from error


def _readable(kind: str, versions: Iterable[str]) -> Iterator[Any]:
    for version in versions:
        try:
            yield ordered(kind, _plain(kind, version))
        except ValueError:  # another spelling of ours can be none of these
            continue


def _within(kind: str, range_: Range, here: Any) -> bool:
    """The specification's `IncludedInRanges`, with `BeforeLimits`."""
    events = [(name, _at(kind, text)) for name, text in range_.events if name != "limit"]
    limits = [text for name, text in range_.events if name == "limit"]
    if limits and not any(text == "*" or here < _at(kind, text) for text in limits):
        return False
    vulnerable = False
    for name, at in sorted(events, key=cmp_to_key(_by_version)):
        before = at is not None and here < at  # of two spellings, as 1.0 and 1.0+x, neither is before
        if name == "introduced" and not before:
            vulnerable = True
        elif (name == "fixed" and not before) or (name == "last_affected" and at is not None and here > at):
            vulnerable = False
    return vulnerable


def _at(kind: str, text: str) -> Any:
    """A version in an event; None: before all others."""
    return None if text == _FIRST else ordered(kind, _plain(kind, text))


def _by_version(one: tuple[str, Any], other: tuple[str, Any]) -> int:
    if one[1] is None or other[1] is None:
        return (one[1] is not None) - (other[1] is not None)
    return -1 if one[1] < other[1] else int(one[1] > other[1])


def _plain(kind: str, version: str) -> str:
    """As records have it: of a Go module without the `v`."""
    return version.removeprefix("v") if kind == "golang" else version


def _name(purl: str) -> Name | str:
    """What a package URL names; else in words why no record is of it."""
    try:
        read = parsed(purl)
    except ValueError:
        return _UNREADABLE
    if "repository_url" in (read.qualifiers or {}):
        return _OTHER_REGISTRY
    return Name.of(read.type, f"{read.namespace}/{read.name}" if read.namespace else read.name)
