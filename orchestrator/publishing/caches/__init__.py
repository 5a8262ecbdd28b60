"""Nix binary caches that are published to, a file a kind of place."""

from __future__ import annotations

from orchestrator.caches.writing import BinaryCache
from orchestrator.publishing.reference import NixCache


def of(reference: NixCache) -> BinaryCache:
    """The cache at an address as Nix writes it. Raises TallyError."""
    scheme = reference.address.partition("://")[0].lower()
    if scheme == "file":
        from orchestrator.publishing.caches.folder import CacheFolder

        return BinaryCache(CacheFolder.at(reference))
    if scheme == "s3":
        from orchestrator.publishing.caches.bucket import CacheBucket

        return BinaryCache(CacheBucket.at(reference))
    from orchestrator.publishing.caches.server import CacheServer

    return BinaryCache(CacheServer.at(reference))
