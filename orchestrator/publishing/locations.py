"""The statement of where a release can be fetched, signed beside it: docs/predicates/locations.md.

Specification: https://in-toto.io/attestation/release/v0.1 (in-toto's release predicate, version 0.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from orchestrator.bundles import own_bundle
from orchestrator.evidence import statement
from orchestrator.evidence.canonical import MalformedError, member, render
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import LOCATIONS, PUBLISHED, STATEMENT
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.signers import Signer
from orchestrator.publishing.index import INDEX, Index
from orchestrator.recipe.purls import package_url
from orchestrator.signing import bundling


class Stating(Protocol):
    """Who signs where a release is."""

    def stated(self, payload: bytes) -> bytes:
        """A bundle around a statement. Raises TallyError."""

    def made(self, bundle: bytes, envelope: Envelope) -> bool:
        """Whether a bundle, with this envelope in it, is by the same signer."""


@dataclass(frozen=True, slots=True)
class ByKey:
    """A key."""

    key: Signer

    def stated(self, payload: bytes) -> bytes:
        """In no log: the release itself is, where its key has one."""
        return bundling.sign(payload, self.key).render()

    def made(self, bundle: bytes, envelope: Envelope) -> bool:
        """By the signature alone."""
        return dsse.signed_by(envelope, self.key.public)


def located(index: Index, name: str, locations: Sequence[str], more: Mapping[str, str]) -> bytes:
    """The statement's exact bytes: the same for the same release and locations."""
    artifact, _ = index.files[index.artifact]
    subjects = {index.artifact: artifact.hex, f"{name}/{INDEX}": Sha256.of(index.data).hex, **more}
    version = index.document.get("version") or f"sha256:{artifact.hex}"
    return render(
        {
            "_type": STATEMENT,
            "subject": [{"name": each, "digest": {"sha256": value}} for each, value in subjects.items()],
            "predicateType": PUBLISHED,
            "predicate": {
                "purl": package_url("generic", str(index.document["name"]), str(version)),
                LOCATIONS: [{"uri": each} for each in sorted(set(locations))],
            },
        }
    )


def signed(
    index: Index,
    name: str,
    locations: Sequence[str],
    more: Mapping[str, str],
    by: Stating,
    before: bytes | None,
) -> bytes:
    """The bundle around it, with the locations that the one before has by the same signer.

    `more` are further subjects, as the manifest that a registry has. It is the one before where nothing is
    new. Raises TallyError where the key cannot be used.
    """
    known: tuple[str, ...] = ()
    if before is not None:
        with suppress(MalformedError):
            known = told(before, index, by)
    if before is not None and set(locations) <= set(known):
        return before
    return by.stated(located(index, name, [*known, *locations], more))


def told(data: bytes, index: Index, by: Stating) -> tuple[str, ...]:
    """The locations in a bundle by this signer about this release. Raises MalformedError."""
    envelope = own_bundle.parse(data, "the locations").envelope
    if not by.made(data, envelope):
        raise MalformedError("the locations are not signed by the key or identity in use")
    found = statement.parse(envelope.payload, "the locations")
    if found.predicate_type != PUBLISHED or Sha256.of(index.data).hex not in found.subjects.values():
        raise MalformedError("the locations are of another release")
    return _locations(found)


def _locations(found: Statement) -> tuple[str, ...]:
    entries = member(found.predicate, LOCATIONS, list, "the locations")
    return tuple(member(each, "uri", str, "the locations") for each in entries)
