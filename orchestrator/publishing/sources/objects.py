"""Fetching from a bucket: of what was put under a name, the first counts, and of each file the listed one.

Who may write to a bucket with locks can put other objects on top, or hide what is there behind a delete
marker; the versions below stay, and are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.ground.wording import some
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing import index
from orchestrator.publishing.folder import UnsafeNameError, checked
from orchestrator.publishing.formats import NewerError
from orchestrator.publishing.index import INDEX
from orchestrator.publishing.inputs import LISTING, LISTING_LIMIT, Input
from orchestrator.publishing.objects.bucket import Bucket, Version
from orchestrator.publishing.rebuilds import BUNDLE, FOLDER, WORD_LIMIT
from orchestrator.publishing.reference import ObjectStore
from orchestrator.publishing.sources.source import Found, Release, Several, Shelf, bounded, is_it, whole_index

_MOST = 1000  # releases that are looked through for the one that is asked for
_MOST_TRIED = 100  # versions of one file


class ObjectSource:
    """A release below a prefix, or the one that a prefix is."""

    def __init__(self, reference: ObjectStore, bucket: Bucket | None = None) -> None:
        self.reference = reference
        self._bucket = bucket or Bucket(reference)

    def find(self) -> Found:
        """The one that is asked for; or the only one. Raises as `Source` says."""
        name, data, versions = self._release()
        try:
            found = index.parse(data)
            for path in found.files:
                checked(path)
            own = index.name_of(found, name)
        except NewerError as error:
            raise error.at(f"{INDEX} of {self.reference}") from error
        except UnsafeNameError as error:
            raise Refused(Reason(Code.UNSAFE_NAME, str(error))) from error
        except MalformedError as error:
            raise Refused(Reason(Code.MALFORMED, str(error))) from error
        if self.reference.release not in (None, own):
            why = f"{self.reference} calls itself {own}"
            raise Refused(Reason(Code.MALFORMED, why))
        folder = self._folder(name)
        return Found(
            own,
            found,
            lambda path: self._read(folder + path, path, found.files[path], versions),
            shelf=self._shelf(folder),
            place=self._place(name, own),
            rebuilds=lambda: self._rebuilds(folder),
        )

    def _shelf(self, folder: str) -> Shelf:
        """Beside the release's own folder."""
        around, slash, _ = folder.rstrip("/").rpartition("/")

        def read(one: Input) -> Iterator[bytes]:
            key = around + slash + one.path
            return self._read(key, one.path, (one.sha256, one.size), self._bucket.versions(key))

        return Shelf(str(self.reference), lambda: self._lists(f"{folder.rstrip('/')}.{LISTING}"), read)

    def _lists(self, key: str) -> Iterator[bytes]:
        """The list of inputs, as it was put first, and each other one that was put on top."""
        listed = self._bucket.versions(key)
        versions = (None,) if listed is None else tuple(each.id for each in listed.get(key, ()))
        for version in versions[:_MOST_TRIED]:
            if (chunks := self._bucket.read(key, version)) is not None:
                yield b"".join(bounded(chunks, LISTING_LIMIT, key))

    def every(self) -> Iterator[Release]:
        """Each folder below the prefix that has a release.json, by the digest of the first one."""
        reference = self.reference
        own = self._index("", reference.digest) if reference.release is None else None
        if own is not None:
            yield Release(replace(reference, digest=Sha256.of(own[0])), str(Sha256.of(own[0])), None)
            return
        names = (
            self._bucket.every_folder(self._folder("")) if reference.release is None else (reference.release,)
        )
        for name in names:
            if (found := self._index(name, reference.digest)) is None:
                continue
            digest, key = Sha256.of(found[0]), self._folder(name) + INDEX
            first = ((found[1] or {}).get(key) or (None,))[0]
            yield Release(
                replace(reference, release=name, digest=digest),
                str(digest),
                None if first is None else first.when,
            )

    def _release(self) -> tuple[str, bytes, Mapping[str, tuple[Version, ...]] | None]:
        """The name of its folder, its release.json, and what is there of it."""
        reference = self.reference
        if reference.release is not None:
            names: tuple[str, ...] = (reference.release,)
        else:
            own = self._index("", reference.digest)
            if own is not None:
                return "", *own
            names = self._bucket.folders(self._folder(""), _MOST)
        found = [(name, own) for name in names if (own := self._index(name, reference.digest)) is not None]
        if len(found) == 1:
            return found[0][0], *found[0][1]
        if found:
            raise Several(
                f"{reference} has several releases: {some([name for name, _ in found])}",
                hint=f"say which, as in {reference}#{found[0][0]}",
            )
        which = reference.release or (f"with {reference.digest}" if reference.digest else "at all")
        hint = "give the prefix that `tally publish` was given, or that of one release"
        if len(names) >= _MOST:
            which += f" among the first {len(names)}"
            hint = f"name it: {reference}#NAME-VERSION-SYSTEM"
        raise TallyError(
            f"there is no release {which} at s3://{reference.bucket}/{reference.prefix}", hint=hint
        )

    def _index(
        self, name: str, digest: Sha256 | None
    ) -> tuple[bytes, Mapping[str, tuple[Version, ...]] | None] | None:
        """The first release.json that was put there, or the one of a digest; None: there is none such."""
        key = self._folder(name) + INDEX
        listed = self._bucket.versions(key)
        tried = (None,) if listed is None else tuple(each.id for each in listed.get(key, ()))
        for version in tried[: 1 if digest is None else _MOST_TRIED]:
            chunks = self._bucket.read(key, version)
            if chunks is None:
                continue
            data = whole_index(chunks, None)
            if digest in (None, Sha256.of(data)):
                return data, None if listed is None else self._bucket.versions(self._folder(name))
        return None

    def _read(
        self,
        key: str,
        path: str,
        listed: tuple[Sha256, int],
        versions: Mapping[str, tuple[Version, ...]] | None,
    ) -> Iterator[bytes]:
        sha256, size = listed
        known = None if versions is None else versions.get(key, ())
        chunks = self._bucket.read(key, self._version(known or (), sha256, size))
        if chunks is None or known == ():
            raise Refused(Reason(Code.FILE_MISSING, f"{path} is listed and not there"))
        yield from chunks

    def _place(self, name: str, own: str) -> ObjectStore:
        """The release by its name, below the prefix that its folder is in."""
        prefix = self.reference.prefix if name else self.reference.prefix.rpartition("/")[0]
        return replace(self.reference, prefix=prefix, release=name or own, digest=None)

    def _rebuilds(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """The bundles beside the release's folder, as each was put there first."""
        below = f"{folder.rstrip('/')}.{FOLDER}/"
        for key, versions in sorted((self._bucket.versions(below) or {}).items()):
            if key.endswith(BUNDLE) and versions[0].size <= WORD_LIMIT:
                chunks = self._bucket.read(key, versions[0].id) or iter(())
                yield f"s3://{self.reference.bucket}/{key}", b"".join(bounded(chunks, WORD_LIMIT, key))

    def _version(self, known: tuple[Version, ...], sha256: Sha256, size: int) -> str | None:
        """Where a key had several objects: the one that was put as the listed file."""
        if len(known) < 2:
            return known[0].id if known else None
        alike = [each for each in known if each.size == size][:_MOST_TRIED]
        told = [(each, self._bucket.told(each.key, each.id)) for each in alike]
        right = [each for each, one in told if one is not None and one.sha256 == sha256.hex] or alike
        if len(right) > 1:  # anybody who writes there can say so of anything
            right = next(([each] for each in right if self._is(each, sha256)), right)
        return (right or known)[0].id

    def _is(self, version: Version, sha256: Sha256) -> bool:
        """Whether an object has these bytes, whatever is said of it."""
        chunks = self._bucket.read(version.key, version.id)
        return chunks is not None and is_it(chunks, sha256, version.size)

    def _folder(self, name: str) -> str:
        return "".join(f"{each}/" for each in (self.reference.prefix, name) if each)
