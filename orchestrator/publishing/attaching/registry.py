"""Attaching in a registry: one more manifest that refers to the artifact, and the statement as for cosign."""

from __future__ import annotations

from orchestrator.evidence.oci import EMPTY
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.policy.verdict import Refused
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.rebuilds import Word
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry import manifests
from orchestrator.publishing.registry.repository import Repository


def attach(reference: Registry, name: str, word: Word) -> None:
    """`reference` has the digest of what the release is attached to. Raises TallyError."""
    repository = Repository(reference, Downloader(manners=MANNERS), push=True)
    try:
        subject = repository.manifest(str(reference.digest))
        if subject is None:
            raise TallyError(f"{reference} is gone", hint="publish the release again")
        repository.put_blob(Sha256.of(EMPTY), len(EMPTY), lambda: iter((EMPTY,)))
        for each in word.files:
            repository.put_blob(each.sha256, each.size, each.chunks)
        attached = [manifests.rebuild(word, name, subject)]
        if word.is_yes:  # of a no the subjects are derivations, which cosign asks nobody about
            kind = word.statement.predicate_type
            attached.insert(0, manifests.bundle(word.data, kind, None, subject))
        repository.attach(subject.digest, attached)
    except Refused as refused:
        raise TallyError(f"{reference}: {refused.reasons[0].sentence}", hint="ask its operator") from refused


def refuse_unwritable(reference: Registry) -> None:
    """Raises TallyError where the credentials are refused."""
    Repository(reference, Downloader(manners=MANNERS), push=True).tags()
