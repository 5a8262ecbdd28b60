"""Publishing into a static folder, as web servers and forges' release pages have it.

A file gets its name once it is whole. The sums, the index and the feed name a release once all of its files
are there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from orchestrator.evidence.canonical import MalformedError, seconds
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import (
    cannot_read,
    cannot_write,
    create_from,
    shown,
    write_atomically,
    written_atomically,
)
from orchestrator.ground.values import replace
from orchestrator.publishing import flat
from orchestrator.publishing.destinations.destination import Outgoing, Sign
from orchestrator.publishing.drafts import locked, refuse_unusable
from orchestrator.publishing.feed import feed
from orchestrator.publishing.flat import (
    FEED,
    FLAT_INDEX,
    FLAT_LIMIT,
    LOCATIONS,
    SUMS,
    Entry,
    FlatIndex,
    Listed,
    files_of,
)
from orchestrator.publishing.folder import Folder, TooLargeError, UnsafeNameError
from orchestrator.publishing.formats import NewerError
from orchestrator.publishing.index import INDEX
from orchestrator.publishing.inputs import LISTING, LISTING_LIMIT
from orchestrator.publishing.reference import Static

_SUMS_LIMIT = 1 << 28
_STATEMENT_LIMIT = 1 << 20
_DRAFT = re.compile(r"\.(?P<name>.+)\.(?:[0-9]+|[0-9]+\.[0-9a-f]{8})\.tmp")
"""What a file is called while it is written, where it has a name by then: see ground/files.py."""
_DRAFT_NAME = 100  # of a file's name, at most, in its draft's


class StaticFolder:
    """A folder on this machine."""

    def __init__(self, reference: Static, path: Path, locations: Sequence[str] = ()) -> None:
        self._reference, self._path, self._folder = reference, path, Folder(path)
        self._locations = locations

    def refuse_unusable(self) -> None:
        """One that cannot be written, or that has an index which is none of ours."""
        if self._reference.release or self._reference.digest:
            raise TallyError(
                f"{self._reference} names one release, and a release is published under its own name",
                hint="leave out what stands after #",
            )
        refuse_unusable(self._path)
        if os.path.lexists(self._path / INDEX):
            raise TallyError(
                f"{shown(self._path)} is a release folder, and no place for others",
                hint="name another folder; it may be a new one",
            )
        self._listing()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Other runs wait; it ends with the process."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            lock = locked(self._path)
            lock.__enter__()
        except OSError as error:
            raise cannot_write(self._path, error) from error
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def others(self, release: Outgoing) -> None:
        """Each release has a name of its own here."""

    def holds(self, release: Outgoing) -> bool:
        """By its release.json, which names all else by digest."""
        entry = self._listing().named(release.name)
        if entry is None:
            return False
        if entry.release.sha256 != release.measured[INDEX][0]:
            raise TallyError(
                f"{shown(self._path)} has another release named {release.name}, published {entry.published}: "
                f"its artifact is sha256:{entry.artifact.sha256.hex}, its {INDEX} {entry.release.sha256}",
                hint="published releases are never overwritten: of the same artifact, one is there; for "
                "another artifact, give this one another version",
            )
        return True

    def put(self, release: Outgoing, paths: Sequence[str]) -> None:
        """Each file under its flat name. One that a killed run left of another build is replaced."""
        listing = self._listing()
        entry = self._entry(release, listing)
        files = self._files(release, entry)
        self._remove_abandoned({files[path].file for path in paths} | flat.RESERVED)
        listed = listing.named(release.name) is not None  # then a file of its name is its own, and harmed
        for path in paths:
            file = files[path]
            if self._has(file):
                continue
            target = self._path / file.file
            own = listed or file.file.startswith(flat.flat(f"{release.name}/"))
            if os.path.lexists(target) and not own:
                raise TallyError(
                    f"{shown(target)} is there already, and is another file than the one to be published",
                    hint=f"{FLAT_INDEX} does not list it: move it away if nobody needs it",
                )
            mode = 0o755 if path == release.index.artifact and release.folder.runs(path) else 0o644
            if os.path.lexists(target):
                with written_atomically(target, mode=mode) as stream:
                    for chunk in release.chunks(path):
                        stream.write(chunk)
                continue
            try:
                create_from(target, lambda path=path: release.chunks(path), mode=mode)  # type: ignore[misc]
            except FileExistsError as error:
                raise cannot_write(target, error) from error

    def supply(self, release: Outgoing) -> bool:
        """Each under the flat name of its path; a file there that is another one is replaced."""
        data = release.listing
        if data is None:
            return False
        changed, files = False, []
        for each in release.inputs:
            file = Listed(flat.flat(each.input.path), each.input.sha256, each.input.size)
            files.append(file)
            if not self._has(file):
                with written_atomically(self._path / file.file) as stream:
                    for chunk in each.chunks():
                        stream.write(chunk)
                changed = True
        listing = self._list_of(release.name, data)
        changed = self._settle(listing.file, data) or changed
        self._settle(SUMS, flat.sums(self._read(SUMS, _SUMS_LIMIT) or b"", [*files, listing]))
        return changed

    def finish(self, release: Outgoing, sign: Sign) -> tuple[Static, bool]:
        """The statement of locations, release.json, the sums, the index, the feed."""
        listing = self._listing()
        entry = self._located(release, self._entry(release, listing), sign)
        self.put(release, (INDEX,))
        listing = listing.with_entry(entry)
        files = [*self._files(release, entry).values(), *([entry.locations] if entry.locations else [])]
        self._settle(SUMS, flat.sums(self._read(SUMS, _SUMS_LIMIT) or b"", files))
        changed = self._settle(FLAT_INDEX, listing.render())
        self._settle(FEED, feed(listing))
        return replace(self._reference, release=release.name), changed

    def _located(self, release: Outgoing, entry: Entry, sign: Sign) -> Entry:
        name = flat.flat(f"{release.name}/{LOCATIONS}")
        before = self._read(name, _STATEMENT_LIMIT) if entry.locations else None
        found = sign(before, self._locations, {})
        if found is None:
            return entry
        self._settle(name, found)
        return replace(entry, locations=Listed(name, Sha256.of(found), len(found)))

    def _entry(self, release: Outgoing, listing: FlatIndex) -> Entry:
        """As the index has it, or will."""
        if (there := listing.named(release.name)) is not None:
            return there
        document, artifact = release.index.document, release.index.artifact
        try:
            own = flat.flat(artifact)
            if own in flat.RESERVED or listing.using(own) is not None:
                own = flat.flat(f"{release.name}/{artifact}")
            return Entry(
                name=release.name,
                version=document.get("version"),
                system=document["system"],
                published=seconds(datetime.now(UTC)),
                artifact=Listed(own, *release.measured[artifact]),
                release=Listed(flat.flat(f"{release.name}/{INDEX}"), *release.measured[INDEX]),
            )
        except MalformedError as error:
            raise _unnameable(error) from error

    def _files(self, release: Outgoing, entry: Entry) -> dict[str, Listed]:
        try:
            for name in (LOCATIONS, LISTING):
                if name in release.index.files:
                    raise MalformedError(f"it has a file {name}, which stands beside a release here")
            return files_of(entry, release.index)
        except MalformedError as error:
            raise _unnameable(error) from error

    def _list_of(self, name: str, data: bytes) -> Listed:
        try:
            return Listed(flat.flat(f"{name}/{LISTING}"), Sha256.of(data), len(data))
        except MalformedError as error:
            raise _unnameable(error) from error

    def _listing(self) -> FlatIndex:
        """What is there; a new one where nothing is. Raises TallyError."""
        data = self._read(FLAT_INDEX, FLAT_LIMIT)
        if data is None:
            return FlatIndex(f"urn:uuid:{uuid4()}")
        try:
            return flat.parse(data)
        except NewerError as error:
            raise error.at(shown(self._path / FLAT_INDEX)) from error
        except MalformedError as error:
            raise TallyError(
                f"{shown(self._path)} is no folder that releases are published in: {error}",
                hint=f"name another folder, or move its {FLAT_INDEX} away",
            ) from error

    def _read(self, name: str, limit: int) -> bytes | None:
        """A file's bytes; None: there is none. Raises TallyError."""
        try:
            return self._folder.read(name, limit)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise cannot_read(self._path / name, error, "", "see who may read it") from error
        except (UnsafeNameError, TooLargeError) as error:
            raise TallyError(f"{shown(self._path)}: {error}", hint="name another folder") from error

    def _has(self, file: Listed) -> bool:
        try:
            return self._folder.measure(file.file, file.size) == (file.sha256, file.size)
        except (OSError, ValueError):
            return False  # it is put there, and whatever is wrong is told then

    def _settle(self, name: str, data: bytes) -> bool:
        """See that a file has these bytes; whether it had others, or was not there."""
        if self._read(name, max(len(data), FLAT_LIMIT, LISTING_LIMIT, _SUMS_LIMIT)) == data:
            return False
        write_atomically(self._path / name, data)
        return True

    def _remove_abandoned(self, files: Collection[str]) -> None:
        """Remove what a killed run left of these files' drafts, and nothing that only ends as they do.

        No other run writes here meanwhile: see `exclusively`. Raises TallyError.
        """
        names = {name[:_DRAFT_NAME] for name in files}
        try:
            with os.scandir(self._path) as found:
                left = [
                    each
                    for each in found
                    if (draft := _DRAFT.fullmatch(each.name)) and draft["name"] in names
                ]
            for each in left:
                if each.is_file(follow_symlinks=False):
                    Path(each).unlink()
        except OSError as error:
            raise cannot_write(self._path, error) from error


def _unnameable(error: MalformedError) -> TallyError:
    return TallyError(f"it cannot lie in a static folder: {error}", hint="publish it elsewhere")
