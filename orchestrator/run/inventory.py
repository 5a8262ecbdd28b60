"""What stores tell of derivations and store paths: everything that a bill of materials is made from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.evidence.sbom.bill import Closure
from orchestrator.evidence.sbom.closure import Seen, ref_of
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass
from orchestrator.nix import closures
from orchestrator.nix.address import checked, folder_of
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.entry import Entry
from orchestrator.run import parts
from orchestrator.run.parts import Shaped

STORE = "/nix/store/"
_OBJECT = re.compile(r"(/nix/store/[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+)(?:\^([A-Za-z0-9_,*-]+))?")
_ELSEWHERE = "name the store that holds it with --store ADDRESS, as `--store https://cache.example.org`"
_ASKED = "the store that was asked"
"""How a document calls it: the same inputs give the same bytes, wherever the store's folder is."""
_REALISE = "build it first, with `tally build` or `nix-store --realise`; or ask for --closure build alone"
_HAS_IT = "a builder of this machine has it: --store {}"
Holding = Callable[[str], Path | None]
"""Tells another store of this machine that has a path."""


@dataclass(frozen=True)
class Place:
    """A store that can be asked."""

    address: str | None
    """What Nix's `--store` takes; None: this machine's own."""
    folder: Path | None
    """Where `nix/store` is on this machine; None: its files cannot be looked at."""

    @classmethod
    def of(cls, address: str) -> Place:
        """The store at an address that a user gave. Raises TallyError where there is none."""
        folder = folder_of(checked(address))
        if folder is not None and (folder / "nix/store").is_dir():
            return cls(str(folder), folder)
        return cls(address, Path("/") if address in ("auto", "daemon", "local") else None)

    def may_hold(self, path: str) -> bool:
        return self.folder is None or os.path.lexists(self.folder / path.lstrip("/"))

    def __str__(self) -> str:
        return "this machine's store" if self.address is None else self.address


@dataclass(frozen=True, slots=True)
class Wanted:
    """A store path or a derivation, as it was asked for."""

    path: str
    outputs: frozenset[str] | None
    """Of a derivation; None: all of them."""

    @property
    def is_derivation(self) -> bool:
        return self.path.endswith(".drv")


def wanted(target: str) -> Wanted | None:
    """A target that is in a store: `X.drv`, `X.drv^dev,man`, a store path, or a link to one; else None.

    What lies within a store path means the path. Raises TallyError for what only looks like one.
    """
    text, mark, names = target.partition("^")
    if not text.startswith(STORE) and os.path.lexists(text):
        text = os.path.realpath(text)
    if not text.startswith(STORE):
        if text.endswith(".drv"):
            raise TallyError(
                f"{target} is a derivation outside {STORE}",
                hint="Tallystick reads stores whose paths begin with /nix/store alone; "
                "another folder that holds such a store goes with --store FOLDER",
            )
        return None
    whole = "/".join(text.split("/")[:4])
    found = _OBJECT.fullmatch(whole + mark + names)
    if found is None:
        raise TallyError(f"{target} is not a store path", hint="expected /nix/store/DIGITS-NAME")
    if names and not whole.endswith(".drv"):
        raise TallyError(f"{target} asks for outputs of something that is no derivation")
    outputs = None if not names or "*" in names else frozenset(names.split(","))
    return Wanted(whole, outputs)


def seen(
    nix: Nix,
    places: Sequence[Place],
    asked: Sequence[Wanted],
    only: frozenset[Closure] | None,
    holding: Holding = lambda _: None,
) -> Seen:
    """What the first place that holds all targets tells of them. `only` None: all that is known there.

    Raises TallyError when a target is in none of them, or when a closure that was asked for is not known.
    `holding` tells another store that has it, for the hint.
    """
    place = _place(places, asked)
    derivations = [each for each in asked if each.is_derivation]
    paths = [each.path for each in asked if not each.is_derivation]
    remarks: list[str] = []
    entries: dict[str, Entry] = dict(_present(nix, place, paths))
    build = only is None or Closure.BUILD in only
    roots = {each.path: each.outputs for each in derivations}
    if build and paths:
        derivers, remarks = _derivers(nix, place, paths, entries, strict=only is not None)
        roots |= dict.fromkeys(derivers)
    graph = _graph(nix, places, place, list(roots)) if roots else None
    subjects = [*paths, *_outputs(graph, {each.path: each.outputs for each in derivations})]
    shapes: Mapping[str, Shaped] = {}
    covered = {Closure.BUILD} if graph is not None and build and not remarks else set[Closure]()
    if graph is not None and Closure.BUILD in covered:
        shapes = parts.shapes_in(place.folder, graph.as_built().derivations.values())
        entries |= _entries(nix, place, graph, entries, shapes)
    if only is None or Closure.RUNTIME in only:
        told = _runtime(nix, place, graph, subjects, entries, holding, strict=only is not None)
        if told is None:
            covered.add(Closure.RUNTIME)
        else:
            remarks.append(told)
    if not covered:
        raise TallyError("nothing is known of what was asked for: " + " ".join(remarks), hint=_REALISE)
    return Seen(
        tuple(subjects),
        graph,
        entries,
        frozenset(covered),
        parts=parts.read(
            place.folder,
            {path: shaped for path, shaped in shapes.items() if path in entries},
            [path for path in subjects if path in entries],
        ),
        remarks=tuple(each.replace(str(place), _ASKED) for each in remarks),
    )


def by_place(
    places: Sequence[Place], asked: Sequence[Wanted], holding: Holding = lambda _: None
) -> Mapping[Place, Sequence[Wanted]]:
    """Targets by where they are read: all in one place, if one may hold them all.

    Raises TallyError for a target that is in none. `holding` tells another store that has it, for the hint.
    """
    together = next((each for each in places if all(each.may_hold(one.path) for one in asked)), None)
    if together is not None:
        return {together: asked}
    found: dict[Place, list[Wanted]] = {}
    for each in asked:
        found.setdefault(_place(places, [each], holding), []).append(each)
    return found


def _place(places: Sequence[Place], asked: Sequence[Wanted], holding: Holding = lambda _: None) -> Place:
    for place in places:
        if all(place.may_hold(each.path) for each in asked):
            return place
    missing = next(each for each in asked if not places[0].may_hold(each.path))
    store = holding(missing.path)
    raise TallyError(
        f"{missing.path} is not in {' or in '.join(map(str, places))}",
        hint=_ELSEWHERE if store is None else _HAS_IT.format(store),
    )


def _present(nix: Nix, place: Place, paths: Sequence[str]) -> Mapping[str, Entry]:
    entries = closures.known(nix, place.address, place.folder, paths) if paths else {}
    if missing := [path for path in paths if path not in entries]:
        raise TallyError(f"{missing[0]} is not valid in {place}", hint=_ELSEWHERE)
    return entries


def _derivers(
    nix: Nix, place: Place, paths: Sequence[str], entries: Mapping[str, Entry], *, strict: bool
) -> tuple[list[str], list[str]]:
    """The derivations that made these paths, as far as they can be read; and what is said of the others."""
    found, remarks = [], []
    for path in paths:
        deriver = entries[path].deriver
        if deriver is None:
            told = f"{place} names no derivation that made {path}."
        elif place.folder is None or not place.may_hold(deriver):
            told = f"{deriver}, which made {path}, is not in {place}."
        elif not _makes(ChrootStore(nix, place.folder, ours=False), deriver, path):
            # a closure of something else would pass for that of what was asked for
            told = f"{place} says that {deriver} made {path}, which is none of its outputs."
        else:
            found.append(deriver)
            continue
        if strict:
            raise TallyError(
                f"the build-time closure of {path} is not known: {told}",
                hint="ask for --closure runtime, or name the store that holds the derivation with --store",
            )
        remarks.append(f"Its build-time closure is not known: {told}")
    return found, remarks


def _makes(store: ChrootStore, deriver: str, path: str) -> bool:
    """Whether it is a derivation with this output; yes for one whose outputs only a build tells."""
    if not deriver.endswith(".drv"):
        return False
    derivation = store.derivation(deriver, any_digest=True)
    return derivation.floating or path in derivation.outputs.values()


def _graph(nix: Nix, places: Sequence[Place], place: Place, roots: Sequence[str]) -> DerivationGraph:
    if place.folder is not None:
        return ChrootStore(nix, place.folder, ours=False).graph(roots, any_digest=True)
    assert place.address is not None
    ours = next((each.folder for each in places if each is not place and each.folder is not None), None)
    store = ChrootStore(nix, ours or nix.scratch / "derivations")
    if lacking := sorted(store.invalid(roots)):
        copy = ["nix", "copy", "--no-check-sigs", "--derivation", "--from", place.address]
        nix.run([*copy, "--to", store.address, *lacking])
    return store.graph(roots, any_digest=True)


def _outputs(graph: DerivationGraph | None, asked: Mapping[str, frozenset[str] | None]) -> list[str]:
    found = []
    for path, names in asked.items():
        assert graph is not None
        outputs = graph[path].outputs
        if unknown := sorted((names or frozenset()) - set(outputs)):
            raise TallyError(
                f"{path} has no output {unknown[0]!r}", hint=f"its outputs are {', '.join(sorted(outputs))}"
            )
        found += [ref_of(graph[path], name) for name in sorted(names or outputs)]
    return found


def _entries(
    nix: Nix, place: Place, graph: DerivationGraph, known: Mapping[str, Entry], more: Iterable[str]
) -> Mapping[str, Entry]:
    """What the store tells of everything in the build-time closure that is there, and of `more`."""
    paths: set[str] = set(more)
    for derivation in graph.as_built().derivations.values():
        paths.update(derivation.input_sources)
        if derivation.fixed is None:
            paths.update(path for path in derivation.outputs.values() if path)
    return closures.known(nix, place.address, place.folder, sorted(paths - known.keys()))


def _runtime(
    nix: Nix,
    place: Place,
    graph: DerivationGraph | None,
    subjects: Sequence[str],
    entries: dict[str, Entry],
    holding: Holding,
    *,
    strict: bool,
) -> str | None:
    """Add the runtime closure to `entries`; else why it is not known."""
    if graph is not None:
        lacking = [path for path in subjects if path not in entries and "^" not in path]
        entries |= closures.known(nix, place.address, place.folder, lacking)
    missing = [path for path in subjects if path not in entries]
    if missing:
        told = f"{missing[0]} is not built in {place}"
        if strict:
            store = holding(missing[0])
            raise TallyError(
                f"the runtime closure is not known: {told}",
                hint=_REALISE if store is None else _HAS_IT.format(store),
            )
        return f"Its runtime closure is not known: {told}."
    try:
        entries |= closures.closure(nix, place.address, place.folder, subjects)
    except NixFailed as error:
        raise TallyError(
            f"the runtime closure of {subjects[0]} is not whole in {place}: {error.message}",
            hint="see `nix-store --verify` there",
        ) from error
    return None
