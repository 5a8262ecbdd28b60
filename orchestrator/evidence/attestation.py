"""Anybody's in-toto statements: of what type, about what. Pure.

Specification: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, and v0.1 of the same,
which differs in nothing that is read here. Members that are not known are ignored, as the parsing rules say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.evidence.terms import STATEMENT

_TYPES = frozenset({STATEMENT, "https://in-toto.io/Statement/v0.1"})
_MOST_SUBJECTS, _MOST_DIGESTS = 1024, 32
"""sigstore-go reads no more."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement. Each subject is a digest set: algorithm to digest in hexadecimal."""

    predicate_type: str
    subjects: tuple[Mapping[str, str], ...]
    predicate: object = None
    """As it was signed; None: it has none, as statements may."""

    def about(self, algorithm: str, digest: bytes) -> bool:
        """Whether one of the subjects has this digest."""
        return any(subject.get(algorithm) == digest.hex() for subject in self.subjects)

    def has(self, algorithm: str) -> bool:
        """Whether any subject is named by this algorithm."""
        return any(algorithm in subject for subject in self.subjects)


def parse(payload: bytes, what: str) -> Attestation:
    """Read a statement from signed bytes. Raises MalformedError."""
    document = read(payload, what)
    if member(document, "_type", str, what) not in _TYPES:
        raise MalformedError(f"{what} is not an in-toto statement v0.1 or v1")
    subjects = [
        _digests(member(subject, "digest", dict, f"{what}, subject,"), what)
        for subject in member(document, "subject", list, what)[: _MOST_SUBJECTS + 1]
    ]
    if not 0 < len(subjects) <= _MOST_SUBJECTS:
        raise MalformedError(f"{what} has no subject, or more than {_MOST_SUBJECTS}")
    return Attestation(
        member(document, "predicateType", str, what), tuple(subjects), document.get("predicate")
    )


def _digests(value: Mapping[str, object], what: str) -> Mapping[str, str]:
    found = {algorithm: digest for algorithm, digest in value.items() if isinstance(digest, str)}
    if len(found) != len(value) or not 0 < len(found) <= _MOST_DIGESTS:
        raise MalformedError(f"{what} has a subject whose digests are none")
    return found
