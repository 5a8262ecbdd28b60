"""What a kept disagreement says of itself, `disagreement.json` in its folder: a diagnosis begins there. Pure.

It is a note of this machine to itself, not signed: no policy reads it. What is signed is in disagreement.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.evidence.canonical import MalformedError, member, moment, read, seconds
from orchestrator.evidence.surroundings import surroundings
from orchestrator.evidence.terms import NAR_SHA256
from orchestrator.ground.digest import NarHash
from orchestrator.ground.values import dataclass
from orchestrator.nix.storepath import is_store_path

if TYPE_CHECKING:
    from orchestrator.builders.build import Report

KEPT: Final = "disagreement.json"
RELEASE: Final = "the release"
"""What its side of a difference is called; no builder has a space in its name."""
_VERSION: Final = 1
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9000


@dataclass(frozen=True, slots=True)
class Span:
    """When a builder built a derivation."""

    started: datetime
    finished: datetime


@dataclass(frozen=True, slots=True)
class Maker:
    """One builder of a kept disagreement."""

    store: str
    """As configured: `local`, `vm`, …"""
    surroundings: Mapping[str, Any]
    """What its builds could see of its machine, as surroundings.py has it; empty where it showed nothing."""
    spans: Mapping[str, Span]
    """`.drv` path to when it was built there."""


@dataclass(frozen=True, slots=True)
class KeptRecipe:
    """The recipe that was built."""

    name: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class KeptDisagreement:
    """A kept disagreement's record, read back."""

    target: str
    root_causes: tuple[str, ...]
    """`.drv` paths whose inputs agree and whose outputs do not."""
    outputs: tuple[DifferingOutput, ...]
    """In build order."""
    makers: Mapping[str, Maker]
    """By builder name."""
    recipe: KeptRecipe | None
    """None: no recipe was built."""
    against: str | None
    """The release that one side is of, which has its artifact alone; None: all sides were built here."""


def render(
    target: str,
    differing: Sequence[DifferingOutput],
    root_causes: Sequence[str],
    reports: Sequence[Report],
    recipe: KeptRecipe | None,
    against: str | None = None,
    release: Mapping[str, Any] | None = None,
) -> bytes:
    """The record of a disagreement, as its folder holds it.

    `release` is what `released` made of the side that is of a release.
    """
    document = {
        "version": _VERSION,
        "target": target,
        "rootCauses": list(root_causes),
        "outputs": [
            {
                "derivation": one.derivation,
                "output": one.output,
                "path": one.path,
                "inherited": one.inherited,
                "made": {side: {NAR_SHA256: digest.hex} for side, digest in one.hashes.items()},
            }
            for one in differing
        ],
        "builders": {
            **{report.identity.name: _maker(report) for report in reports},
            **({} if release is None else {RELEASE: release}),
        },
        "recipe": None if recipe is None else {"name": recipe.name, "file": recipe.file, "text": recipe.text},
        "against": against,
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def released(
    surroundings: Mapping[str, Any], span: tuple[str, str] | None, derivations: Iterable[str]
) -> Mapping[str, Any] | None:
    """What a release tells of its first builder, as a record has it; None: nothing that can be read back."""
    of = {} if span is None else {"started": span[0], "finished": span[1]}
    found = {"store": RELEASE, "surroundings": surroundings, "builds": dict.fromkeys(derivations, of)}
    try:
        _read_maker(found, RELEASE)
    except MalformedError:
        return None
    return found if surroundings and of else None


def parse(data: bytes, what: str) -> KeptDisagreement:
    """The record that `render` made. Raises MalformedError, also for one of a newer Tallystick."""
    document = read(data, what)
    if not isinstance(document, dict):
        raise MalformedError(f"{what} is no record of a disagreement")
    if (version := member(document, "version", int, what)) != _VERSION:
        raise MalformedError(f"{what} has version {version}: it was kept by another Tallystick")
    recipe = document.get("recipe")
    return KeptDisagreement(
        target=member(document, "target", str, what),
        root_causes=tuple(str(each) for each in member(document, "rootCauses", list, what)),
        outputs=tuple(_output(each, what) for each in member(document, "outputs", list, what)),
        makers={
            name: _read_maker(each, what) for name, each in member(document, "builders", dict, what).items()
        },
        recipe=_read_recipe(recipe, what) if recipe is not None else None,
        against=member(document, "against", str, what) if document.get("against") is not None else None,
    )


def _read_recipe(document: Any, what: str) -> KeptRecipe:
    name, file, text = (member(document, each, str, what) for each in ("name", "file", "text"))
    return KeptRecipe(name, file, text)


def _maker(report: Report) -> dict[str, Any]:
    return {
        "store": report.identity.store,
        "surroundings": surroundings(report.surroundings) if report.surroundings else {},
        "builds": {
            path: {"started": seconds(build.started), "finished": seconds(build.finished)}
            for path, build in sorted(report.builds.items())
        },
    }


def _read_maker(document: Any, what: str) -> Maker:
    builds = member(document, "builds", dict, what)
    spans = {
        path: Span(*(_moment(member(each, end, str, what), what) for end in ("started", "finished")))
        for path, each in builds.items()
    }
    seen = member(document, "surroundings", dict, what)
    if seen:
        _moment(member(seen, "clock", str, what), what)
    return Maker(member(document, "store", str, what), seen, spans)


def _moment(text: str, what: str) -> datetime:
    found = moment(text, what)
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:  # so that what is reckoned with it is a time, too
        raise MalformedError(f"{what} has an odd time: {text!r}")
    return found


def _output(document: Any, what: str) -> DifferingOutput:
    made = member(document, "made", dict, what)
    path = member(document, "path", str, what)
    for name in (path.removeprefix("/nix/store/"), *made):
        if "/" in name or name.startswith("."):
            raise MalformedError(f"{what} names {name!r}, which leads out of its folder")
    if not is_store_path(path):
        raise MalformedError(f"{what} names {path!r}, which is no store path")
    if len(made) < 2:
        raise MalformedError(f"{what} has an output of fewer than two results")
    return DifferingOutput(
        member(document, "derivation", str, what),
        member(document, "output", str, what),
        path,
        {side: _digest(member(digests, NAR_SHA256, str, what), what) for side, digests in made.items()},
        member(document, "inherited", bool, what),
    )


def _digest(text: str, what: str) -> NarHash:
    try:
        return NarHash(text)
    except ValueError as error:
        raise MalformedError(f"{what} has a NAR hash that is none: {error}") from None
