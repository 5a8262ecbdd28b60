"""What is published beside a release, as a place that fixed inputs are taken from by their digests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock as Mutex
from typing import TYPE_CHECKING

from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Absent, Unreachable
from orchestrator.policy.verdict import Refused
from orchestrator.publishing import inputs
from orchestrator.publishing.inputs import Input, Pinned
from orchestrator.publishing.sources.source import Shelf, bounded

if TYPE_CHECKING:
    from orchestrator.caches.supplying import Cache
    from orchestrator.run.workshop import Workshop

_NONE = "no sources are published beside the release"


class Published:
    """The inputs beside one release. Their list is fetched when the first of them is wanted."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._listed: Mapping[Pinned, Input] | None = None
        self._mutex = Mutex()

    @property
    def place(self) -> str:
        return self._shelf.place

    def listed(self) -> Mapping[Pinned, Input]:
        """What is there, by what it is wanted by; of several lists, all. Raises Unreachable."""
        with self._mutex:
            if self._listed is None:
                self._listed = self._read_lists()
            return self._listed

    def read(self, name: str, digest: Pinned) -> Iterator[bytes]:
        """An input's bytes, no more than its list says. Raises Absent, Unreachable."""
        listed = self.listed()
        if digest not in listed:
            raise Absent(f"it is not among the {len(listed)} that are published there" if listed else _NONE)
        one = listed[digest]
        try:
            yield from bounded(self._shelf.read(one), one.size, one.name)
        except Refused as refused:
            raise Unreachable(refused.reasons[0].sentence) from refused
        except TallyError as error:
            raise Unreachable(error.message) from error

    def _read_lists(self) -> Mapping[Pinned, Input]:
        """Who may write there can put another list on top: what an earlier one says of an input stays."""
        found: dict[Pinned, Input] = {}
        odd: MalformedError | None = None
        try:
            for data in self._shelf.listings():
                try:
                    found = {**inputs.parse(data), **found}
                except MalformedError as error:
                    odd = error
        except Refused as refused:
            raise Unreachable(refused.reasons[0].sentence) from refused
        except TallyError as error:
            raise Unreachable(error.message) from error
        if odd is not None and not found:
            raise Unreachable(str(odd)) from odd
        return found


def of_caches(workshop: Workshop) -> tuple[Cache, ...]:
    """The caches that inputs come from, whose word counts for nothing here."""
    # late: verifying what is published has no caches, and need not wait for 0.4 s of imports
    from orchestrator.caches.cache import Caches
    from orchestrator.caches.supplying import supplies_of

    inputs = workshop.configuration.inputs
    if inputs.from_ != "cache":
        return ()
    return supplies_of(Caches.of(inputs.caches, inputs.believed_keys), workshop.store.nix.scratch)


def of_folder(release: Path) -> Published:
    """What lies beside a release folder on this machine, or beside the one that an artifact is in."""
    from orchestrator.publishing.sources.static import beside

    folder = release if release.is_dir() else release.parent
    return Published(beside(f"{folder.absolute().as_uri()}/"))
