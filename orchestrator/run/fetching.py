"""The fixed outputs of somebody else's derivations: fetched once, into the orchestrator's store.

Where inputs may be believed, the same caches are asked first, as mirrors: what only a fetcher that is built
could fetch is there without one. A file with addresses and a sha256 is fetched as sources of recipes are, so
that nothing has to be built for fetching it. Nix fetches the rest, by the derivations' own means. Each way
the digest decides, and nobody is believed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.caches.cache import Caches
from orchestrator.caches.fixed import take_fixed
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.wording import counted
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import Derivation, attributes
from orchestrator.recipe.mirrors import Mirrors
from orchestrator.recipe.sources import Sources
from orchestrator.recipe.wanted import Wanted
from orchestrator.run.workshop import Workshop

_OURS = ("https://", "http://", "mirror://")
_THREADS = 8
_SHOWN = 3


def fetch_foreign(
    workshop: Workshop,
    derivations: Sequence[Derivation],
    say: Callable[[str], None],
    caches: Caches | None = None,
) -> None:
    """See to it that the orchestrator's store holds these fixed outputs. Raises TallyError."""
    lacking = _lacking(workshop, derivations)
    if not lacking:
        return
    say(f"fetching {counted(len(lacking), 'fixed output')}")
    failures = [] if caches is None else take_fixed(caches, lacking, workshop.store)
    lacking = lacking if caches is None else _lacking(workshop, lacking)
    failures += _by_ours(workshop, [each for each in map(wanted_of, lacking) if each is not None])
    left = _lacking(workshop, lacking)
    if not left:
        return
    try:
        workshop.store.realise(sorted(each.path for each in left))
    except NixFailed as error:
        still = sorted(each.name for each in _lacking(workshop, left))
        names = ", ".join(still[:_SHOWN]) + (", …" if len(still) > _SHOWN else "")
        reasons = [failure.message for failure in failures[:_SHOWN]] + [error.message]
        raise TallyError(
            f"cannot fetch {counted(len(still), 'fixed output')}, {names}:\n" + "\n".join(reasons),
            hint="see whether its addresses are there, and whether its digest is that of what they have",
        ) from error


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


def _by_ours(workshop: Workshop, wanted: Sequence[Wanted]) -> list[TallyError]:
    """Fetch what can be had, and put it into the store; what cannot is told, and nothing more."""
    sources = Sources(workshop.state.folder("sources"), Mirrors(workshop.configuration.mirrors), Path())
    fetched = in_parallel(wanted, sources.fetch, sources.downloader.stop, threads=_THREADS)
    failures = [failure for _, failure in fetched if failure is not None]
    if there := [place for each in wanted if os.path.lexists(place := sources.path(each))]:
        workshop.store.add_fixed(there, recursive=False)
    return failures
