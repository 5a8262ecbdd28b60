"""Fetching from a static folder: on this machine, or behind a web server. A release folder is one, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

from orchestrator.evidence.canonical import MalformedError, moment
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Absent, Unreachable
from orchestrator.ground.values import replace
from orchestrator.ground.wording import some
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing import flat, index, rebuilds
from orchestrator.publishing.flat import FLAT_INDEX, FLAT_LIMIT, Entry
from orchestrator.publishing.folder import UnsafeNameError, checked
from orchestrator.publishing.formats import NewerError
from orchestrator.publishing.index import INDEX, Index
from orchestrator.publishing.inputs import LISTING, LISTING_LIMIT
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.reference import Static
from orchestrator.publishing.sources.source import (
    Found,
    Release,
    Several,
    Shelf,
    bounded,
    unreachable,
    whole,
    whole_index,
)


class StaticSource:
    """One release of those in a static folder."""

    def __init__(self, reference: Static, http: Downloader | None = None) -> None:
        self.reference = reference
        self._http = http or Downloader(manners=MANNERS)

    def find(self) -> Found:
        """The one that is asked for; or the only one. Raises as `Source` says."""
        listing = self.listing()
        if listing is None:
            return self._release_folder()
        entry = self._one_of(listing.entries)
        if self.reference.digest not in (None, entry.release.sha256):
            raise self._none(f"with {self.reference.digest}", listing.entries)
        found = self._index(entry.release.file, entry.release.sha256)
        try:
            files = flat.files_of(entry, found)
            name = index.name_of(found, entry.name)
            if name != entry.name:
                raise MalformedError(f"{FLAT_INDEX} calls {entry.name!r} what calls itself {name!r}")
        except MalformedError as error:
            raise Refused(Reason(Code.MALFORMED, str(error))) from error
        return Found(
            name,
            found,
            lambda path: self._read(files[path].file),
            shelf=self._flat_shelf(name),
            place=replace(self.reference, release=name, digest=None),
            rebuilds=lambda: self._rebuilds(name),
        )

    def every(self) -> Iterator[Release]:
        """Those in the index, by their digests."""
        listing = self.listing()
        if listing is None:
            found = self._release_folder()
            own = Sha256.of(found.index.data)
            yield Release(replace(self.reference, release=found.name, digest=own), str(own), None)
            return
        for each in listing.entries:
            if self.reference.release not in (None, each.name):
                continue
            if self.reference.digest in (None, each.release.sha256):
                yield self._listed(each.name, each.release.sha256, each.published)

    def of_feed(self, file: str) -> Iterator[Release]:
        """Those that a feed in this folder names, the newest first. Raises TallyError."""
        from orchestrator.publishing.feed import FEED_LIMIT, parse  # XML, for feeds alone

        try:
            data = b"".join(bounded(self._bytes(file), FEED_LIMIT, file))
            for name, digest, when in parse(data):
                yield self._listed(name, digest, when)
        except Unreachable as error:
            raise unreachable(f"{self.reference.base}{file}", error) from error
        except (Refused, MalformedError) as error:
            why = error.reasons[0].sentence if isinstance(error, Refused) else str(error)
            raise TallyError(
                f"{self.reference.base}{file} is no feed of releases: {why}",
                hint="give the feed.atom that `tally publish` wrote, or the folder that it is in",
            ) from error

    def _listed(self, name: str, digest: Sha256, when: str) -> Release:
        return Release(
            replace(self.reference, release=name, digest=digest), str(digest), moment(when, "the list")
        )

    def listing(self) -> flat.FlatIndex | None:
        """What the folder says is in it; None: it says nothing. Raises TallyError."""
        try:
            data = b"".join(bounded(self._bytes(FLAT_INDEX), FLAT_LIMIT, FLAT_INDEX))
            return flat.parse(data)
        except NewerError as error:
            raise error.at(f"{self.reference.base}{FLAT_INDEX}") from error
        except Absent:
            return None
        except Unreachable as error:
            raise unreachable(f"{self.reference.base}{FLAT_INDEX}", error) from error
        except Refused as refused:
            raise unreachable(f"{self.reference.base}{FLAT_INDEX}", refused.reasons[0].sentence) from refused
        except MalformedError as error:
            raise TallyError(
                f"{self.reference.base} is no folder that releases are published in: {error}",
                hint=f"its {FLAT_INDEX} is to be one that `tally publish` wrote",
            ) from error

    def _release_folder(self) -> Found:
        """The release, where the folder is that of one release alone, with its own names."""
        try:
            found = self._index(INDEX, self.reference.digest, absent=True)
        except Absent as error:
            hint = "give the folder that `tally publish` wrote, or a release folder"
            folder = self.reference.path
            if folder is not None and not folder.is_dir():
                raise TallyError(f"there is no folder {folder}", hint=hint) from error
            where = folder or self.reference.base
            why = f"it has neither {FLAT_INDEX} nor {INDEX}"
            raise TallyError(f"there is no release at {where}: {why}", hint=hint) from error
        called = self.reference.release or self.reference.base.rstrip("/").rsplit("/", 1)[-1]
        try:
            for path in found.files:
                checked(path)
            name = index.name_of(found, called)
        except UnsafeNameError as error:
            raise Refused(Reason(Code.UNSAFE_NAME, str(error))) from error
        except MalformedError as error:
            raise Refused(Reason(Code.MALFORMED, str(error))) from error
        if self.reference.release not in (None, name):
            raise TallyError(
                f"{self.reference.base} holds the release {name}, and not {self.reference.release}",
                hint="leave out what stands after #",
            )
        return Found(name, found, self._read, shelf=beside(self.reference.base, self._http))

    def _flat_shelf(self, name: str) -> Shelf:
        place = str(replace(self.reference, release=name, digest=None))
        return self.shelf(place, flat.flat(f"{name}/{LISTING}"), flat.flat)

    def shelf(self, place: str, listing: str, file: Callable[[str], str]) -> Shelf:
        """The inputs that lie in this folder, by the file's name that each path has."""
        return Shelf(place, lambda: self._lists(listing), lambda one: self._read(file(one.path)))

    def _lists(self, file: str, limit: int = LISTING_LIMIT) -> Iterator[bytes]:
        """A list of inputs or rebuilds, if there is one."""
        try:
            yield b"".join(bounded(self._bytes(file), limit, file))
        except Absent:
            return
        except Unreachable as error:
            raise unreachable(f"{self.reference.base}{file}", error) from error

    def _rebuilds(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The bundles of each rebuild that the release's list has."""
        file = flat.flat(f"{name}/{rebuilds.LISTING}")
        for data in self._lists(file, rebuilds.LISTING_LIMIT):
            try:
                listed = rebuilds.parse(data)
            except MalformedError as error:
                raise Refused(Reason(Code.MALFORMED, f"{file}: {error}")) from error
            for each in listed:
                for one in each.bundles:
                    place = flat.flat(f"{rebuilds.FOLDER}/{each.place(one)}")
                    if one.size <= rebuilds.WORD_LIMIT:
                        yield (
                            f"{self.reference.base}{place}",
                            whole(self._read(place), one.sha256, one.size, place),
                        )

    def _one_of(self, entries: tuple[Entry, ...]) -> Entry:
        wanted, digest = self.reference.release, self.reference.digest
        found = [
            each for each in entries if wanted in (None, each.name) and digest in (None, each.release.sha256)
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            raise self._none(wanted or (f"with {digest}" if digest else "at all"), entries)
        names = some([each.name for each in found])
        raise Several(
            f"{self.reference.base} has several releases: {names}",
            hint=f"say which, as in {self.reference}#{found[0].name}",
        )

    def _none(self, which: str, entries: tuple[Entry, ...]) -> TallyError:
        said = f"it has {some([each.name for each in entries])}" if entries else "it has none"
        return TallyError(f"there is no release {which} in {self.reference.base}", hint=said)

    def _index(self, file: str, expected: Sha256 | None, *, absent: bool = False) -> Index:
        chunks = self._bytes(file) if absent else self._read(file)
        try:
            return index.parse(whole_index(chunks, expected))
        except NewerError as error:
            raise error.at(f"{self.reference.base}{file}") from error
        except MalformedError as error:
            raise Refused(Reason(Code.MALFORMED, str(error))) from error
        except Absent:
            raise
        except Unreachable as error:
            raise unreachable(f"{self.reference.base}{file}", error) from error

    def _read(self, file: str) -> Iterator[bytes]:
        try:
            yield from self._bytes(file)
        except Absent as error:
            why = f"{file} is listed and not there: {error}"
            raise Refused(Reason(Code.FILE_MISSING, why)) from error
        except Unreachable as error:
            raise unreachable(f"{self.reference.base}{file}", error) from error

    def _bytes(self, file: str) -> Iterator[bytes]:
        return self._http.read(self.reference.base + quote(file))


def beside(base: str, http: Downloader | None = None) -> Shelf:
    """Where inputs are of a release that is a folder of its own: in the folder that this one is in.

    As in a bucket: `NAME.sources.json`, and `sources/` for all.
    """
    around, _, name = base.rstrip("/").rpartition("/")
    source = StaticSource(Static(f"{around}/"), http)
    return source.shelf(str(source.reference), f"{unquote(name)}.{LISTING}", lambda path: path)
