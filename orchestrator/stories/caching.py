"""The story of `tally publish RELEASE cache+…`: what was agreed on, as a Nix binary cache.

Verified here; each path's bytes found, and compared with the evidence; signed by each builder that made them
and by the release's key; NARs written, then what makes them found; read back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import TypeVar

from orchestrator.caches import narinfo
from orchestrator.caches.narinfo import Narinfo
from orchestrator.caches.writing import BinaryCache
from orchestrator.evidence import links
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import STEP
from orchestrator.ground.errors import TallyError
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.state import State
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted
from orchestrator.keys import dsse, keyfiles, nixkeys
from orchestrator.keys.key import PublicKey
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.signature import SecretKey
from orchestrator.publishing import caches
from orchestrator.publishing.agreed import Found, Stores, of_input
from orchestrator.publishing.destinations.destination import Outgoing
from orchestrator.publishing.named import Named
from orchestrator.publishing.reference import NixCache
from orchestrator.stories.publication import Order, Publication, verified_here

T = TypeVar("T")
Say = Callable[[str], None]
Signatures = Mapping[str, tuple[str, ...]]
"""By store path."""
_TOGETHER = 4
"""Objects that are packed, sent and read back at once: each holds a part of itself in memory."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the release goes into the cache."""

    runtime: bool = False
    """Also what the target refers to, and so on."""
    believed: bool = False
    """Of that also what nobody of the release's builders made; where inputs are published, all of such."""
    key: Path | None = None
    """The release's Nix key; None: the one of the state folder."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What came of it."""

    publication: Publication
    keys: tuple[str, ...] = ()
    """The public keys, `NAME:BASE64`: of the builders that signed, and last the release's."""
    paths: tuple[str, ...] = ()
    """What was asked for, in the cache."""


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder whose link is in the release, and whose key and store are in this state folder."""

    store: ChrootStore
    key: SecretKey


def publish(order: Order, wanted: Wanted, state: State, scratch: Path, say: Say) -> Cached:
    """Write what the builders agreed on into a cache. The same again changes nothing.

    Raises TallyError where it cannot be decided or done, as where the cache has another object at a path.
    """
    assert isinstance(order.destination, NixCache)
    cache = caches.of(order.destination)
    cache.refuse_unusable()
    own = None if wanted.key is None else nixkeys.load(wanted.key)
    release, verdict = verified_here(order)
    if release is None:
        return Cached(Publication(verdict))
    named = Named(_links(release))
    stores = Stores.of(named, state, order.release)
    rebuilders = wanted.believed and order.inputs is not None
    found = stores.closure(runtime=wanted.runtime, believed=wanted.believed, inputs=rebuilders, say=say)
    inputs = () if order.inputs is None else order.inputs(release.folder.path)
    found = {**{one.item.path: one for one in map(of_input, inputs)}, **found}
    _each(found, lambda path: cache.find(found[path].item))  # before the first key is made and byte written
    builders = _builders(release, named, state, Nix.find(scratch), say)
    key = own or nixkeys.of_state(state.folder("keys"), "release")
    signatures = signed(found, builders, key)
    changed = written(cache, found, signatures, say)
    read_back(cache, found, signatures, say)
    signing = {each.key.public.text for each in builders.values() if _signed_any(each.key, signatures)}
    public = (*sorted(signing), key.public.text)
    return Cached(Publication(verdict, order.destination, changed), public, named.targets)


def _links(release: Outgoing) -> Mapping[str, Link]:
    """Each builder's link, as it was verified, by its file."""
    return {path: links.parse(envelope.payload, path) for path, envelope in _envelopes(release).items()}


def _envelopes(release: Outgoing) -> Mapping[str, dsse.Envelope]:
    return {
        path: dsse.read(b"".join(release.chunks(path)), path)
        for path in sorted(release.evidence)
        if path.startswith(f"links/{STEP}.") and path.endswith(".link")
    }


def _builders(release: Outgoing, named: Named, state: State, nix: Nix, say: Say) -> Mapping[str, Builder]:
    """Those that can sign: a link of the release is by the key that this state folder has for the builder."""
    found = {}
    for path, envelope in _envelopes(release).items():
        name = named.links[path].builder
        _, public = keyfiles.pair(state.keys / f"builder-{name}")
        root = state.store(name)
        if not public.is_file() or not dsse.signed_by(envelope, PublicKey.load(public)):
            say(f"builder {name} does not sign: {path} is not by the key that {state.keys} has for it")
        elif not root.is_dir():
            say(f"builder {name} does not sign: its store is not on this machine")
        else:
            key = nixkeys.of_state(state.keys, f"builder-{name}")
            found[name] = Builder(ChrootStore(nix, root), key)
    return found


def signed(found: Mapping[str, Found], builders: Mapping[str, Builder], key: SecretKey) -> Signatures:
    """Of the builders whose stores hold just this object, and of the release; of whom it is believed by."""
    held = [(each.key, _held(each.store, found)) for each in builders.values()]
    signatures: dict[str, tuple[str, ...]] = {}
    for path, each in found.items():
        if each.belief is not None:
            signatures[path] = each.belief.signature, key.sign(each.item.fingerprint)
            continue
        by = (*(builder for builder, paths in held if path in paths), key)
        signatures[path] = tuple(one.sign(each.item.fingerprint) for one in by)
    return signatures


def _held(store: ChrootStore, found: Mapping[str, Found]) -> frozenset[str]:
    """Those that a store has as they are, by its database and by the bytes."""
    made = [path for path, each in found.items() if each.belief is None and each.fixed is None]
    valid = set(made) - store.invalid(made)
    held = set()
    for path, info in store.information(valid).items():
        item, file = found[path].item, found[path].file
        others = tuple(each for each in item.references if each != path)
        if (info.nar_hash, info.nar_size, info.references) != (item.nar_hash, item.nar_size, others):
            continue
        try:
            if file == store.physical(path) or store.nar_hash(path) == item.nar_hash:
                held.add(path)
        except OSError:
            continue
    return frozenset(held)


def written(cache: BinaryCache, found: Mapping[str, Found], signatures: Signatures, say: Say) -> bool:
    """Put what is missing, NARs first; whether that was anything.

    What makes a NAR found is put once it came back whole. Raises TallyError where it does not.
    """
    texts: dict[str, str] = {}
    fresh: dict[str, Narinfo] = {}

    def put(path: str) -> None:
        item = found[path].item
        there = cache.find(item)
        if there is not None and cache.is_whole(there):
            if missing := [sig for sig in signatures[path] if sig not in there.signatures]:
                texts[path] = _with(cache.text(item), missing)
            return
        say(f"writing {path}")
        unsigned = cache.put_nar(item, found[path].nar())
        fresh[path] = narinfo.parse(unsigned.encode())
        kept = () if there is None else there.signatures
        texts[path] = _with(unsigned, list(dict.fromkeys((*kept, *signatures[path]))))

    def look(path: str) -> None:
        if not cache.is_whole(fresh[path]):
            raise _lost(cache, path)

    with cache.exclusively():
        cache.begin()
        _each(found, put)
        cache.settle()
        _each(fresh, look)
        for path in found:  # each after all that it refers to
            if path in texts:
                cache.put_narinfo(found[path].item, texts[path])
        cache.settle()
    return bool(texts)


def _with(text: str, signatures: list[str]) -> str:
    return text.rstrip("\n") + "\n" + "".join(f"Sig: {each}\n" for each in signatures)


def read_back(cache: BinaryCache, found: Mapping[str, Found], signatures: Signatures, say: Say) -> None:
    """Raises TallyError for what does not come back as it was written."""
    say(f"reading {counted(len(found), 'path')} back from {cache.place}")

    def look(path: str) -> None:
        there = cache.find(found[path].item)
        if there is None or not set(signatures[path]) <= set(there.signatures) or not cache.is_whole(there):
            raise _lost(cache, path)

    _each(found, look)


def _lost(cache: BinaryCache, path: str) -> TallyError:
    return TallyError(
        f"{path} did not come back from {cache.place} as it was written",
        hint="see whether the disk holds and nobody else writes there; then run the command again",
    )


def _each(paths: Mapping[str, T] | Sequence[str], work: Callable[[str], object]) -> None:
    for _, failure in in_parallel(paths, work, Event(), threads=_TOGETHER):
        if failure is not None:
            raise failure


def _signed_any(key: SecretKey, signatures: Signatures) -> bool:
    return any(each.startswith(f"{key.name}:") for every in signatures.values() for each in every)
