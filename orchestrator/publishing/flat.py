"""Flat names, and the index over them: how a static folder holds many releases. Pure.

Each file of a release has a name of its own, without a folder: docs/reference/static-folder.md. The index
says no more than where to look. Nothing in it is believed: a release is verified from its own files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from orchestrator.evidence.canonical import (
    MalformedError,
    member,
    moment,
    only,
    read,
    render_document,
    seconds,
)
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass, replace
from orchestrator.publishing import formats
from orchestrator.publishing.folder import UnsafeNameError, checked
from orchestrator.publishing.index import INDEX, Index

FLAT_INDEX: Final = "index.json"
SUMS: Final = "SHA256SUMS"
FEED: Final = "feed.atom"
LOCATIONS: Final = "locations.sigstore.json"
"""The signed statement of where a release is, beside its files: no part of the release itself."""
RESERVED: Final = frozenset({FLAT_INDEX, SUMS, FEED})
FLAT_LIMIT: Final = 1 << 25
"""The largest index, in bytes: one of some 50,000 releases."""
_VERSION: Final = 1
_MARKS: Final = 2_000_000
_LONGEST: Final = 255  # bytes of a name (NAME_MAX)
_PLAIN: Final = re.compile(r"[A-Za-z0-9.-]")
_ENTRY: Final = frozenset({"name", "version", "system", "published", "artifact", "release", "locations"})


def flat(path: str) -> str:
    """The one flat name of `RELEASE/PATH`, of letters, digits and `.`, `-`, `_`: no two paths share one.

    A `/` becomes `__`; an underscore stays where a letter, a digit or a dot follows; all else, and other
    underscores, become `_-HEX-`. Read from the left, each of these says which it is.
    Raises MalformedError where the name would be longer than file systems take.
    """
    found = []
    for place, each in enumerate(path):
        following = path[place + 1 : place + 2]
        if each == "/":
            found.append("__")
        elif _PLAIN.fullmatch(each) or (each == "_" and re.fullmatch(r"[A-Za-z0-9.]", following)):
            found.append(each)
        else:
            found.append(f"_-{ord(each):x}-")
    name = "".join(found)
    if len(name) > _LONGEST:
        raise MalformedError(f"{path[:80]}… has a flat name longer than {_LONGEST} bytes")
    return name


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the static folder."""

    file: str
    sha256: Sha256
    size: int

    @property
    def document(self) -> Mapping[str, Any]:
        return {"file": self.file, "sha256": self.sha256.hex, "size": self.size}

    @classmethod
    def parse(cls, value: object, what: str) -> Listed:
        """Raises MalformedError."""
        file = member(value, "file", str, what)
        try:
            checked(file)
            digest = Sha256(member(value, "sha256", str, what))
        except (UnsafeNameError, ValueError) as error:
            raise MalformedError(f"{what}: {error}") from None
        if "/" in file or file in RESERVED:
            raise MalformedError(f"{what} names {file!r}, which is no file of a release")
        return cls(file, digest, member(value, "size", int, what))


@dataclass(frozen=True, slots=True)
class Entry:
    """A release in a static folder."""

    name: str
    version: str | None
    system: str
    published: str
    """When it was first, RFC 3339 in UTC."""
    artifact: Listed
    release: Listed
    """Its release.json: by its digest the whole release is known."""
    locations: Listed | None = None

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "system": self.system,
            "published": self.published,
            "artifact": self.artifact.document,
            "release": self.release.document,
        }
        if self.version is not None:
            found["version"] = self.version
        if self.locations is not None:
            found["locations"] = self.locations.document
        return found

    def file(self, path: str, index: Index) -> str:
        """The flat name of a file of the release. Raises MalformedError."""
        if path == index.artifact:
            return self.artifact.file
        return flat(f"{self.name}/{path}")

    @classmethod
    def parse(cls, value: object) -> Entry:
        """Raises MalformedError."""
        only(value, _ENTRY, FLAT_INDEX)
        name = member(value, "name", str, FLAT_INDEX)
        what = f"{FLAT_INDEX}, {name[:80]!r}"
        assert isinstance(value, dict)
        published = member(value, "published", str, what)
        try:
            if "/" in checked(name):
                raise MalformedError(f"{what} is no release's name")
        except UnsafeNameError as error:
            raise MalformedError(f"{FLAT_INDEX}: {error}") from None
        return cls(
            name,
            member(value, "version", str, what) if "version" in value else None,
            member(value, "system", str, what),
            seconds(moment(published, what)),
            Listed.parse(member(value, "artifact", dict, what), what),
            Listed.parse(member(value, "release", dict, what), what),
            Listed.parse(member(value, "locations", dict, what), what) if "locations" in value else None,
        )


@dataclass(frozen=True, slots=True)
class FlatIndex:
    """What lies in a static folder."""

    id: str
    """Of the feed: `urn:uuid:…`, made once."""
    entries: tuple[Entry, ...] = ()

    def named(self, name: str) -> Entry | None:
        """The release of this name."""
        return next((each for each in self.entries if each.name == name), None)

    def using(self, file: str) -> Entry | None:
        """The release that a flat name belongs to."""
        return next(
            (
                each
                for each in self.entries
                if file in (each.artifact.file, each.release.file) or file.startswith(flat(f"{each.name}/"))
            ),
            None,
        )

    def with_entry(self, entry: Entry) -> FlatIndex:
        """With one more, or in another's place that has its name."""
        others = (each for each in self.entries if each.name != entry.name)
        return replace(self, entries=tuple(sorted((*others, entry), key=lambda each: each.name)))

    def render(self) -> bytes:
        """The file's bytes."""
        document = {
            "indexFormat": _VERSION,
            "id": self.id,
            "releases": [each.document for each in self.entries],
        }
        return render_document(document)


def parse(data: bytes) -> FlatIndex:
    """Read an index. Raises MalformedError, and TallyError for one by a newer Tallystick."""
    document = read(data, FLAT_INDEX, _MARKS)
    formats.check(document, "indexFormat", _VERSION, FLAT_INDEX)
    only(document, frozenset({"indexFormat", "id", "releases"}), FLAT_INDEX)
    said = member(document, "id", str, FLAT_INDEX)
    try:
        UUID(said.removeprefix("urn:uuid:"))
    except ValueError:
        raise MalformedError(f"{FLAT_INDEX} has an id that is no urn:uuid:") from None
    entries = tuple(map(Entry.parse, member(document, "releases", list, FLAT_INDEX)))
    if len({each.name for each in entries}) != len(entries):
        raise MalformedError(f"{FLAT_INDEX} names a release twice")
    return FlatIndex(said, entries)


def files_of(entry: Entry, index: Index) -> dict[str, Listed]:
    """Every file of a release in a static folder, by its path in the release, its index last.

    Raises MalformedError.
    """
    found = {
        path: Listed(entry.file(path, index), sha256, size) for path, (sha256, size) in index.files.items()
    }
    found[INDEX] = entry.release
    if len({each.file for each in found.values()}) != len(found):
        raise MalformedError(f"{entry.name}: two of its files would have one flat name")
    return found


def sums(before: bytes, files: Iterable[Listed]) -> bytes:
    """`SHA256SUMS` with these files too, as `sha256sum --check` reads it: a line each, sorted by name."""
    lines = {
        line[66:]: line[:64] for line in before.decode(errors="replace").splitlines() if line[64:66] == "  "
    }
    lines |= {each.file: each.sha256.hex for each in files}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(lines.items())).encode()
