"""Nix binary caches that are published to, a file a kind of place."""

from __future__ import annotations

from orchestrator.caches.writing import BinaryCache
from orchestrator.ground.errors import TallyError
from orchestrator.publishing.reference import NixCache


def of(reference: NixCache) -> BinaryCache:
    """The cache at an address as Nix writes it. Raises TallyError."""
    scheme = reference.address.partition("://")[0].lower()
    if scheme == "file":
        from orchestrator.publishing.caches.folder import CacheFolder

        return BinaryCache(CacheFolder.at(reference))
    raise TallyError(
        f"{reference}: publishing to a Nix cache behind {scheme}:// is not there yet",
        hint="publish to cache+file:///DIR, and have a web server or a bucket serve that folder",
    )
