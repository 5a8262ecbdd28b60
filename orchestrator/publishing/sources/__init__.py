"""Where releases are fetched from, a file a kind of place."""

from __future__ import annotations

from typing import assert_never

from orchestrator.ground.errors import TallyError
from orchestrator.publishing.reference import NixCache, ObjectStore, Reference, Registry, Static
from orchestrator.publishing.sources.source import Source


def of(reference: Reference) -> Source:
    """What fetches from there. Raises TallyError for a place that has no releases."""
    match reference:
        case Static():
            from orchestrator.publishing.sources.static import StaticSource

            return StaticSource(reference)
        case Registry():
            from orchestrator.publishing.sources.registry import RegistrySource

            return RegistrySource(reference)
        case ObjectStore():
            from orchestrator.publishing.sources.objects import ObjectSource

            return ObjectSource(reference)
        case NixCache():
            raise TallyError(
                f"{reference} is a Nix cache: it has store paths, and no release to fetch",
                hint="`nix copy --from` and `nix store verify` read it; give where else the release was "
                "published: dir:PATH, https://HOST/PATH/, oci://HOST/REPOSITORY or s3://BUCKET/PREFIX",
            )
        case _:
            assert_never(reference)
