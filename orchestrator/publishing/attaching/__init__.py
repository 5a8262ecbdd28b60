"""Putting a rebuilder's word where a release is published, a file a kind of place."""

from __future__ import annotations

from typing import assert_never

from orchestrator.ground.errors import TallyError
from orchestrator.publishing.rebuilds import Word
from orchestrator.publishing.reference import NixCache, ObjectStore, Reference, Registry, Static


def attach(place: Reference, name: str, word: Word) -> None:
    """Attach to the release `name` at a place: it is found there once it is whole. Raises TallyError."""
    match place:
        case Static():
            from orchestrator.publishing.attaching.static import attach as attach_there

            return attach_there(place, name, word)
        case Registry():
            from orchestrator.publishing.attaching.registry import attach as attach_to

            return attach_to(place, name, word)
        case ObjectStore():
            from orchestrator.publishing.attaching.objects import attach as attach_beside

            return attach_beside(place, name, word)
        case NixCache():
            raise refused(place)
        case _:
            assert_never(place)


def refuse_unusable(reference: Reference) -> None:
    """Raises TallyError, before hours of building, for a place that nothing can be attached to."""
    if isinstance(reference, NixCache) or (isinstance(reference, Static) and reference.path is None):
        raise refused(reference)
    if isinstance(reference, Registry):
        from orchestrator.publishing.attaching.registry import refuse_unwritable

        refuse_unwritable(reference)


def refused(reference: Reference) -> TallyError:
    """The error for a place that takes nothing."""
    return TallyError(
        f"{reference}: nothing can be attached there",
        hint="sign into a folder with --attest DIR, and give that to whoever publishes there",
    )
