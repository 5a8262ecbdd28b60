"""From a target to its bill of materials: no key, no build. Anything in a store will do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.evidence.canonical import render_document
from orchestrator.evidence.sbom.bill import Bill, Closure
from orchestrator.evidence.sbom.closure import Described, Seen, bill_of, joined
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file, shown
from orchestrator.ground.garbage import uncollected
from orchestrator.ground.state import State
from orchestrator.ground.values import dataclass, replace
from orchestrator.nix.command import Nix
from orchestrator.publishing.folder import DOCUMENT_LIMIT
from orchestrator.run import inventory
from orchestrator.run.asked import FileAttribute, FlakeAttribute, RecipeFile, parse
from orchestrator.run.inventory import Place, Wanted

if TYPE_CHECKING:  # it costs more to import than all the rest
    from orchestrator.run.order import How
    from orchestrator.run.plan import Target

_INDEX = "release.json"
_ELSEWHERE = re.compile(rf"(?P<root>/.*[^/])(?P<path>{inventory.STORE}[0-9a-z]{{32}}-[^/]+)(/.*)?")
"""A store path by where a chroot store has it, as `tally build --no-sign` prints an artifact's."""


@dataclass(frozen=True)
class Asked:
    """What a user asked for."""

    targets: tuple[str, ...]
    closures: frozenset[Closure] | None
    """None: whatever is known."""
    store: str | None
    """The address of the store that holds the targets; None: this machine's, else the orchestrator's."""
    file: Path | None = None
    """`-f`: what is no other kind of target is an attribute of it."""
    how: How | None = None
    """How such attributes are evaluated."""


@dataclass(frozen=True)
class Documents:
    """SBOMs of the same thing."""

    name: str
    """Its name and version."""
    data: Mapping[Form, bytes]
    warnings: tuple[str, ...] = ()
    """What could not be read, and is not in them, as sentences."""


@dataclass(frozen=True)
class Drawing:
    """A drawing of what something is made of."""

    svg: bytes
    warnings: tuple[str, ...]


class What(Enum):
    """What a target is, by its looks and by what lies there."""

    RELEASE = auto()
    IN_STORE = auto()
    RECIPE = auto()
    EVALUATED = auto()
    """A flake's attribute, or a file's."""


def what(target: str, file: Path | None = None) -> What:
    """What a target is. Other kinds of targets enter here. Raises TallyError for what is none of them."""
    if target and os.path.lexists(release_folder(target) / _INDEX):
        return What.RELEASE
    if inventory.wanted(target) is not None:
        return What.IN_STORE
    if isinstance(parse(target, file), FlakeAttribute | FileAttribute):
        return What.EVALUATED
    if within := _ELSEWHERE.fullmatch(target):
        raise TallyError(
            f"{target} is in a store of another folder", hint=f"{within['path']} --store {within['root']}"
        )
    if Path(target).is_dir():
        from orchestrator.publishing.contents import releases_in  # it imports all that verifying does

        raise TallyError(
            f"the folder {target} is no release, and holds no flake.nix",
            hint=releases_in(Path(target)) or "give a release folder, or a recipe file",
        )
    if target.endswith(".toml") or os.path.lexists(target):
        return What.RECIPE
    raise TallyError(
        f"there is nothing called {target} that an SBOM can be made of",
        hint="give a release folder, a recipe file, FLAKE#ATTRIBUTE, a .drv, or a store path such as "
        "/nix/store/DIGITS-NAME",
    )


def release_folder(target: str) -> Path:
    """The folder that would be a release: what was named, or of a file, as an artifact, where it lies."""
    folder = Path(target).parent
    return folder if os.path.lexists(target) and os.path.lexists(folder / _INDEX) else Path(target)


def sbom(state: State, asked: Asked, forms: Sequence[Form]) -> Documents:
    """The documents of all targets together, in each form that was asked for. Raises TallyError."""
    if is_release(asked):
        return of_release(release_folder(asked.targets[0]), asked, forms)
    with uncollected():
        bill, warnings = billed(state, asked)
        return Documents(bill.name, {form: render_document(form.document(bill)) for form in forms}, warnings)


def drawing(state: State, asked: Asked) -> Drawing:
    """All targets together as one drawing. Raises TallyError."""
    from orchestrator.evidence.sbom.drawing import dot
    from orchestrator.run.drawing import svg

    if What.RELEASE in _kinds(asked):
        raise TallyError(
            "a release has its SBOMs, and is not drawn: a drawing is made of a store or of what is evaluated",
            hint="give its derivation, which `tally show` names, or .#NAME",
        )
    bill, warnings = billed(state, asked)
    return Drawing(svg(dot(bill)), warnings)


def is_release(asked: Asked) -> bool:
    """Whether one release was asked for."""
    return _kinds(asked) == {What.RELEASE} and len(asked.targets) == 1


def _kinds(asked: Asked) -> set[What]:
    return {what(target, asked.file) for target in asked.targets}


def billed(state: State, asked: Asked) -> tuple[Bill, tuple[str, ...]]:
    """The bill of all targets together, which are no releases; and what could not be read, as sentences.

    What was seen besides is not kept while the bill is rendered: 4 MB of 10,000 paths. Raises TallyError.
    """
    seen = _seen(state, asked)
    return bill_of(seen), seen.parts.warnings


def _seen(state: State, asked: Asked) -> Seen:
    kinds = {target: what(target, asked.file) for target in asked.targets}
    if What.RELEASE in kinds.values():
        raise TallyError(
            "a release does not go into one SBOM with others: it has its own",
            hint="ask for one after the other, or for the outputs, which `tally show` names",
        )
    stored = tuple(target for target, kind in kinds.items() if kind is What.IN_STORE)
    others = tuple(target for target, kind in kinds.items() if kind is not What.IN_STORE)
    found = of_store(state, replace(asked, targets=stored)) if stored else []
    if others:
        # --store is for those in a store, where there are such
        found.append(
            of_evaluated(state, replace(asked, targets=others, store=None if stored else asked.store))
        )
    try:
        return joined(found)
    except ValueError as error:
        raise TallyError(
            f"these targets do not go into one SBOM: {error}", hint="ask for one after the other"
        ) from error


def of_store(state: State, asked: Asked) -> list[Seen]:
    """Of derivations and store paths, by the stores that hold them."""
    wanted = [each for target in asked.targets if (each := inventory.wanted(target)) is not None]
    ours = Place(str(state.store("orchestrator")), state.store("orchestrator"))
    places = [Place(None, Path("/")), ours] if asked.store is None else [Place.of(asked.store)]
    with state.scratch(f"sbom-{os.getpid()}") as scratch:
        nix = Nix.unasked(scratch)  # the store of a folder is read without it
        return [
            inventory.seen(
                nix,
                [place, *(each for each in places if each != place)],
                some,
                asked.closures,
                state.holding,
            )
            for place, some in inventory.by_place(places, wanted, state.holding).items()
        ]


def of_evaluated(state: State, asked: Asked) -> Seen:
    """Of recipes and of flakes' and files' attributes, as `tally build` would build them now.

    Of a recipe that is its artifact's build-time closure, with the licences of packages of lock files which a
    build has brought into the store; another target is without what would pack it, and
    has what its `meta` says. Its runtime closure is known to the store that has it built: the one that was
    named, or where that closure is asked for, a builder's.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.run import metadata, planning
    from orchestrator.run.order import How
    from orchestrator.run.plan import MadeFrom
    from orchestrator.run.workshop import opened

    parsed = [parse(target, asked.file) for target in asked.targets]
    runtime = asked.closures is not None and Closure.RUNTIME in asked.closures
    if (runtime or asked.store is not None) and any(isinstance(each, RecipeFile) for each in parsed):
        raise TallyError(
            "a recipe tells the build-time closure of its artifact, and no store was asked of it",
            hint="leave out --closure and --store; or build it, and give the release folder",
        )
    with opened(state, load(Path.cwd())) as workshop:
        # a dirty tree is no reason not to look: only building refuses it
        plan = planning.make(workshop, parsed, asked.how or How(), allow_dirty=True, released=False)
        store, targets = workshop.store, plan.targets.values()
        recipes = [each.evaluated.artifact for each in targets if isinstance(each.made_from, MadeFrom)]
        others = {
            each.evaluated.package: Described(
                each.package.name,
                each.package.version,
                each.package.summary,
                each.package.homepage,
                each.package.license,
                each.package.cpes,
                each.package.position,
            )
            for each in targets
            if not isinstance(each.made_from, MadeFrom)
        }
        places = [Place(store.address, store.root)]
        if asked.store is not None:
            places.insert(0, Place.of(asked.store))
        elif runtime and (built := _built(state, targets)) is not None:
            places.insert(0, Place(str(built), built))
        found = inventory.seen(
            store.nix,
            places,
            [Wanted(each, None) for each in recipes] + _chosen(targets),
            asked.closures,
            state.holding,
        )
        pinned = {name: some for each in targets for name, some in each.dependencies.items()}
        absent = store.invalid([each.path for some in pinned.values() for each in some])
        told, dependencies = metadata.of_dependencies(store, pinned, absent)
    return replace(
        found,
        origins={path: origin for each in targets for path, origin in each.origins.items()},
        dependencies=dependencies,
        within={path: some for each in targets for path, some in each.within.items()},
        own_licences={path: each.license for path, each in told.items() if each.license is not None},
        licences={sha256: licence for each in targets for sha256, licence in each.licences.items()},
        described=others,
    )


def _built(state: State, targets: Iterable[Target]) -> Path | None:
    """A builder's store of this machine that has every output of all targets; None: there is none."""
    every = [path for each in targets for path in each.evaluated.outputs.values()]
    return state.holding(*every)


def _chosen(targets: Iterable[Target]) -> list[Wanted]:
    """Of targets without a recipe, each output that was asked for by its name, else all."""
    from orchestrator.run.plan import Taken

    found: dict[str, frozenset[str] | None] = {}
    for each in targets:
        if isinstance(each.made_from, Taken):
            path, named = each.evaluated.package, each.made_from.output
            before = found.get(path, frozenset())
            found[path] = None if named is None or before is None else before | {named}
    return [Wanted(path, outputs) for path, outputs in found.items()]


def of_release(folder: Path, asked: Asked, forms: Sequence[Form]) -> Documents:
    """The release's own documents, as they are: `tally verify` tells whether they are what was signed."""
    if asked.store is not None:
        raise TallyError("--store is for targets in a store", hint="leave it out for a release folder")
    if asked.closures is not None and asked.closures != frozenset(Closure):
        raise TallyError(
            f"the SBOMs of {shown(folder)} cover both closures",
            hint="leave out --closure for a release folder; one alone is told of its .drv, or of .#NAME",
        )
    found = {}
    for form in forms:
        there = sorted((folder / "sbom").glob(f"*{form.suffix}"))
        if len(there) != 1:
            raise TallyError(
                f"{shown(folder)} has no SBOM in the form {form.value}",
                hint=f"it is from an earlier Tallystick, or too large for it; {Form.SPDX_2_3.value} is there",
            )
        found[form] = read_file(there[0], "the SBOM ", DOCUMENT_LIMIT, "see `tally verify` of the release")
    return Documents(folder.absolute().name, found)
