"""What becomes of a disagreement: results are kept, and where it is asked for, evidence of it is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.agreement.agreement import Disagreed, Incomplete
from orchestrator.agreement.difference import differences
from orchestrator.agreement.keeping import keep_side_by_side
from orchestrator.builders.build import Report
from orchestrator.builders.builder import Builder
from orchestrator.diagnosis.culprit import Diagnosis
from orchestrator.evidence import kept as kept_record
from orchestrator.evidence.commands import command_of
from orchestrator.evidence.disagreement import Observed
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import write_atomically
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.run.making import Making, Say, quorum_of
from orchestrator.run.outcome import Refused, Undecided
from orchestrator.run.plan import MadeFrom, Target
from orchestrator.run.signatories import Signatories
from orchestrator.run.workshop import Workshop
from orchestrator.signing import gate


def refuse(
    target: Target,
    disagreed: Disagreed,
    workshop: Workshop,
    builders: Sequence[Builder],
    quorum: int,
    attesters: Signatories | None,
    say: Say | None = None,
) -> Refused:
    """Keep all results side by side, find where they differ, and sign that they do where `attesters` are to.

    With `say` it is diagnosed, too, and that is signed with the rest. What keeps either from being done
    changes nothing of the disagreement.
    """
    name = target.asked
    command = tuple(command_of(target.graph[target.evaluated.package]))
    located = {builder.name: builder.store.bring for builder in builders}
    record = kept_record.render(
        name, disagreed.differing, disagreed.root_causes, disagreed.reports, recipe_of(target)
    )
    kept = keep_side_by_side(
        workshop.state, target.package.name, disagreed, located, notes={kept_record.KEPT: record}
    )
    found = {
        one.path: tuple(each for pair in kept.pairs(one) for each in differences(*pair))
        for one in disagreed.differing
    }
    refused = Refused(name, disagreed, kept.folder, found)
    if say is not None:
        refused = replace(refused, diagnosis=diagnosed(workshop, kept.folder, say))
    if attesters is None:
        return refused
    told = refused.diagnosis.signed() if isinstance(refused.diagnosis, Diagnosis) else None
    try:
        attestation = _attest(
            target.recorded, command, disagreed, workshop, quorum, attesters, kept.folder, told
        )
    except TallyError as error:
        return replace(refused, unattested=error)
    return replace(refused, attestation=attestation)


def diagnosed(workshop: Workshop, folder: Path, say: Say) -> Diagnosis | TallyError:
    """Why the results that are kept in a folder differ, or why that could not be told."""
    from orchestrator.run.disagreements import read
    from orchestrator.stories.diagnosis import proven  # most builds agree, and need none of it

    try:
        return proven(workshop, read(folder), say)
    except TallyError as error:
        return error


def unagreed(
    making: Making, target: Target, found: Disagreed | Incomplete, reports: Sequence[Report], name: str
) -> Refused | Undecided:
    """What becomes of `name`, of which nothing is signed: as `refuse`, or what was missing."""
    if isinstance(found, Incomplete):
        return Undecided(name, found)
    quorum = quorum_of(making, reports)
    return replace(refuse(target, found, making.workshop, making.builders, quorum, None), target=name)


def _attest(
    name: str,
    command: tuple[str, ...],
    disagreed: Disagreed,
    workshop: Workshop,
    quorum: int,
    attesters: Signatories,
    folder: Path,
    culprits: Sequence[Mapping[str, Any]] | None,
) -> Path:
    """Derivations, links, the log's trusted root, and at last the bundle. Builders' names have no full stop,
    so that none of these is where a builder's results are."""
    keys = attesters.of_builders(report.identity.name for report in disagreed.reports)
    derivations = {output.derivation: _read(workshop, output.derivation) for output in disagreed.differing}
    digests = {path: Sha256.of(data) for path, data in derivations.items()}
    observed = Observed(name, disagreed, digests, quorum, workshop.configuration.vote, command, culprits)
    signed = gate.sign_disagreement(observed, attesters.key, keys, attesters.witnesses)
    files = [ReleaseFile.of(Path(path).name, data) for path, data in derivations.items()]
    if attesters.root is not None:
        files.append(ReleaseFile.of(TRUSTED_ROOT, attesters.root.render()))
    for file in (*files, *signed):
        write_atomically(folder / file.path, b"".join(file.chunks()))
    return folder / gate.DISAGREEMENT


def recipe_of(target: Target) -> kept_record.KeptRecipe | None:
    """The recipe that was built; None: none was."""
    if not isinstance(target.made_from, MadeFrom):
        return None
    name = target.package.name
    text = target.made_from.recipes.get(name, b"").decode("utf-8", "replace")
    return kept_record.KeptRecipe(name, target.made_from.file.name, text)


def _read(workshop: Workshop, derivation: str) -> bytes:
    try:
        return workshop.store.physical(derivation).read_bytes()
    except OSError as error:
        raise TallyError(f"cannot read {derivation}: {error.strerror or error}") from error
