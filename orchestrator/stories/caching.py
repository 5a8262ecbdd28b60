"""The story of `tally publish RELEASE cache+file:///DIR`: what was agreed on, as a Nix binary cache.

Verified here; each path's bytes found, and compared with the evidence; signed by each builder that made them
and by the release's key; NARs written, then what makes them found; read back.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.caches.writing import CacheFolder, Object
from orchestrator.evidence import links
from orchestrator.evidence.beliefs import Belief
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import STEP
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read, cannot_write
from orchestrator.ground.nar import dump
from orchestrator.ground.state import State
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted
from orchestrator.keys import dsse, keyfiles, nixkeys
from orchestrator.keys.key import PublicKey
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.references import Scan
from orchestrator.nix.signature import SecretKey
from orchestrator.nix.storepath import flat_path
from orchestrator.publishing.destinations.destination import Outgoing
from orchestrator.publishing.drafts import locked, refuse_unusable
from orchestrator.publishing.named import Named
from orchestrator.publishing.reference import NixCache
from orchestrator.stories.publication import Order, Publication, verified_here

_NAME = len("/nix/store/") + 33
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the release goes into the cache."""

    runtime: bool = False
    """Also what the target refers to, and so on."""
    believed: bool = False
    """Of that also what nobody of the release's builders made."""
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
class _Builder:
    """A builder whose link is in the release, and whose key and store are in this state folder."""

    store: ChrootStore
    key: SecretKey


@dataclass(frozen=True, slots=True)
class _Found:
    """An object of the release, and where its bytes are."""

    item: Object
    file: Path
    belief: Belief | None


def publish(order: Order, wanted: Wanted, state: State, scratch: Path, say: Say) -> Cached:
    """Write what the builders agreed on into a cache. The same again changes nothing.

    Raises TallyError where it cannot be decided or done, as where the cache has another object at a path.
    """
    cache = CacheFolder(_folder(order.destination))
    refuse_unusable(cache.folder)
    cache.refuse_unusable()
    own = None if wanted.key is None else nixkeys.load(wanted.key)
    release, verdict = verified_here(order)
    if release is None:
        return Cached(Publication(verdict))
    named = Named(_links(release))
    found = _closure(order, named, wanted, state, say)
    for each in found.values():
        cache.find(each.item)  # before the first key is made and the first byte written
    builders = _builders(release, named, state, Nix.find(scratch), say)
    key = own or nixkeys.of_state(state.folder("keys"), "release")
    signatures = {path: _signatures(each, builders, key) for path, each in found.items()}
    changed = _written(cache, found, signatures, say)
    _read_back(cache, found, signatures, say)
    signing = {each.key.public.text for each in builders.values() if _signed_any(each.key, signatures)}
    public = (*sorted(signing), key.public.text)
    return Cached(Publication(verdict, order.destination, changed), public, named.targets)


def _folder(destination: object) -> Path:
    assert isinstance(destination, NixCache)
    parts = urlsplit(destination.address)
    if parts.scheme != "file":
        raise TallyError(
            f"{destination}: publishing to a Nix cache behind {parts.scheme}:// is not there yet",
            hint="publish to cache+file:///DIR, and have a web server or a bucket serve that folder",
        )
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query:
        raise TallyError(f"{destination} names no folder", hint="give cache+file:///DIR, without a query")
    return Path(unquote(parts.path))


def _links(release: Outgoing) -> Mapping[str, Link]:
    """Each builder's link, as it was verified, by its file."""
    return {path: links.parse(envelope.payload, path) for path, envelope in _envelopes(release).items()}


def _envelopes(release: Outgoing) -> Mapping[str, dsse.Envelope]:
    return {
        path: dsse.read(b"".join(release.chunks(path)), path)
        for path in sorted(release.evidence)
        if path.startswith(f"links/{STEP}.") and path.endswith(".link")
    }


def _closure(order: Order, named: Named, wanted: Wanted, state: State, say: Say) -> Mapping[str, _Found]:
    """What goes into the cache, each path after all that it refers to. Raises TallyError."""
    found: dict[str, _Found] = {}
    left_out: set[str] = set()
    done: dict[str, _Found] = {}
    stack = [(path, False) for path in reversed(named.targets)]
    while stack:
        path, expanded = stack.pop()
        if expanded:
            done[path] = found[path]
            continue
        if path in found or path in left_out:
            continue
        belief = named.belief(path)
        if belief is not None and not wanted.believed:
            left_out.add(path)
            continue
        found[path] = each = _object(order, path, named, belief, state)
        stack.append((path, True))
        if wanted.runtime:
            stack += [(below, False) for below in reversed(each.item.references)]
    if left_out:
        say(
            f"{counted(len(left_out), 'believed input stays', 'believed inputs stay')} out of the cache, "
            f"{min(left_out)} among them; --with-believed puts them in"
        )
    return done


def _object(order: Order, path: str, named: Named, belief: Belief | None, state: State) -> _Found:
    """An object as the evidence has it, by its bytes in a store of this machine. Raises TallyError."""
    expected = named.digest(path)
    others = []
    for root in _roots(named, state):
        file = root / path.lstrip("/")
        if not os.path.lexists(file):
            continue
        item = _measured(path, file, named)
        if not _is(expected, item, file):
            others.append(root)
            continue
        if belief is not None:
            item = Object(path, item.nar_hash, item.nar_size, belief.references)
            if not belief.is_over(path, item.nar_hash):
                raise TallyError(f"{path} is believed by a signature that is not over its bytes in {root}")
        return _Found(item, file, belief)
    if others:
        raise TallyError(
            f"{path} in {others[0]} has other bytes than the release's builders agreed on",
            hint=f"see what happened to that store; `tally rebuild {order.release}` tells more",
        )
    raise TallyError(
        f"{path} is in no store of the state folder {state.root}",
        hint=f"build the release here first: `tally build`, or `tally rebuild {order.release}`",
    )


def _roots(named: Named, state: State) -> tuple[Path, ...]:
    builders = sorted({each.builder for each in named.links.values()})
    return tuple(state.store(name) for name in (*builders, "orchestrator"))


def _measured(path: str, file: Path, named: Named) -> Object:
    """What an object's bytes are, and which of the paths that the evidence names they refer to."""
    digest, size, scan = hashlib.sha256(), 0, Scan(named.every)
    try:
        for piece in dump(file):
            digest.update(piece)
            size += len(piece)
            scan.feed(piece)
    except OSError as error:
        raise cannot_read(file, error, "", "see who may read it") from error
    return Object(path, NarHash(digest.hexdigest()), size, scan.found)


def _is(expected: NarHash | Sha256, item: Object, file: Path) -> bool:
    """Whether an object is the one in the evidence: by its NAR or, of a fetched file, by its bytes."""
    if isinstance(expected, NarHash):
        return item.nar_hash == expected
    if file.is_symlink() or not file.is_file() or os.access(file, os.X_OK):
        return False
    return flat_path(item.path[_NAME:], expected.hex) == item.path and Sha256.of_file(file) == expected


def _builders(release: Outgoing, named: Named, state: State, nix: Nix, say: Say) -> Mapping[str, _Builder]:
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
            found[name] = _Builder(ChrootStore(nix, root), key)
    return found


def _signatures(found: _Found, builders: Mapping[str, _Builder], key: SecretKey) -> tuple[str, ...]:
    """Of the builders whose stores hold just this object, and of the release; of whom it is believed by."""
    item = found.item
    if found.belief is not None:
        return found.belief.signature, key.sign(item.fingerprint)
    made = (each.key for each in builders.values() if _holds(each.store, item))
    return tuple(each.sign(item.fingerprint) for each in (*made, key))


def _holds(store: ChrootStore, item: Object) -> bool:
    if store.invalid([item.path]):
        return False
    info = store.information([item.path])[item.path]
    others = tuple(each for each in item.references if each != item.path)
    if (info.nar_hash, info.nar_size, info.references) != (item.nar_hash, item.nar_size, others):
        return False
    try:
        return store.nar_hash(item.path) == item.nar_hash
    except OSError:
        return False


def _written(
    cache: CacheFolder, found: Mapping[str, _Found], signatures: Mapping[str, tuple[str, ...]], say: Say
) -> bool:
    """Put what is missing, NARs first; whether that was anything."""
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        with locked(cache.folder):
            cache.refuse_unusable()
            cache.begin()
            texts: dict[str, str] = {}
            for path, each in found.items():
                there = cache.find(each.item)
                if there is not None and cache.is_whole(there):
                    missing = [sig for sig in signatures[path] if sig not in there.signatures]
                    if not missing:
                        continue
                    texts[path] = _with(cache.text(each.item), missing)
                else:
                    say(f"writing {path}")
                    unsigned = cache.put_nar(each.item, dump(each.file))
                    kept = () if there is None else there.signatures
                    texts[path] = _with(unsigned, list(dict.fromkeys((*kept, *signatures[path]))))
            for path, text in texts.items():  # each after all that it refers to
                cache.put_narinfo(found[path].item, text)
    except OSError as error:
        raise cannot_write(cache.folder, error) from error
    return bool(texts)


def _with(text: str, signatures: list[str]) -> str:
    return text.rstrip("\n") + "\n" + "".join(f"Sig: {each}\n" for each in signatures)


def _read_back(
    cache: CacheFolder, found: Mapping[str, _Found], signatures: Mapping[str, tuple[str, ...]], say: Say
) -> None:
    say(f"reading {counted(len(found), 'path')} back from {cache.folder}")
    for path, each in found.items():
        there = cache.find(each.item)
        if there is None or not set(signatures[path]) <= set(there.signatures) or not cache.is_whole(there):
            raise TallyError(
                f"{path} did not come back from {cache.folder} as it was written",
                hint="see whether the disk holds and nobody else writes there; then run the command again",
            )


def _signed_any(key: SecretKey, signatures: Mapping[str, tuple[str, ...]]) -> bool:
    return any(each.startswith(f"{key.name}:") for every in signatures.values() for each in every)
