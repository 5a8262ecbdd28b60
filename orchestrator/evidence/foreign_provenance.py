"""Provenance that others wrote, as far as it says what would be built again. Pure.

docs/reference/foreign-provenance.md says which fields are read.

Specifications: SLSA provenance v1 and v0.2; Nix flake references as its manual has them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.ground.values import dataclass

_SLSA: Final = "https://slsa.dev/provenance/"
_SCHEMES: Final = r"(?:github|gitlab|sourcehut|git\+https|git\+ssh|https|tarball\+https):"
_FLAKE: Final = re.compile(_SCHEMES + r"[A-Za-z0-9._~:/?=&%+@-]+#[A-Za-z0-9._^+-]+")
"""Nothing that a shell would read as more than a word in quotes."""
_PINNED: Final = re.compile(r"[/?=&][0-9a-f]{40}(?:[0-9a-f]{24})?(?=[#?&/]|$)|[?&]narHash=")
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

    @property
    def is_pinned(self) -> bool:
        """Whether the reference is of one commit or one content."""
        return self.flake is not None and _PINNED.search(self.flake) is not None


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
    return Foreign(build_type, flake, tuple(outputs))


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
