"""Publishing into a bucket with object lock: a release folder as objects, its release.json last.

The lock is tried before that one is put: on a server that lets a locked object go, nothing is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.policy.verdict import Refused
from orchestrator.publishing.destinations.destination import Outgoing, Sign
from orchestrator.publishing.flat import LOCATIONS
from orchestrator.publishing.folder import INDEX_LIMIT
from orchestrator.publishing.index import INDEX
from orchestrator.publishing.inputs import LISTING
from orchestrator.publishing.objects.bucket import Bucket, Told, Unlocked, Version
from orchestrator.publishing.objects.retention import Keeping, Lock
from orchestrator.publishing.reference import ObjectStore
from orchestrator.publishing.sources.source import bounded, is_it

MARKER: Final = "lock-marker"
"""The object beside releases that a deletion is tried on."""
_STATEMENT_LIMIT: Final = 1 << 20
_SLACK: Final = timedelta(days=1)
"""By how much less a lock may last than is asked for, so that a command that goes on locks nothing again."""


class LockedBucket:
    """A prefix in a bucket."""

    def __init__(
        self,
        reference: ObjectStore,
        locations: Sequence[str],
        keeping: Keeping,
        bucket: Bucket | None = None,
    ) -> None:
        self._reference, self._locations, self._keeping = reference, locations, keeping
        self._bucket = bucket or Bucket(reference, publish=True)
        self._place = f"s3://{reference.bucket}"
        self._locks = self._changed = self._complete = False
        self._known: Mapping[str, tuple[Version, ...]] = {}

    @property
    def _lock(self) -> Lock | None:
        return self._keeping.lock

    def refuse_unusable(self) -> None:
        """One without versions or locks, unless that was allowed."""
        if self._reference.release or self._reference.digest:
            raise TallyError(
                f"{self._reference} names one release, and a release is published under its own name",
                hint="leave out what stands after #",
            )
        state = self._bucket.state()
        lacks = [] if state.versioned else ["versioning"]
        lacks += [] if state.locks else ["object lock"]
        if lacks and not self._keeping.mutable:
            raise TallyError(
                f"the bucket {self._place} has no {' and no '.join(lacks)}: what is in it can be changed",
                hint="make a bucket with `aws s3api create-bucket --object-lock-enabled-for-bucket`; "
                "--allow-mutable publishes all the same",
            )
        if lacks and self._lock is not None:
            raise TallyError(
                f"the bucket {self._place} has no {' and no '.join(lacks)}, and cannot retain anything",
                hint="leave --retain and --mode out",
            )
        if self._lock is None and not state.by_default and not self._keeping.mutable:
            raise TallyError(
                f"the bucket {self._place} locks objects only when it is told to, and --retain is missing",
                hint="give --retain 365d and --mode, or publish without a lock with --allow-mutable",
            )
        self._locks = not lacks and (self._lock is not None or state.by_default)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Nobody can be kept out of a bucket: its release.json is put where there is none yet."""
        yield

    def others(self, release: Outgoing) -> None:
        """Each release has a name of its own here."""

    def holds(self, release: Outgoing) -> bool:
        """By the first release.json that was put there: it names all else by digest."""
        found = self._bucket.versions(self._folder(release))
        if found is None:
            raise TallyError(
                f"{self._place} does not list what is in it to these credentials",
                hint="let them list versions of objects (s3:ListBucketVersions)",
            )
        self._known = found
        there = found.get(self._folder(release) + INDEX, ())
        if not there:
            return False
        own = release.measured[INDEX][0]
        first = Sha256.of(self._small(there[0].key, there[0].id, INDEX_LIMIT) or b"")
        self._complete = first == own
        if not self._complete:
            raise TallyError(
                f"{self._reference} has another release named {release.name}: its {INDEX} is {first}, and "
                f"this one's is {own}",
                hint="published releases are never overwritten: of the same artifact, one is there; for "
                "another artifact, give this one another version",
            )
        return True

    def put(self, release: Outgoing, paths: Sequence[str]) -> None:
        """Each file under its own name below the release's, unless it is what is seen there."""
        for path in paths:
            sha256, size = release.measured[path]
            key = self._folder(release) + path
            if not self._has(key, sha256, size):
                self._changed = True
                self._bucket.put(key, size, sha256, lambda path=path: release.body(path), self._lock)  # type: ignore[misc]
                self._see(key, sha256)

    def supply(self, release: Outgoing) -> bool:
        """Each beside the releases by the digest of its bytes, locked as they are; then their list."""
        data = release.listing
        if data is None:
            return False
        before, self._changed = self._changed, False
        for each in release.inputs:
            key = self._beside(each.input.path)
            if not self._keeps(key, each.input.sha256, each.input.size):
                self._changed = True
                self._bucket.put(key, each.input.size, each.input.sha256, each.chunks, self._lock)
                self._see(key, each.input.sha256)
        key, sha256 = self._beside(f"{release.name}.{LISTING}"), Sha256.of(data)
        if not self._keeps(key, sha256, len(data)):
            self._changed = True
            self._bucket.put(key, len(data), sha256, lambda: iter((data,)), self._lock)
            self._see(key, sha256)
        changed, self._changed = self._changed, self._changed or before
        return changed

    def finish(self, release: Outgoing, sign: Sign) -> tuple[ObjectStore, bool]:
        """The statement of locations; a lock is tried; release.json."""
        self._locate(release, sign)
        reference = replace(self._reference, release=release.name)
        key, data = self._folder(release) + INDEX, release.index.data
        own = Sha256.of(data)
        there = self._has(key, own, len(data))
        if self._locks and (self._changed or not there):
            self._try_lock()
        if there:
            return reference, self._changed
        if self._known.get(key):  # ours, and hidden by what somebody put on top
            self.put(release, (INDEX,))
        elif not self._bucket.put_first(key, data, self._lock):
            raise TallyError(
                f"somebody else published {release.name} at {self._reference} meanwhile",
                hint="run the command again: it says whether that is the same release",
            )
        self._see(key, own)
        return reference, True

    def _has(self, key: str, sha256: Sha256, size: int) -> bool:
        """Whether a key shows this file now, and keeps it as long as is asked for; it is made to."""
        latest = next((each for each in self._known.get(key, ()) if each.latest and each.size == size), None)
        return latest is not None and self._keeps(key, sha256, size, latest.id)

    def _keeps(self, key: str, sha256: Sha256, size: int, version: str | None = None) -> bool:
        """Whether this file is there. What is said of it is anybody's word: its bytes decide.

        Of a release that was published whole they are fetched back in the end, and judged then.
        """
        told = self._bucket.told(key, version)
        if told is None or told.sha256 != sha256.hex or told.size != size:
            return False
        chunks = None if self._complete else self._bucket.read(key, told.id)
        if not self._complete and (chunks is None or not is_it(chunks, sha256, size)):
            return False
        if self._lock is not None and not _kept(told, self._lock, _SLACK):
            self._changed = True
            self._see(key, sha256)
        return True

    def _see(self, key: str, sha256: Sha256) -> Told:
        """What was put is there, and locked as asked. Raises TallyError.

        Of an object in parts some servers forget the lock that it was begun with: they are told once more.
        """
        told = self._bucket.told(key)
        if told is not None and self._lock is not None and not _kept(told, self._lock, timedelta(0)):
            self._bucket.hold(key, told.id, self._lock)
            told = self._bucket.told(key)
        if told is None or told.sha256 != sha256.hex:
            raise TallyError(
                f"{self._place}/{key} is not what was just put there",
                hint="see who else writes there, and run the command again",
            )
        lost = told.until is None if self._lock is None else not _kept(told, self._lock, timedelta(0))
        if self._locks and lost:
            raise Unlocked(
                f"{self._place} took {key}, and does not say that it is locked as asked",
                hint="credentials without the permission s3:GetObjectRetention are not told; with it, the "
                "server does not lock",
            )
        return told

    def _try_lock(self) -> None:
        """Servers claim locks that they do not enforce: see that a locked object cannot be deleted."""
        key = self._beside(MARKER)
        data = b"tally publish tries to delete this object: a bucket with object lock refuses.\n"
        sha256 = Sha256.of(data)
        self._bucket.put(key, len(data), sha256, lambda: iter((data,)), self._lock)
        told = self._see(key, sha256)
        if told.id is None or self._bucket.deletes(key, told.id) or self._bucket.told(key, told.id) is None:
            raise Unlocked(
                f"{self._place} claims to lock objects, and let one be deleted that was to be kept "
                f"({key}): what is published there can be changed",
                hint="use a server that enforces object lock; --allow-mutable without --retain publishes "
                "here without a lock",
            )

    def _locate(self, release: Outgoing, sign: Sign) -> None:
        """The signed statement of locations, beside the release's folder."""
        key = f"{self._folder(release).rstrip('/')}.{LOCATIONS}"
        before = self._small(key, None, _STATEMENT_LIMIT) if self._locations else None
        data = sign(before, self._locations, {})
        if data is not None and data != before:
            found = Sha256.of(data)
            self._bucket.put(key, len(data), found, lambda: iter((data,)), self._lock)
            self._see(key, found)

    def _small(self, key: str, version: str | None, limit: int) -> bytes | None:
        """A whole object; None: there is none. Raises TallyError, also for one larger than any of ours."""
        chunks = self._bucket.read(key, version)
        try:
            return None if chunks is None else b"".join(bounded(chunks, limit, key))
        except Refused as refused:
            raise TallyError(
                f"{self._place}/{key} is none of ours: {refused.reasons[0].sentence}",
                hint="see who writes there, or publish below another prefix",
            ) from refused

    def _beside(self, path: str) -> str:
        return f"{self._reference.prefix}/{path}".lstrip("/")

    def _folder(self, release: Outgoing) -> str:
        return "".join(f"{each}/" for each in (self._reference.prefix, release.name) if each)


def _kept(told: Told, lock: Lock, slack: timedelta) -> bool:
    if told.until is None or told.mode is None:
        return False
    return told.until >= lock.until - slack and told.mode.lower() in (lock.mode, "compliance")
