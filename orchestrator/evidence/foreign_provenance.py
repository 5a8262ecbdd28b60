"""Provenance that others wrote, as far as it says what would be built again. Pure.

docs/reference/foreign-provenance.md says which fields are read.

Specifications: SLSA provenance v1 and v0.2; Nix flake references as its manual has them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.ground.digest import hexadecimal
from orchestrator.ground.values import dataclass, field

_SLSA: Final = "https://slsa.dev/provenance/"
_SCHEMES: Final = r"(?:github|gitlab|sourcehut|git\+https|git\+ssh|git\+file|https|tarball\+https):"
_FLAKE: Final = re.compile(_SCHEMES + r"[A-Za-z0-9._~:/?=&%+@-]+#[A-Za-z0-9._^+-]+")
"""Nothing that a shell would read as more than a word in quotes."""
_COMMIT: Final = re.compile(r"[/?=&][0-9a-f]{40}(?:[0-9a-f]{24})?(?=[#?&/]|$)")
_CONTENT: Final = re.compile(r"[?&]narHash=([^#&]*)")
_NAR: Final = frozenset({"narHash", "narSha256", "nar-sha256", "nixNarSha256"})
"""What the sha256 of a NAR is called in a digest set, beside `sha256`, which may be of a file as well."""
_OUTPUT: Final = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]+")
_DEPTH: Final = 4
_WHAT: Final = "the provenance"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What somebody's provenance says of a build."""

    build_type: str
    flake: str | None
    """The first reference to an attribute of a flake."""
    outputs: tuple[str, ...]
    """Store paths among its subjects and parameters."""
    digests: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    """Output to its sha256 in hexadecimal, of those that a subject names; and whether that is a NAR's."""

    @property
    def is_pinned(self) -> bool:
        """Whether the reference is of one commit or one content."""
        return self.names_commit or self.names_content

    @property
    def names_commit(self) -> bool:
        return self.flake is not None and _COMMIT.search(self.flake) is not None

    @property
    def names_content(self) -> bool:
        return self.content is not None

    @property
    def content(self) -> str | None:
        """The NAR's sha256 of the flake's tree, in hexadecimal; None: the reference has none."""
        found = _CONTENT.search(self.flake or "")
        try:
            return hexadecimal(unquote(found[1])) if found else None
        except ValueError:
            return None

    @property
    def fetched(self) -> str:
        """The reference without that: a tree is fetched by its commit, and then has this hash, or has not."""
        address, mark, attribute = (self.flake or "").partition("#")
        place, question, query = address.partition("?")
        rest = [each for each in query.split("&") if not each.startswith("narHash=")]
        return place + (question + "&".join(rest) if any(rest) else "") + mark + attribute


def parse(data: bytes) -> Foreign | None:
    """A statement, alone, in an envelope or in a bundle; None: it is no provenance. Nothing is verified."""
    try:
        document = _statement(read(data, _WHAT))
        kind, predicate = document.get("predicateType"), document.get("predicate")
        if not isinstance(kind, str) or not kind.startswith(_SLSA) or not isinstance(predicate, dict):
            return None
        definition = predicate.get("buildDefinition")
        if isinstance(definition, dict):
            build_type = member(definition, "buildType", str, _WHAT)
            given = definition.get("externalParameters")
        else:
            build_type, given = member(predicate, "buildType", str, _WHAT), predicate.get("invocation")
        texts = [*_texts(document.get("subject"), _DEPTH), *_texts(given, _DEPTH)]
    except (MalformedError, ValueError):
        return None
    flake = next((found[0] for text in texts if (found := _FLAKE.fullmatch(text))), None)
    outputs = dict.fromkeys(found[0] for text in texts if (found := _OUTPUT.match(text)))
    return Foreign(build_type, flake, tuple(outputs), dict(_digests(document.get("subject"))))


def _digests(subjects: object) -> Iterator[tuple[str, tuple[str, bool]]]:
    for each in subjects if isinstance(subjects, list) else ():
        paths = [found[0] for text in _texts(each, 1) if (found := _OUTPUT.fullmatch(text))]
        told = each.get("digest") if isinstance(each, dict) else None
        if not paths or not isinstance(told, dict):
            continue
        for name in (*sorted(_NAR & told.keys()), *({"sha256"} & told.keys())):
            with suppress(ValueError, TypeError):
                yield paths[0], (hexadecimal(told[name]), name in _NAR)
                break


def _statement(document: object) -> Mapping[str, Any]:
    """What an envelope or a bundle holds. Raises MalformedError, ValueError."""
    for name in ("dsseEnvelope", "payload"):
        if isinstance(document, dict) and name in document:
            inner = document[name]
            document = read(b64decode(inner), _WHAT) if isinstance(inner, str) else inner
    if not isinstance(document, dict):
        raise MalformedError(f"{_WHAT} is no object")
    return document


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each, depth - 1)
