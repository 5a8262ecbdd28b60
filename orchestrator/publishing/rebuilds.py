"""What rebuilders attach to a published release: their signed word, with its evidence. Pure.

Nothing of it is part of the release, and nothing is believed: a policy's `[rebuilders]` says whose word
counts.
docs/reference/attached-rebuilds.md has it for each kind of place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchestrator.bundles import own_bundle
from orchestrator.evidence import disagreement, statement
from orchestrator.evidence.canonical import MalformedError, member, only, read, render_document
from orchestrator.evidence.rebuilt import rebuilt_in
from orchestrator.evidence.statement import Statement
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass
from orchestrator.keys import dsse
from orchestrator.keys.key import PublicKey
from orchestrator.publishing.folder import UnsafeNameError, checked

if TYPE_CHECKING:
    from orchestrator.evidence.facts import ReleaseFile

LISTING: Final = "rebuilds.json"
FOLDER: Final = "rebuilds"
BUNDLE: Final = ".sigstore.json"
LISTING_LIMIT: Final = 1 << 22
WORD_LIMIT: Final = 1 << 20
"""Bytes of a bundle, at most: a reproduction statement of a thousand outputs has a third of that."""
_VERSION: Final = 1
_MARKS: Final = 500_000


@dataclass(frozen=True, slots=True)
class File:
    """A file of the evidence, where it is listed."""

    path: str
    """Within that evidence."""
    sha256: Sha256
    size: int

    @classmethod
    def parse(cls, value: object) -> File:
        """Raises MalformedError."""
        only(value, frozenset({"path", "sha256", "size"}), LISTING)
        try:
            path, sha256 = checked(member(value, "path", str, LISTING)), member(value, "sha256", str, LISTING)
            return cls(path, Sha256(sha256), member(value, "size", int, LISTING))
        except (UnsafeNameError, ValueError) as error:
            raise MalformedError(f"{LISTING}: {error}") from None


@dataclass(frozen=True, slots=True)
class Listed:
    """One rebuild, as a list has it."""

    name: str
    """The digest of its word, in hexadecimal."""
    files: tuple[File, ...]

    def place(self, file: File) -> str:
        """Where a file of it lies, below the folder that all rebuilds share."""
        return f"{self.name}/{file.path}"

    @property
    def bundles(self) -> tuple[File, ...]:
        return tuple(each for each in self.files if each.path.endswith(BUNDLE))

    @property
    def document(self) -> dict[str, Any]:
        files = [{"path": each.path, "sha256": each.sha256.hex, "size": each.size} for each in self.files]
        return {"name": self.name, "files": files}

    @classmethod
    def parse(cls, value: object) -> Listed:
        """Raises MalformedError."""
        only(value, frozenset({"name", "files"}), LISTING)
        try:
            name = Sha256(member(value, "name", str, LISTING)).hex
        except ValueError as error:
            raise MalformedError(f"{LISTING}: {error}") from None
        return cls(name, tuple(map(File.parse, member(value, "files", list, LISTING))))


@dataclass(frozen=True, slots=True)
class Word:
    """What a rebuilder signed about one release, on its way out."""

    files: tuple[ReleaseFile, ...]
    release: Sha256
    """The digest of that release's release.json."""

    @property
    def bundle(self) -> ReleaseFile:
        """The statement itself."""
        return next(each for each in self.files if each.path.endswith(BUNDLE))

    @property
    def data(self) -> bytes:
        """The statement's bytes."""
        return b"".join(self.bundle.chunks())

    @property
    def listed(self) -> Listed:
        files = tuple(File(each.path, each.sha256, each.size) for each in self.files)
        return Listed(self.bundle.sha256.hex, tuple(sorted(files, key=lambda each: each.path)))

    @property
    def ordered(self) -> tuple[ReleaseFile, ...]:
        """The statement last: it is what makes the others looked for."""
        return (*(each for each in self.files if each is not self.bundle), self.bundle)

    @property
    def statement(self) -> Statement:
        """Raises MalformedError."""
        return statement.parse(own_bundle.parse(self.data, BUNDLE).envelope.payload, BUNDLE)

    @property
    def is_yes(self) -> bool:
        """Whether it says that the release came out the same."""
        payload = own_bundle.parse(self.data, BUNDLE).envelope.payload
        return disagreement.parse(payload, BUNDLE) is None

    def said_by(self, data: bytes, key: PublicKey) -> bool:
        """Whether a bundle that is there has the same to say of the same release, signed by this key."""
        try:
            ours, theirs = (own_bundle.parse(each, BUNDLE).envelope for each in (self.data, data))
            said = _said(ours.payload)
            return said is not None and said == _said(theirs.payload) and dsse.signed_by(theirs, key)
        except MalformedError:
            return False


def _said(payload: bytes) -> object:
    """What a statement says of a release, without who built it, when and where. Raises MalformedError."""
    predicate = statement.parse(payload, BUNDLE).predicate
    rebuilt = rebuilt_in(predicate, BUNDLE)
    if rebuilt is None:
        return None
    conditions = [
        member(each, "conditions", dict, BUNDLE) for each in member(predicate, "attributes", list, BUNDLE)
    ]
    names = sorted(member(member(each, "builder", dict, BUNDLE), "name", str, BUNDLE) for each in conditions)
    told = [
        member(member(each, name, dict, BUNDLE), "outputs", dict, BUNDLE)
        for each in conditions
        for name in ("agreement", "disagreement")
        if name in each
    ]
    return rebuilt, names, told


def render(listed: Iterable[Listed]) -> bytes:
    """The list's bytes: the same for the same rebuilds."""
    ordered = sorted(listed, key=lambda each: each.name)
    return render_document({"rebuildsFormat": _VERSION, "rebuilds": [each.document for each in ordered]})


def parse(data: bytes) -> Sequence[Listed]:
    """The rebuilds in a list. Raises MalformedError."""
    document = read(data, LISTING, _MARKS)
    only(document, frozenset({"rebuildsFormat", "rebuilds"}), LISTING)
    if member(document, "rebuildsFormat", int, LISTING) != _VERSION:
        raise MalformedError(f"{LISTING} is of a format that this version does not know")
    return tuple(map(Listed.parse, member(document, "rebuilds", list, LISTING)))
