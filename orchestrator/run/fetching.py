"""The fixed outputs of somebody else's derivations: fetched once, into the orchestrator's store.

Where inputs may be believed, the same caches are asked first, as mirrors: what only a fetcher that is built
could fetch is there without one. A file with addresses and a sha256 is fetched as sources of recipes are, so
that nothing has to be built for fetching it. Nix fetches the rest, by the derivations' own means. Each way
the digest decides, and nobody is believed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Sequence

from orchestrator.caches.cache import Caches
from orchestrator.caches.fixed import take_fixed
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.nar import restore
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.wording import counted
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import Derivation, attributes
from orchestrator.recipe.wanted import Wanted
from orchestrator.run.workshop import Workshop
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.supply import Located, Supply

_OURS = ("https://", "http://", "mirror://")
_THREADS = 8
_SHOWN = 3


def fetch_foreign(
    workshop: Workshop,
    derivations: Sequence[Derivation],
    say: Callable[[str], None],
    caches: Caches | None = None,
    supplies: Sequence[Supply] = (),
) -> tuple[Located, ...]:
    """See to it that the orchestrator's store holds these fixed outputs; `supplies` are asked first.

    Gives what was fetched by us, and where it was found. Raises TallyError.
    """
    lacking = _lacking(workshop, derivations)
    if not lacking:
        return ()
    say(f"fetching {counted(len(lacking), 'fixed output')}")
    failures = [] if caches is None else take_fixed(caches, lacking, workshop.store)
    lacking = lacking if caches is None else _lacking(workshop, lacking)
    found, more = _by_ours(
        workshop, [each for one in lacking if (each := _ours(one, supplies)) is not None], supplies
    )
    failures += more
    others, more = _by_other_digests(workshop, _lacking(workshop, lacking), supplies)
    found, failures = (*found, *others), failures + more
    left = _lacking(workshop, lacking)
    if not left:
        return found
    try:
        workshop.store.realise(sorted(each.path for each in left))
    except NixFailed as error:
        still = sorted(each.name for each in _lacking(workshop, left))
        shown = len(still) if supplies else _SHOWN
        names = ", ".join(still[:shown]) + (", …" if len(still) > shown else "")
        reasons = [failure.message for failure in (failures if supplies else failures[:_SHOWN])]
        reasons.append(error.message)
        raise TallyError(
            f"cannot fetch {counted(len(still), 'fixed output')}, {names}:\n" + "\n".join(reasons),
            hint="see whether its addresses are there, and whether its digest is that of what they have",
        ) from error
    return found


def _ours(derivation: Derivation, supplies: Sequence[Supply]) -> Wanted | None:
    """What we can fetch, or take from a supply, which needs no address."""
    fixed = derivation.fixed
    if (wanted := wanted_of(derivation)) is not None or fixed is None or not supplies:
        return wanted
    return None if isinstance(fixed.digest, OtherDigest) else Wanted(derivation.name, fixed.digest, ())


def _by_other_digests(
    workshop: Workshop, derivations: Sequence[Derivation], supplies: Sequence[Supply]
) -> tuple[list[Located], list[TallyError]]:
    """Take from supplies what a derivation pins by another digest than sha256."""
    found: list[Located] = []
    failures: list[TallyError] = []
    for derivation in derivations:
        fixed = derivation.fixed
        if fixed is None or not isinstance(fixed.digest, OtherDigest):
            continue
        for supply in supplies:
            try:
                _take(workshop, derivation.name, fixed.digest, fixed.path, supply)
            except Unreachable as error:
                failures.append(TallyError(f"  {derivation.name}, at {supply.place}: {error}"))
            else:
                found.append(Located(derivation.name, fixed.digest, supply.place))
                break
    return found, failures


def _take(workshop: Workshop, name: str, digest: OtherDigest, path: str, supply: Supply) -> None:
    """Raises Unreachable where it has none, or another one."""
    folder = workshop.store.nix.scratch / f"supplied-{uuid.uuid4()}"
    packed, made = folder / "bytes", folder / "made" / name
    try:
        seen = hashlib.new(digest.algorithm)
        made.parent.mkdir(parents=True)
        with packed.open("wb") as stream:
            for chunk in supply.read(name, digest):
                seen.update(chunk)
                stream.write(chunk)
        if seen.hexdigest() != digest.hex:
            raise Unreachable(f"its {digest.algorithm} is {seen.hexdigest()}, expected {digest.hex}")
        if digest.nar:
            with packed.open("rb") as stream:
                restore(stream, made)
        else:
            packed.rename(made)
        added = workshop.store.add_fixed([made], recursive=digest.nar, algorithm=digest.algorithm)
    except ValueError as error:
        raise Unreachable(str(error)) from error
    except OSError as error:
        raise cannot_write(packed, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if added != [path]:
        raise Unreachable("its name or digest are those of another path")


def _lacking(workshop: Workshop, derivations: Sequence[Derivation]) -> list[Derivation]:
    paths = {each.path: each.fixed.path for each in derivations if each.fixed is not None}
    absent = workshop.store.invalid(sorted(set(paths.values())))
    found = {each.path: each for each in derivations if paths.get(each.path) in absent}
    return [found[path] for path in sorted(found)]


def wanted_of(derivation: Derivation) -> Wanted | None:
    """What we can fetch of a fixed output; None: that is for Nix to do."""
    fixed = derivation.fixed
    if fixed is None or not isinstance(fixed.digest, Sha256):
        return None
    told = attributes(derivation)
    urls: list[str] = []
    for name in ("urls", "url"):
        value = told.get(name)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        urls += [word for word in words if isinstance(word, str) and word.startswith(_OURS)]
    return Wanted(derivation.name, fixed.digest, tuple(dict.fromkeys(urls))) if urls else None


def _by_ours(
    workshop: Workshop, wanted: Sequence[Wanted], supplies: Sequence[Supply]
) -> tuple[tuple[Located, ...], list[TallyError]]:
    """Fetch what can be had, and put it into the store; what cannot is told, and nothing more."""
    mirrors = Mirrors(workshop.configuration.mirrors)
    sources = Sources(workshop.state.folder("sources"), mirrors, None, supplies)
    fetched = in_parallel(wanted, sources.fetch, sources.downloader.stop, threads=_THREADS)
    failures = [failure for _, failure in fetched if failure is not None]
    for recursive in (False, True):
        alike = [each for each in wanted if isinstance(each.digest, NarHash) is recursive]
        if there := [place for each in alike if os.path.lexists(place := sources.path(each))]:
            workshop.store.add_fixed(there, recursive=recursive)
    return sources.located, failures
