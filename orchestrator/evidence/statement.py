"""in-toto Statements v1: who they are about, of what type, and the exact bytes that get signed. Pure.

Specification: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.canonical import MalformedError, member, read, render
from orchestrator.evidence.oci import manifest_name
from orchestrator.evidence.terms import STATEMENT
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.evidence.facts import ReleaseFacts


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `subjects` is name to sha256 in hexadecimal."""

    subjects: Mapping[str, str]
    predicate_type: str
    predicate: Mapping[str, Any]
    payload: bytes
    """The statement as JSON: signed, and read back, as these bytes alone."""


def subjects_of(facts: ReleaseFacts) -> dict[str, str]:
    """The artifact by its sha256, and each output's NAR, named after its store path, by the NAR's sha256.

    And the manifest that the artifact has in a registry.
    """
    found = {facts.artifact.file_name: facts.artifact.sha256.hex}
    if facts.artifact.manifest is not None:
        found[manifest_name(facts.artifact.file_name)] = facts.artifact.manifest.hex
    for path, built in facts.products.items():
        found[nar_name(path)] = built.nar_hash.hex
    return found


def nar_name(path: str) -> str:
    """The name that the NAR of a store path goes by: the path's last part, digits and all, with `.nar`."""
    return f"{path.rsplit('/', 1)[-1]}.nar"


def make(facts: ReleaseFacts, predicate_type: str, predicate: Mapping[str, Any]) -> Statement:
    """A statement about the release, in canonical bytes."""
    subjects = subjects_of(facts)
    payload = render(
        {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": value}} for name, value in subjects.items()],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )
    return Statement(subjects, predicate_type, predicate, payload)


def parse(payload: bytes, what: str) -> Statement:
    """Read a statement back from signed bytes; members unknown to us are ignored, as the parsing rules say.

    Raises MalformedError.
    """
    document = read(payload, what)
    if member(document, "_type", str, what) != STATEMENT:
        raise MalformedError(f"{what} is not an in-toto Statement v1")
    subjects: dict[str, str] = {}
    for subject in member(document, "subject", list, what):
        name = member(subject, "name", str, f"{what}, subject")
        if name in subjects:
            raise MalformedError(f"{what} names the subject {name!r} twice")
        subjects[name] = member(
            member(subject, "digest", dict, f"{what}, {name}"), "sha256", str, f"{what}, {name}"
        )
    if not subjects:
        raise MalformedError(f"{what} has no subject")
    predicate = member(document, "predicate", dict, what)
    return Statement(subjects, member(document, "predicateType", str, what), predicate, payload)
