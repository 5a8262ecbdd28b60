"""Fetching what a request needs into the state folder. Bytes count once their digest is right, never before.

Each thing is at `sources/<hex>/<name>`: put there by one rename, after the check.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, sync_folder, written_atomically
from orchestrator.ground.nar import nar_hash, restore
from orchestrator.ground.notice import NOTICE
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.unreachable import Absent, ProxyFailed, Unreachable
from orchestrator.recipe.imagename import is_layer
from orchestrator.recipe.wanted import Extras, Wanted
from orchestrator.sources import goproxy
from orchestrator.sources.crates import Crates, is_crate
from orchestrator.sources.deb import read_first
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.mismatch import Mismatch, doubt, sentence
from orchestrator.sources.npm_settings import is_npm_tarball
from orchestrator.sources.supply import Located, Supply
from orchestrator.sources.unobtained import SHOWN, LeftTheArchive, is_package, looks, together

_PROXY = "check the proxy that is named, or name this host in no_proxy"
_BUSYBOX = ("bin/busybox", "usr/bin/busybox")
_THREADS = 8
_BEGINNING = 512
_ELSEWHERE = (
    "add a mirror or a dated snapshot that has it to [mirrors] of tally.toml; whoever publishes the release "
    "can put it there with --with-sources"
)


class Sources:
    """The `sources` folder of the state, filled from mirrors."""

    def __init__(
        self,
        folder: Path,
        mirrors: Mirrors,
        repository: Path | None = None,
        supplies: Sequence[Supply] = (),
    ) -> None:
        """`repository` is a folder of the repository that path sources are in, when there are any.

        `supplies` are asked before the addresses of what is wanted.
        """
        self.folder = folder
        self._repository = repository
        self._mirrors = mirrors
        self._supplies = supplies
        self._located: dict[tuple[str, str], Located] = {}
        self.downloader = Downloader(_THREADS)
        self._crates = Crates(mirrors, self.downloader)

    @property
    def located(self) -> tuple[Located, ...]:
        """What was fetched, by name, and where each was found."""
        return tuple(self._located[key] for key in sorted(self._located))

    def path(self, wanted: Wanted) -> Path:
        """Where a thing is once it was fetched."""
        return self.folder / wanted.digest.hex / wanted.name

    def missing(self, wanted: Iterable[Wanted]) -> tuple[Wanted, ...]:
        """What is not there yet."""
        return tuple(each for each in wanted if not os.path.lexists(self.path(each)))

    def fetch_all(self, wanted: Iterable[Wanted], fetched: Callable[[Wanted], None] | None = None) -> None:
        """Fetch what is missing, several at a time; `fetched` is called after each, from this thread.

        Raises TallyError naming each thing that could not be had, with every address and its reason.
        """
        missing = self.missing(wanted)
        failures: list[TallyError] = []
        for each, failure in in_parallel(missing, self.fetch, self.downloader.stop, threads=_THREADS):
            if failure is not None:
                failures.append(failure)
            elif fetched is not None:
                fetched(each)
        if failures:
            raise together(failures, len(failures) if self._supplies else SHOWN)

    def fetch(self, wanted: Wanted) -> Path:
        """Fetch one thing unless it is there; gives its place. Raises TallyError like `fetch_all`."""
        place = self.path(wanted)
        if os.path.lexists(place):
            return place
        with self._owned(place.parent):
            if not os.path.lexists(place):
                self._fetch(wanted, place)
        return place

    def _fetch(self, wanted: Wanted, place: Path) -> None:
        if wanted.package is not None:
            self._fetch_busybox(wanted, replace(wanted.package, users=wanted.users), place)
        elif isinstance(wanted.digest, NarHash):
            self._fetch_tree(wanted, place)
        elif not self._reuse(wanted.digest, place):
            self._fetch_file(wanted, wanted.digest, place)

    def _fetch_file(self, wanted: Wanted, digest: Sha256 | OtherDigest, place: Path) -> None:
        failures: list[tuple[str, Unreachable]] = []
        for supply in self._supplies:
            try:
                self._write(supply.read(wanted.name, digest), digest, place, [])
            except Unreachable as error:
                failures.append((supply.place, error))
            else:
                self._note(wanted, supply.place)
                return
        for url in wanted.urls:
            try:
                for address in self._addresses(url, digest):
                    kinds: list[str] = []
                    try:
                        self._write(self.downloader.read(address, kinds.append), digest, place, kinds)
                    except Unreachable as error:
                        failures.append((address, error))
                    else:
                        self._note(wanted, address, own=True)
                        self._tell_unlike(wanted, url, address, failures)
                        return
            except Unreachable as error:
                failures.append((url, error))
        reasons = [f"  {self.shown(address)}: {error}" for address, error in failures]
        message = sentence(wanted, failures) or (
            f"{_place(wanted)}no address gave {wanted.name} with {wanted.algorithm} {digest.hex}:\n"
            + "\n".join(reasons or ["  it has no address"])
        )
        if self._supplies:
            raise TallyError(message, hint=_ELSEWHERE)
        absent = bool(failures) and all(isinstance(error, Absent) for _, error in failures)
        if absent and all(is_package(url) for url in wanted.urls):
            raise LeftTheArchive(message, wanted.users)
        proxied = bool(failures) and all(isinstance(error, ProxyFailed) for _, error in failures)
        usual = _PROXY if proxied else "check the network, the digest, and the mirrors in tally.toml"
        raise TallyError(message, hint=doubt(wanted, failures) or usual)

    def _tell_unlike(
        self, wanted: Wanted, url: str, address: str, failures: Sequence[tuple[str, Unreachable]]
    ) -> None:
        """A registry has other bytes of it than an address that a lock file names: who wrote that one?"""
        unlike = next((place for place, error in failures if isinstance(error, Mismatch)), None)
        if unlike is not None and not url.startswith("mirror://"):
            NOTICE.tell(
                f"{wanted.name}: {self.shown(unlike)} has other bytes of it than are pinned; these are from "
                f"{self.shown(address)}"
            )

    def places(self, url: str) -> Iterable[str]:
        """The addresses of a URL whose file's digest nobody knows yet. Raises Unreachable."""
        return self._addresses(url, Sha256("0" * 64))

    def _addresses(self, url: str, digest: Sha256 | OtherDigest) -> Iterable[str]:
        """Raises Unreachable, also while they are looked through, when there are none."""
        if is_layer(url):
            from orchestrator.sources.containers import Containers

            return Containers(self._mirrors, self.downloader).addresses(url)
        if is_crate(url):
            return self._crates.addresses(url, digest.hex)
        if url.startswith(("mirror://pypi/", "mirror://npm/")):
            from orchestrator.sources import registries

            look_up = registries.pypi_addresses if "//pypi/" in url else registries.npm_addresses
            return look_up(url, self._mirrors, self.downloader)
        if is_npm_tarball(url):
            return (self._mirrors.npm.authorised(url),)
        try:
            if url.startswith(goproxy.MIRROR):
                return goproxy.addresses(url, self._mirrors.bases("go"), self._mirrors.configured("go"))
            return self._mirrors.addresses(url)
        except TallyError as error:
            raise Unreachable(f"{error.message} ({error.hint})" if error.hint else error.message) from error

    def shown(self, place: str) -> str:
        """A place as messages have it."""
        return place if any(place == each.place for each in self._supplies) else without_credentials(place)

    def _note(self, wanted: Wanted, place: str, *, own: bool = False) -> None:
        located = Located(wanted.name, wanted.digest, self.shown(place), own)
        self._located[wanted.name, wanted.digest.hex] = located

    def _write(
        self, chunks: Iterator[bytes], digest: Sha256 | OtherDigest, place: Path, kinds: Sequence[str]
    ) -> None:
        """Raises Unreachable when there are no bytes, or not the right ones; `kinds` is said of them."""
        seen = hashlib.new(digest.algorithm) if isinstance(digest, OtherDigest) else hashlib.sha256()
        beginning = b""
        with written_atomically(place) as stream:
            for chunk in chunks:
                beginning += chunk[: _BEGINNING - len(beginning)]
                seen.update(chunk)
                stream.write(chunk)
            if seen.hexdigest() != digest.hex:
                raise Mismatch(seen.hexdigest(), digest.hex, looks(kinds, beginning), seen.name)

    def _reuse(self, digest: Sha256 | OtherDigest, place: Path) -> bool:
        """Take the same bytes under another name, when they are here already."""
        for other in sorted(place.parent.iterdir()):
            if other.is_file() and not other.name.startswith(".") and _is(other, digest):
                os.link(other, place)
                return True
        return False

    def _fetch_tree(self, wanted: Wanted, place: Path) -> None:
        reasons, hint = [], None
        for supply in self._supplies:
            try:
                self._unpack(supply, wanted, place)
            except Unreachable as error:
                reasons.append(f"  {supply.place}: {error}")
            else:
                self._note(wanted, supply.place)
                return
        for url in wanted.urls:
            try:
                with self._folder_atomically(wanted, place) as folder:
                    self._write_tree(url, folder, wanted.extras)
                self._note(wanted, url, own=True)
                return
            except Unreachable as error:
                reasons.append(f"  {without_credentials(url)}: {error}")
            except TallyError as error:
                reasons.append(f"  {without_credentials(url)}: {error.message}")
                hint = hint or error.hint
        raise TallyError(
            f"no address gave {wanted.name} with NAR hash {wanted.digest.hex}:\n"
            + "\n".join(reasons or ["  it has no address"]),
            hint=_ELSEWHERE if self._supplies else hint or "check the network, the revision and the digest",
        )

    def _unpack(self, supply: Supply, wanted: Wanted, place: Path) -> None:
        """Have a folder from its NAR. Raises Unreachable where there is none, or another one."""
        packed = place.with_name(f".{wanted.name[:100]}.nar.tmp")
        digest = hashlib.sha256()
        try:
            with packed.open("wb") as stream:
                for chunk in supply.read(wanted.name, wanted.digest):
                    digest.update(chunk)
                    stream.write(chunk)
            if digest.hexdigest() != wanted.digest.hex:
                raise Mismatch(digest.hexdigest(), wanted.digest.hex, "")
            with packed.open("rb") as stream, self._folder_atomically(wanted, place) as folder:
                folder.rmdir()
                restore(stream, folder)
        except ValueError as error:
            raise Unreachable(f"it cannot be unpacked: {error}") from error
        except OSError as error:
            raise cannot_write(place, error) from error
        finally:
            packed.unlink(missing_ok=True)

    def _write_tree(self, url: str, folder: Path, extras: Extras) -> None:
        """Raises Unreachable or TallyError when there is no such tree."""
        from orchestrator.repositories.gitremote import export_remote
        from orchestrator.sources.pathsource import write_tree

        if url.startswith("git+"):
            address, _, rev = url.removeprefix("git+").rpartition("@")
            export_remote(address, rev, folder, extras)
        elif url.startswith("path:") and self._repository is not None:
            write_tree(self._repository, url, folder, extras)
        else:
            raise Unreachable("no way to fetch a folder from such an address")

    def _fetch_busybox(self, wanted: Wanted, package: Wanted, place: Path) -> None:
        deb = self.fetch(package)
        try:
            with self._folder_atomically(wanted, place) as folder:
                lay_out_busybox(deb, folder)
        except Unreachable as error:
            raise TallyError(f"the busybox in {deb.name} is not the locked one: {error}") from error

    @contextmanager
    def _folder_atomically(self, wanted: Wanted, place: Path) -> Iterator[Path]:
        temporary = place.with_name(f".{wanted.name[:100]}.tmp")
        try:
            temporary.mkdir(mode=0o755)
            yield temporary
            seen = nar_hash(temporary)
            if seen != wanted.digest:
                raise Unreachable(f"its NAR hash is {seen.hex}, expected {wanted.digest.hex}")
            temporary.rename(place)
            sync_folder(place.parent)
        except OSError as error:
            raise cannot_write(place, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @contextmanager
    def _owned(self, folder: Path) -> Iterator[None]:
        """Hold a digest's folder against other runs, and clear what a killed one left in it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / ".lock").open("a")
        except OSError as error:
            raise cannot_write(folder, error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.glob(".*.tmp"):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
            yield


def lay_out_busybox(deb: Path, folder: Path) -> None:
    """Put the static busybox of a `.deb` into a folder, alone, mode 0555. Raises TallyError without one."""
    found = read_first(deb, _BUSYBOX)
    if found is None or found.content is None:
        raise TallyError(f"{deb.name} holds no busybox")
    target = folder / "busybox"
    with target.open("wb") as stream:
        stream.write(found.content)
        stream.flush()
        os.fsync(stream.fileno())
    target.chmod(0o555)


def _is(file: Path, digest: Sha256 | OtherDigest) -> bool:
    if isinstance(digest, Sha256):
        return Sha256.of_file(file) == digest
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, digest.algorithm).hexdigest() == digest.hex


def _place(wanted: Wanted) -> str:
    """Where it is pinned, in front of a sentence: a recipe's own sources need none."""
    return f"{wanted.lock}: " if wanted.lock is not None else ""
