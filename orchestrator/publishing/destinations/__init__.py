"""Where releases are published to, a file a kind of place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from orchestrator.ground.errors import TallyError
from orchestrator.publishing.destinations.destination import Destination
from orchestrator.publishing.reference import NixCache, ObjectStore, Reference, Registry, Static


def of(reference: Reference, locations: Sequence[str]) -> Destination:
    """What publishes there. `locations` are further addresses of it. Raises TallyError for a place that takes
    none."""
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
        case Registry() | ObjectStore() | NixCache():
            raise TallyError(f"{reference}: releases cannot be published there yet", hint="give dir:PATH")
        case _:
            assert_never(reference)
