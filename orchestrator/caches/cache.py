"""Asking binary caches: narinfos of paths from all of them, and the bytes of what is believed.

The protocol is Nix's own (Nix's manual, "Serving a Nix store via HTTP"): `nix-cache-info`, `HASH.narinfo`,
and the files that these name. Nothing here enters a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.caches.believed import Offer, offered, one_of, read, unusable
from orchestrator.caches.buckets import Bucket, Signed, is_bucket
from orchestrator.caches.memory import Memory
from orchestrator.caches.narinfo import LARGEST, STORE, Narinfo, narinfo_name
from orchestrator.caches.unpacking import unpacked
from orchestrator.ground.answers import Manners
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.unreachable import Absent, Forbidden, Unreachable
from orchestrator.nix.signature import PublicKey

MANNERS = Manners(answer=120.0, grace=60.0, pace=1024, downgrade=False)
_TOGETHER = 16
"""Questions at once: each is a small file."""
_DAMAGED = (
    "the file is damaged there: have the cache's owner upload it again, name another cache in [inputs], or "
    "rebuild that input with --rebuild"
)
_SLACK = 1 << 16
"""Bytes by which a compressed file may be larger than what it holds."""


@dataclass(frozen=True)
class Caches:
    """Binary caches by their addresses, and the keys whose signatures are believed."""

    addresses: tuple[str, ...]
    keys: tuple[PublicKey, ...]
    http: Downloader = field(default_factory=lambda: Downloader(_TOGETHER, MANNERS), compare=False)
    memory: Memory | None = None
    """What they said before counts where they do not answer now; None: nothing does."""
    buckets: Mapping[str, Signed] = field(default_factory=dict, compare=False, repr=False)
    """Of the addresses those of buckets, and how each file there is asked for."""
    _silent: set[str] = field(default_factory=set, compare=False, repr=False)
    """Those that do not answer in this run, and are asked no more."""

    @classmethod
    def of(
        cls, addresses: Sequence[str], keys: tuple[PublicKey, ...], memory: Memory | None = None
    ) -> Caches:
        """Caches by addresses as tally.toml has them."""
        buckets = {each: Bucket.parse(each) for each in addresses if is_bucket(each)}
        return cls(
            tuple(buckets[each].place if each in buckets else each for each in addresses),
            keys,
            memory=memory,
            buckets={bucket.place: Signed(bucket) for bucket in buckets.values()},
        )

    def tell(self, say: Callable[[str], None]) -> None:
        """Say from now on, once each, which host is waited for."""
        self.http.waiting = lambda host: say(f"waiting for {host}, which was asked for inputs")

    def check(self) -> Mapping[str, str]:
        """Whether each address is that of a cache at all; why each does not answer whose word is kept.

        Raises TallyError for what is none, and for one that does not answer and never has.
        """
        silent: dict[str, str] = {}
        for address in self.addresses:
            try:
                said = self._file(address, "nix-cache-info", LARGEST).decode(errors="replace")
            except Unreachable as error:
                known = self.memory is not None and self.memory.knows(address)
                if known and not isinstance(error, Absent):
                    silent[address] = str(error)
                    continue
                raise TallyError(
                    f"{address} is no binary cache, or does not answer: {error}",
                    hint="`inputs.caches` in tally.toml are asked for nix-cache-info first, as Nix does",
                ) from error
            fields = dict(line.partition(":")[::2] for line in said.splitlines())
            folder = fields.get("StoreDir", STORE).strip().rstrip("/")
            if folder != STORE.rstrip("/"):
                raise TallyError(f"the cache {address} is one of another store, {folder[:200]}")
        self._silent.update(silent)
        return silent

    def offers(self, paths: Sequence[str]) -> Mapping[str, Offer]:
        """What is believed of each path; what no cache has is left out.

        Raises TallyError for an answer that cannot be believed, CachesDisagree where two are not the same.
        """
        found: dict[str, Offer] = {}

        def work(path: str) -> None:
            offers = [offer for each in self.addresses if (offer := self._offer(each, path)) is not None]
            if offers:
                found[path] = one_of(offers)

        self._all(paths, work)
        return dict(sorted(found.items()))

    def nar(self, offer: Offer) -> Iterator[bytes]:
        """A path's NAR, in pieces: the signed one, if this comes to its end. Raises TallyError."""
        return self.bytes_of(offer.believed.path, offer.believed.cache, offer.narinfo)

    def narinfo(self, address: str, path: str) -> Narinfo | None:
        """One cache's own word of a path, by nobody's signature; None: it has it not. Raises TallyError."""
        data = self._asked(address, path)
        return None if data is None else read(path, data, address)

    def bytes_of(self, path: str, cache: str, narinfo: Narinfo) -> Iterator[bytes]:
        """The NAR that a narinfo tells of, in pieces, if this comes to its end. Raises TallyError."""
        most = narinfo.nar_size + _SLACK if narinfo.file_size is None else narinfo.file_size
        chunks = self._bounded(cache, narinfo.url, min(most, 2 * narinfo.nar_size + _SLACK))
        try:
            yield from unpacked(chunks, narinfo.compression, narinfo.nar_hash, narinfo.nar_size)
        except Absent as error:
            raise unusable(path, cache, f"it has the narinfo and not {narinfo.url}: {error}") from error
        except Unreachable as error:
            raise unusable(path, cache, f"{narinfo.url}: {error}") from error
        except ValueError as error:
            raise unusable(path, cache, f"{narinfo.url}: {error}", hint=_DAMAGED) from error

    def _all(self, things: Sequence[str], work: Callable[[str], None]) -> None:
        failures = {
            thing: error
            for thing, error in in_parallel(things, work, self.http.stop, threads=_TOGETHER)
            if error is not None
        }
        if failures:
            raise failures[min(failures)]  # the same one whichever thread was first

    def _offer(self, address: str, path: str) -> Offer | None:
        data = self._asked(address, path)
        found = None
        if data is not None and not self._by_content(path, data, address):
            found = offered(path, data, address, self.keys)
        if self.memory is not None and address not in self._silent:
            self.memory.note(address, path, data)
        return found

    def _by_content(self, path: str, data: bytes, address: str) -> bool:
        """Whether it is a fixed output that no key vouches for: nothing to believe, its digest is known."""
        narinfo = read(path, data, address)
        return narinfo.fixed and narinfo.signed_by(self.keys) is None

    def _asked(self, address: str, path: str) -> bytes | None:
        if self.memory is not None and address in self._silent:
            try:
                return self.memory.recall(address, path)
            except KeyError:
                raise unusable(path, address, "it does not answer, and was never asked for it") from None
        try:
            return self._file(address, narinfo_name(path), LARGEST)
        except Absent:
            return None
        except Forbidden as error:
            if address in self.buckets:  # so of what is not there, where nobody may list what is
                return None
            raise unusable(path, address, f"its narinfo: {error}") from error
        except Unreachable as error:
            raise unusable(path, address, f"its narinfo: {error}") from error

    def _file(self, cache: str, name: str, limit: int) -> bytes:
        return b"".join(self._bounded(cache, name, limit))

    def _bounded(self, cache: str, name: str, limit: int) -> Iterator[bytes]:
        size, bucket = 0, self.buckets.get(cache)
        for chunk in self.http.read(f"{cache}/{name}" if bucket is None else bucket.of(name)):
            size += len(chunk)
            if size > limit:
                raise Unreachable(f"it is larger than the {limit} bytes that it may have")
            yield chunk
