"""The fixed inputs of a release, found again for publishing them: what a rebuilder will need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import dump
from orchestrator.ground.plainly import why
from orchestrator.nix.derivation import Derivation, DerivationGraph
from orchestrator.publishing.inputs import Input, Pinned, Supplied, is_nar
from orchestrator.recipe.wanted import Wanted, fixed_outputs
from orchestrator.run import trees
from orchestrator.run.claim import claim_of, refuse_without_source
from orchestrator.run.fetching import fetch_foreign, wanted_of
from orchestrator.run.gathering import gather
from orchestrator.run.left_out import believed_of, left_out
from orchestrator.run.remaking import planned_again
from orchestrator.run.supplies import of_caches
from orchestrator.run.workshop import Workshop
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.supply import Supply

_CHUNK = 1 << 20


def inputs_of(
    workshop: Workshop,
    release: Path,
    say: Callable[[str], None],
    supplies: Sequence[Supply] = (),
    *,
    believed: bool = False,
) -> tuple[Supplied, ...]:
    """Every fixed input of a release that verified, each digest once: fetched first where it is not here.

    `believed`: whether the inputs that were believed are published, too. Raises TallyError for a fixed input
    that cannot be had and that not only those were made from, and for a release that cannot be planned again.
    """
    supplies = (*supplies, *of_caches(workshop))
    claim = claim_of(release)
    try:
        refuse_without_source(claim)
    except TallyError as error:
        raise TallyError(
            error.message, hint="leave --with-sources out: it does not say which it has"
        ) from error
    plan = planned_again(workshop, claim, Path.cwd(), say, supplies)
    (target,) = plan.targets.values()
    gather(workshop, target.request, target.evaluated.fixed, target.folder, say, supplies)
    beliefs = believed_of(claim)
    above = _rebuilt(target.graph, beliefs)
    fetch_foreign(workshop, [each for each in target.foreign if each.path in above], say, supplies=supplies)
    with suppress(TallyError):  # what is missing of these is told below
        fetch_foreign(workshop, target.foreign, say, supplies=supplies)
    absent = workshop.store.invalid([each.fixed.path for each in target.foreign if each.fixed is not None])
    there = [each for each in target.foreign if each.fixed is not None and each.fixed.path not in absent]
    paths = {(each.name, each.digest): each.path for each in target.evaluated.fixed}
    found = [
        _ours(workshop, each, paths.get((each.name, each.digest)), supplies)
        for each in fixed_outputs(target.request)
    ]
    found += [_foreign(workshop, each) for each in there]
    carried, lacking = _trees(workshop, target.request)
    found += carried
    lost = [each.name for each in target.foreign if each not in there]
    for line in left_out(claim, lacking, () if believed else beliefs, lost):
        say(line)
    once = {each.input.digest: each for each in found}
    return tuple(sorted(once.values(), key=lambda each: (each.input.name, each.input.sha256.hex)))


def _rebuilt(graph: DerivationGraph, believed: Collection[str]) -> set[str]:
    """The derivations that have to be there where these outputs are: fixed ones among them."""
    seen, queue = set(graph.roots), list(graph.roots)
    while queue:
        for path, names in graph[queue.pop()].input_derivations.items():
            outputs = {graph[path].outputs[name] for name in names}
            if path not in seen and not outputs.issubset(believed):
                seen.add(path)
                queue.append(path)
    return seen


def _trees(workshop: Workshop, request: Mapping[str, Any]) -> tuple[list[Supplied], list[str]]:
    """The trees of nixpkgs that it was evaluated with, which are in our store by that; those that are not."""
    found, lacking = [], []
    for said, (tree, node) in trees.pinned(request).items():
        path, address = trees.path_of(tree), trees.address_of(node)
        if workshop.store.invalid([path]):
            lacking.append(said)
            continue
        urls = () if address is None else (address,)
        found.append(supplied(workshop.store.physical(path), trees.NAME, tree, urls))
    return found, lacking


def _ours(workshop: Workshop, wanted: Wanted, path: str | None, supplies: Sequence[Supply]) -> Supplied:
    """One of a request; of the folder with busybox the package that it is taken from."""
    one = wanted.package or wanted
    if wanted.package is None and path is not None:
        return supplied(workshop.store.physical(path), one.name, one.digest, one.urls)
    sources = Sources(
        workshop.state.folder("sources"), Mirrors(workshop.configuration.mirrors), None, supplies
    )
    return supplied(sources.fetch(one), one.name, one.digest, one.urls)


def _foreign(workshop: Workshop, derivation: Derivation) -> Supplied:
    fixed, wanted = derivation.fixed, wanted_of(derivation)
    assert fixed is not None
    urls = () if wanted is None else wanted.urls
    return supplied(workshop.store.physical(fixed.path), derivation.name, fixed.digest, urls)


def supplied(file: Path, name: str, digest: Pinned, urls: Sequence[str]) -> Supplied:
    """What lies at a place of ours, hashed: it is what it is pinned as, or a TallyError is raised."""
    sha256, size = _measured(file, name, digest)

    def chunks() -> Iterator[bytes]:
        seen = hashlib.sha256()
        for chunk in _bytes(file, name, digest):
            seen.update(chunk)
            yield chunk
        if seen.hexdigest() != sha256.hex:
            raise TallyError(f"{name} changed while it was read: {file}", hint="run the command again")

    return Supplied(Input(name, digest, sha256, size, tuple(urls)), chunks)


def _measured(file: Path, name: str, digest: Pinned) -> tuple[Sha256, int]:
    seen, size = hashlib.sha256(), 0
    own = hashlib.new(digest.algorithm) if isinstance(digest, OtherDigest) else seen
    for chunk in _bytes(file, name, digest):
        seen.update(chunk)
        if own is not seen:
            own.update(chunk)
        size += len(chunk)
    if own.hexdigest() != digest.hex:
        raise TallyError(
            f"{name} is not what it is pinned as: {file} has {own.hexdigest()}, and {digest.hex} is wanted",
            hint="remove that file and run the command again",
        )
    return Sha256(seen.hexdigest()), size


def _bytes(file: Path, name: str, digest: Pinned) -> Iterator[bytes]:
    """A flat file as it is, anything else as its NAR. Raises TallyError."""
    try:
        if is_nar(digest):
            yield from dump(file)
            return
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise TallyError(f"cannot read {name} at {file}: {why(error)}") from error
