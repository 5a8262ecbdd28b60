"""What every place does with a release: put its contents, then its evidence, then its index or tag."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.filebody import Stamp
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.publishing.folder import LARGE, Folder, UnsafeNameError
from orchestrator.publishing.index import INDEX, Index
from orchestrator.publishing.inputs import Supplied, render
from orchestrator.publishing.reference import Reference

_EVIDENCE = ("attestations/", "links/", "sbom/", TRUSTED_ROOT)
Sign = Callable[[bytes | None, Sequence[str], Mapping[str, str]], bytes | None]
"""The signed statement of these locations, with those of the one before; its further subjects are what the
release is there, by name and sha256. None: nobody is there to sign it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A release that verified here, on its way out."""

    folder: Folder
    name: str
    index: Index
    inputs: tuple[Supplied, ...] = ()
    """The fixed inputs that are published beside it, each digest once; none: nobody asked for them."""
    stamp: Stamp | None = None
    """The artifact's inode before the release was verified; None: it was not looked at."""

    @property
    def contents(self) -> tuple[str, ...]:
        """What is not evidence, by path."""
        return tuple(each for each in self.index.files if not each.startswith(_EVIDENCE))

    @property
    def evidence(self) -> tuple[str, ...]:
        """What vouches for it, by path."""
        return tuple(each for each in self.index.files if each.startswith(_EVIDENCE))

    @property
    def listing(self) -> bytes | None:
        """The list of its inputs; None: they are not published."""
        return render(each.input for each in self.inputs) if self.inputs else None

    @property
    def measured(self) -> Mapping[str, tuple[Sha256, int]]:
        """Every file with its digest and size, the index too."""
        return {**self.index.files, INDEX: (Sha256.of(self.index.data), len(self.index.data))}

    def body(self, path: str) -> Iterable[bytes]:
        """A file as it was verified, for a server: a large artifact is not hashed again on its way."""
        size = self.index.files[path][1] if path == self.index.artifact else 0
        if self.stamp is None or size < LARGE:
            return self.chunks(path)
        return self.folder.body(path, self.stamp, _changed(f"{self._at(path)} changed after it was verified"))

    def _at(self, path: str) -> str:
        return str(self.folder.path / path)

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file as it was verified. Raises TallyError at its end where it changed since."""
        expected, size = self.measured[path]
        if path == INDEX:
            yield self.index.data
            return
        digest, seen = hashlib.sha256(), 0
        try:
            for chunk in self.folder.chunks(path):
                digest.update(chunk)
                seen += len(chunk)
                yield chunk
        except (OSError, UnsafeNameError) as error:
            raise _changed(f"{self._at(path)}: {why(error)}") from error
        if (digest.hexdigest(), seen) != (expected.hex, size):
            raise _changed(f"{self._at(path)} changed after it was verified")


@dataclass(frozen=True, slots=True)
class Others:
    """Releases of one artifact that are published already, in a place where it has one name for all."""

    references: tuple[Reference, ...]
    """At least one."""
    point: Callable[[], tuple[Reference, bool]]
    """Let the name of the one on its way lead to the artifact: the reference, and whether it did not.

    Raises TallyError where it leads to another artifact and may not be moved.
    """


class Destination(Protocol):
    """A place that releases are published to."""

    def refuse_unusable(self) -> None:
        """Raises TallyError where nothing could be published, before anything is."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Nobody else publishes there meanwhile, as far as the place can see to that."""

    def others(self, release: Outgoing) -> Others | None:
        """Other releases of the same artifact, where that has one name for all of them; None: none."""

    def holds(self, release: Outgoing) -> bool:
        """Whether this very release is there under its name. Raises TallyError where another one is."""

    def put(self, release: Outgoing, paths: Sequence[str]) -> None:
        """Put files that nobody finds yet; what is there already stays. Raises TallyError."""

    def supply(self, release: Outgoing) -> bool:
        """Put the inputs of a release, each once for all releases there, and then their list.

        Whether one was missing. Raises TallyError.
        """

    def finish(self, release: Outgoing, sign: Sign) -> tuple[Reference, bool]:
        """Make it found, by the index or tag, which comes last: the reference that strangers use.

        And whether what is found was changed by that. Raises TallyError.
        """


def _changed(what: str) -> TallyError:
    return TallyError(what, hint="it is listed nowhere yet; run the command again")
