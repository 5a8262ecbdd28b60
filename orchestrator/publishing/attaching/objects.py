"""Attaching in a bucket: objects beside the release's folder, the statement last."""

from __future__ import annotations

from orchestrator.publishing.objects.bucket import Bucket
from orchestrator.publishing.rebuilds import FOLDER, Word
from orchestrator.publishing.reference import ObjectStore


def attach(reference: ObjectStore, name: str, word: Word, bucket: Bucket | None = None) -> None:
    """As `PREFIX/NAME.rebuilds/…`, with the retention that the bucket gives to every object.

    Raises TallyError.
    """
    bucket = bucket or Bucket(reference, publish=True)
    above = f"{reference.prefix}/" if reference.prefix else ""
    for each in word.ordered:
        key = f"{above}{reference.release or name}.{FOLDER}/{word.listed.name}/{each.path}"
        bucket.put(key, each.size, each.sha256, each.chunks, None)
