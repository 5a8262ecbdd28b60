"""Taking believed paths into a store of ours: checked here, byte by byte, before Nix sees one of them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.caches.believed import Believed, Offer, unusable
from orchestrator.caches.cache import Caches
from orchestrator.caches.narinfo import STORE, narinfo_name
from orchestrator.caches.room import lacking
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.wording import counted
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.store import PathInfo, Store, chunks

_TOGETHER = 4


def take(caches: Caches, offers: Mapping[str, Offer], store: ChrootStore, say: Callable[[str], None]) -> None:
    """See to it that `store` holds every offered path, with the bytes that were signed.

    All that they refer to must be there or be offered. Raises TallyError where one cannot be had as signed,
    or where the store holds another one at its path; the store has none of them then.
    """
    absent = store.invalid(offers)
    refuse_others(store, [each.believed for path, each in offers.items() if path not in absent], "our store")
    wanted = [offers[path] for path in sorted(absent)]
    if not wanted:
        return
    _refuse_too_large(wanted, store)
    sizes = sum(each.believed.nar_size for each in wanted) / (1 << 20)
    whose = counted(len(caches.addresses), "cache")
    say(f"taking {counted(len(wanted), 'input')} of {sizes:.1f} MiB from {whose}")
    folder = store.nix.scratch / f"believed-{uuid.uuid4()}"
    try:
        _fetch(caches, wanted, folder)
        copy = ["nix", "copy", "--no-check-sigs", "--no-recursive", "--from", f"file://{folder}"]
        for some in chunks(_in_order(wanted)):
            store.nix.run([*copy, "--to", store.address, *some])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    refuse_others(store, [each.believed for each in wanted], "our store")


def refuse_others(store: Store, believed: Iterable[Believed], whose: str) -> None:
    """Raises TallyError where a store that holds these valid paths holds others than those believed."""
    expected = {each.path: each for each in believed}
    for path, info in sorted(store.information(expected).items()):
        if not _is(info, expected[path]):
            told = expected[path]
            raise TallyError(
                f"{path} in {whose} is NAR {info.nar_hash}, and the cache {told.cache} has it as "
                f"{told.nar_hash}, signed by {told.key.name}",
                hint="the derivation may not reproduce: rebuild it, with "
                f"--rebuild {path.partition('-')[2]}; or {store.remedy}",
            )


def _is(info: PathInfo, believed: Believed) -> bool:
    references = tuple(each for each in believed.references if each != believed.path)
    return (info.nar_hash, info.references) == (believed.nar_hash, references)


def _refuse_too_large(wanted: Sequence[Offer], store: ChrootStore) -> None:
    size = sum(each.believed.nar_size for each in wanted)
    if (why := lacking(store.nix.scratch, size)) is not None:
        largest = max(wanted, key=lambda each: each.believed.nar_size).believed
        raise unusable(
            largest.path,
            largest.cache,
            f"it has {counted(largest.nar_size, 'byte')}, the most of {counted(len(wanted), 'input')}, and "
            f"there is no room for them: {why}",
            hint="free some space there, or name a folder of another disk in TALLY_STATE",
        )


def _fetch(caches: Caches, wanted: Sequence[Offer], folder: Path) -> None:
    """A cache of our own, in `folder`, that Nix reads from: of the bytes that were checked."""
    try:
        (folder / "nar").mkdir(parents=True)
        (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    except OSError as error:
        raise cannot_write(folder, error) from error

    def work(offer: Offer) -> None:
        believed = offer.believed
        file = folder / "nar" / f"{believed.nar_hash.hex}-{believed.path[11:43]}.nar"
        try:
            with file.open("wb") as stream:
                for piece in caches.nar(offer):
                    stream.write(piece)
            (folder / narinfo_name(believed.path)).write_text(_narinfo(believed, f"nar/{file.name}"))
        except OSError as error:
            raise cannot_write(file, error) from error

    by_path = {each.believed.path: each for each in wanted}
    failures = {
        path: error
        for path, error in in_parallel(
            by_path, lambda path: work(by_path[path]), caches.http.stop, threads=_TOGETHER
        )
        if error is not None
    }
    if failures:
        raise failures[min(failures)]


def _narinfo(believed: Believed, url: str) -> str:
    references = " ".join(each.removeprefix(STORE) for each in believed.references)
    return (
        f"StorePath: {believed.path}\nURL: {url}\nCompression: none\n"
        f"FileHash: {believed.nar_hash}\nFileSize: {believed.nar_size}\n"
        f"NarHash: {believed.nar_hash}\nNarSize: {believed.nar_size}\n"
        f"References: {references}\nSig: {believed.signature}\n"
    )


def _in_order(wanted: Sequence[Offer]) -> list[str]:
    """Each path after all that it refers to, as far as that is wanted, too."""
    references = {each.believed.path: each.believed.references for each in wanted}
    done: dict[str, None] = {}
    for first in references:
        stack = [(first, False)]
        begun: set[str] = set()
        while stack:
            path, expanded = stack.pop()
            if expanded:
                done[path] = None
            elif path not in done and path not in begun and path in references:
                begun.add(path)
                stack.append((path, True))
                stack += [(each, False) for each in references[path]]
    return list(done)
