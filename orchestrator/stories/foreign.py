"""From somebody else's provenance to whether the user's own builders make what it names: a line a stage.

Provenance -> Derivation, which has to have the named output -> Build (one per builder) -> Agreement, with one
another -> and with the digest that the provenance has

Nobody vouches for the provenance here: its signature is not looked at, and nothing is signed about it.
docs/reference/foreign-provenance.md says what is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.builders.running import OnEvent
from orchestrator.caches.choosing import Reach
from orchestrator.evidence.foreign_provenance import Foreign
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown
from orchestrator.pinning.flakeref import nar_sha256
from orchestrator.run import planning
from orchestrator.run.asked import parse
from orchestrator.run.elsewhere import named, refuse_lacking
from orchestrator.run.making import (
    Making,
    Say,
    agreement_on,
    alone,
    artifact_of,
    build,
    fetch,
    journal_of,
    making_of,
)
from orchestrator.run.plan import Taken, Target
from orchestrator.run.reproduced import Rebuilt, Remade, RemadeOutput
from orchestrator.run.workshop import Workshop
from orchestrator.stories.refusing import unagreed


def remade(
    workshop: Workshop,
    path: Path,
    foreign: Foreign,
    builders: tuple[str, ...],
    reach: Reach,
    on_event: OnEvent,
    say: Say,
) -> Rebuilt:
    """What it came to. Raises TallyError where that cannot be decided."""
    refuse_lacking(path, foreign)
    _refuse_incomparable(path, foreign)
    assert foreign.flake is not None
    plan = planning.make(workshop, [parse(foreign.fetched)])
    (target,) = plan.targets.values()
    refuse_another(target, foreign)
    making = making_of(workshop, plan, builders, reach, say)
    with (
        journal_of(workshop) as journal,
        alone(making, say),
    ):
        journal.write("planned", foreign=str(path), derivations=making.plan.requested)
        fetch(making, say)
        reports = build(making, on_event, journal)
        match agreement_on(making, target, reports):
            case Disagreed() | Incomplete() as found:
                return unagreed(making, target, found, reports, str(path))
            case Agreed() as agreed:
                return compared(making, target, path, foreign, agreed)


def _refuse_incomparable(path: Path, foreign: Foreign) -> None:
    """Raises TallyError where no subject is an output with a digest: there is nothing to compare with."""
    if not foreign.digests:
        raise TallyError(
            f"{named(path, foreign)}, and names no sha256 of {foreign.outputs[0]}: there is nothing to "
            "compare with",
            hint=f"`tally build '{foreign.fetched}' --no-sign` builds it here, and tells its NAR hash",
        )


def refuse_another(target: Target, foreign: Foreign) -> None:
    """Raises TallyError where the flake is another, or is evaluated to what has not every named output."""
    locked = _locked(target)
    if (here := nar_sha256(locked)) != foreign.content:
        raise TallyError(
            f"{foreign.fetched} has the tree with the NAR hash {here or 'none'}, and the provenance names "
            f"{foreign.content}",
            hint="whoever wrote it had other files, or fetched submodules or large files, too",
        )
    derivation = target.graph[target.evaluated.package]
    made = [path for path in derivation.outputs.values() if path]
    for output in foreign.digests:
        if made and output not in made:
            raise TallyError(
                f"{foreign.flake} is evaluated here to a derivation with the output {made[0]}, and the "
                f"provenance names {output}",
                hint="this version of Nix evaluates it to something else, or the provenance is of another "
                "attribute or system",
            )


def _locked(target: Target) -> Mapping[str, Any]:
    """The reference to the flake as Nix locked it."""
    found = target.made_from.evaluation if isinstance(target.made_from, Taken) else None
    locked = (found or {}).get("locked")
    return locked if isinstance(locked, dict) else {}


def compared(making: Making, target: Target, path: Path, foreign: Foreign, agreed: Agreed) -> Remade:
    """What the builders agree on, beside the digests that the provenance has. Raises TallyError."""
    assert foreign.flake is not None
    built = {each.path: each for each in agreed.outputs[target.evaluated.package].values()}
    found = []
    for output, (said, is_nar) in foreign.digests.items():
        if output not in built:
            raise TallyError(
                f"{foreign.flake} is built to {', '.join(built)}, and {shown(path)} names {output}",
                hint="of a content-addressed derivation another path is another content; another output "
                "than its default is not built",
            )
        made = built[output].nar_hash
        same = said == made.hex or (not is_nar and said == _of_file(artifact_of(making, agreed, output)))
        found.append(RemadeOutput(output, said, made, same))
    return Remade(str(path), foreign.flake, tuple(found), agreed)


def _of_file(place: Path) -> str | None:
    """The sha256 of an output that is one file: what a digest may be of that is not said to be a NAR's."""
    return Sha256.of_file(place).hex if place.is_file() and not place.is_symlink() else None
