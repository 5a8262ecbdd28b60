"""The signed statement of which releases an OCI index names: docs/predicates/image-index.md. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member, only, render
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import IMAGE_INDEX, STATEMENT
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass

_WHAT: Final = "the statement about the index"
_MEMBERS: Final = frozenset({"manifest", "platform", "release"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of an index."""

    manifest: Sha256
    platform: tuple[tuple[str, str], ...]
    """`architecture` and `os`, as the index has them."""

    @property
    def shown(self) -> str:
        """As container tools write a system: `linux/arm64`."""
        found = dict(self.platform)
        return "/".join(found.get(name, "?") for name in ("os", "architecture"))


@dataclass(frozen=True, slots=True)
class Released:
    """The release that an image is of."""

    name: str
    digest: Sha256
    """Of its release.json."""


Known = Mapping[Entry, frozenset[Released]]
"""What was stated of each image; several, where several said it."""


def entries_of(document: Mapping[str, Any]) -> tuple[Entry, ...]:
    """The images that an index names. Raises MalformedError."""
    return tuple(
        Entry(_digest(member(each, "digest", str, "the index")), _platform(each, "the index"))
        for each in member(document, "manifests", list, "the index")
    )


def stated(repository: str, index: Sha256, known: Sequence[tuple[Entry, Released]]) -> bytes:
    """The statement's exact bytes: the same for the same index and releases."""
    manifests = [
        {
            "manifest": {"digest": {"sha256": entry.manifest.hex}},
            "platform": dict(entry.platform),
            "release": {"name": release.name, "digest": {"sha256": release.digest.hex}},
        }
        for entry, release in sorted(known, key=lambda each: (each[0].shown, each[0].manifest.hex))
    ]
    return render(
        {
            "_type": STATEMENT,
            "subject": [{"name": repository, "digest": {"sha256": index.hex}}],
            "predicateType": IMAGE_INDEX,
            "predicate": {"images": manifests},
        }
    )


def read(found: Statement) -> Mapping[Entry, Released]:
    """What a statement says of images, of whichever index. Raises MalformedError."""
    if found.predicate_type != IMAGE_INDEX:
        raise MalformedError(f"{_WHAT} is of the type {found.predicate_type}")
    only(found.predicate, frozenset({"images"}), _WHAT)
    read: dict[Entry, Released] = {}
    for each in member(found.predicate, "images", list, _WHAT):
        only(each, _MEMBERS, _WHAT)
        entry = Entry(_sha256(member(each, "manifest", dict, _WHAT)), _platform(each, _WHAT))
        release = member(each, "release", dict, _WHAT)
        if entry in read:
            raise MalformedError(f"{_WHAT} names an image twice")
        read[entry] = Released(member(release, "name", str, _WHAT), _sha256(release))
    return read


def together(stated: Iterable[Mapping[Entry, Released]]) -> Known:
    """What several statements say."""
    found: dict[Entry, frozenset[Released]] = {}
    for one in stated:
        for entry, release in one.items():
            found[entry] = found.get(entry, frozenset()) | {release}
    return found


def _platform(of: Any, what: str) -> tuple[tuple[str, str], ...]:
    """All that it says of the system. Raises MalformedError."""
    found = member(of, "platform", dict, what)
    return tuple((name, member(found, name, str, what)) for name in sorted(found))


def _sha256(of: Mapping[str, Any]) -> Sha256:
    return _digest("sha256:" + member(member(of, "digest", dict, _WHAT), "sha256", str, _WHAT))


def _digest(text: str) -> Sha256:
    try:
        if not text.startswith("sha256:"):
            raise ValueError(f"{text[:80]!r} is no sha256")
        return Sha256(text.removeprefix("sha256:"))
    except ValueError as error:
        raise MalformedError(f"{_WHAT}: {error}") from None
