"""`sources.json`: the fixed inputs of a release that are published beside it. Pure.

It is not signed, and nothing in it is believed: whoever needs an input knows its digest, and hashes what
comes. docs/reference/published-sources.md has it field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member, only, read, render_document
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.values import dataclass
from orchestrator.publishing import formats

LISTING: Final = "sources.json"
FOLDER: Final = "sources"
"""Where they lie, beside the releases that need them."""
LISTING_LIMIT: Final = 1 << 24
"""The largest list, in bytes: one of some 50,000 inputs."""
_VERSION: Final = 1
_MARKS: Final = 2_000_000
_MEMBERS: Final = frozenset({"name", "form", "sha256", "size", "pinned", "urls"})
Pinned = Sha256 | NarHash | OtherDigest


@dataclass(frozen=True, slots=True)
class Input:
    """One fixed input, as a flat file: its bytes, or its NAR where it is a folder."""

    name: str
    digest: Pinned
    """By which it is wanted."""
    sha256: Sha256
    """Of the file."""
    size: int
    urls: tuple[str, ...] = ()
    """Where its maker has it from."""

    @property
    def path(self) -> str:
        """The file's path beside the releases: the same for the same bytes."""
        return f"{FOLDER}/sha256-{self.sha256.hex}"

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "form": "nar" if is_nar(self.digest) else "file",
            "sha256": self.sha256.hex,
            "size": self.size,
            "urls": list(self.urls),
        }
        if isinstance(self.digest, OtherDigest):
            found["pinned"] = f"{self.digest.algorithm}:{self.digest.hex}"
        return found

    @classmethod
    def parse(cls, value: object) -> Input:
        """Raises MalformedError."""
        only(value, _MEMBERS, LISTING)
        name = member(value, "name", str, LISTING)
        what = f"{LISTING}, {name[:80]!r}"
        form = member(value, "form", str, what)
        if form not in ("file", "nar"):
            raise MalformedError(f"{what} is of the form {form[:20]!r}, which this version does not know")
        try:
            sha256 = Sha256(member(value, "sha256", str, what))
        except ValueError as error:
            raise MalformedError(f"{what}: {error}") from None
        digest: Pinned = NarHash(sha256.hex) if form == "nar" else sha256
        assert isinstance(value, dict)
        if "pinned" in value:
            algorithm, _, written = member(value, "pinned", str, what).partition(":")
            digest = OtherDigest(algorithm, written, nar=form == "nar")
        urls = tuple(each for each in member(value, "urls", list, what) if isinstance(each, str))
        return cls(name, digest, sha256, member(value, "size", int, what), urls)


@dataclass(frozen=True, slots=True)
class Supplied:
    """An input on its way out."""

    input: Input
    chunks: Callable[[], Iterator[bytes]]
    """Its bytes. Raises TallyError at their end where they are others by now."""


def is_nar(digest: Pinned) -> bool:
    """Whether a digest is of a NAR."""
    return digest.nar if isinstance(digest, OtherDigest) else isinstance(digest, NarHash)


def render(inputs: Iterable[Input]) -> bytes:
    """The list's bytes: the same for the same inputs."""
    ordered = sorted(inputs, key=lambda each: (each.name, each.sha256.hex))
    return render_document({"sourcesFormat": _VERSION, "sources": [each.document for each in ordered]})


def parse(data: bytes) -> Mapping[Pinned, Input]:
    """The inputs in a list, by what each is wanted by. Raises MalformedError, TallyError."""
    document = read(data, LISTING, _MARKS)
    formats.check(document, "sourcesFormat", _VERSION, LISTING)
    found = map(Input.parse, member(document, "sources", list, LISTING))
    return {each.digest: each for each in found}
