"""Where releases are published to, a file a kind of place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from orchestrator.ground.errors import TallyError
from orchestrator.publishing.destinations.destination import Destination
from orchestrator.publishing.objects.retention import Keeping
from orchestrator.publishing.reference import NixCache, ObjectStore, Reference, Registry, Static


def of(
    reference: Reference,
    locations: Sequence[str],
    *,
    move_tag: bool = False,
    keeping: Keeping | None = None,
) -> Destination:
    """What publishes there. `locations` are further addresses of it; `keeping` is about a bucket's objects.

    With `move_tag`, a tag may name another artifact than before. Raises TallyError for a place that takes
    no releases.
    """
    match reference:
        case Static():
            from orchestrator.publishing.destinations.static import StaticFolder

            if reference.path is None:
                raise TallyError(
                    f"{reference} is read from, and not written to",
                    hint="publish to the folder that its web server has: dir:PATH --location "
                    f"{reference.base}",
                )
            return StaticFolder(reference, reference.path, locations)
        case Registry():
            from orchestrator.publishing.destinations.registry import RegistryRepository

            return RegistryRepository(reference, locations, move_tag=move_tag)
        case ObjectStore():
            from orchestrator.publishing.destinations.objects import LockedBucket

            return LockedBucket(reference, locations, keeping or Keeping())
        case NixCache():
            raise TallyError(
                f"{reference}: releases cannot be published there yet",
                hint="give dir:PATH, oci://HOST/REPOSITORY or s3://BUCKET/PREFIX",
            )
        case _:
            assert_never(reference)
