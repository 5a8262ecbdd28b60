"""What a rebuilder signs of a release that was made again, and where that goes: a folder, the release."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from orchestrator.agreement.agreement import Disagreed
from orchestrator.builders.build import Report
from orchestrator.evidence.commands import command_of
from orchestrator.evidence.disagreement import Observed
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.rebuilt import Rebuilt as Again
from orchestrator.evidence.reproduction import reproduction
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import PublicKey
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.policy.verdict import Refused
from orchestrator.publishing import attaching
from orchestrator.publishing.directory import written
from orchestrator.publishing.rebuilds import Word
from orchestrator.publishing.records import records_of
from orchestrator.publishing.sources.source import Found
from orchestrator.run.claim import Claim
from orchestrator.run.making import Making, artifact_of, quorum_of
from orchestrator.run.observation import facts_of
from orchestrator.run.reproduced import Differs, Rebuilt, Reproduced
from orchestrator.run.signatories import Signatories
from orchestrator.signing import gate


def attested(
    making: Making,
    claim: Claim,
    found: Rebuilt,
    reports: Sequence[Report],
    signatories: Signatories,
    out: Path | None,
    published: Found | None,
) -> Rebuilt:
    """The same with what was signed about it, a yes or a no: in `out`/RELEASE, and where it was found.

    What keeps it from being attached changes nothing of what came out. Raises TallyError.
    """
    signing, quorum = signatories.joined_by(making.builders), quorum_of(making, reports)
    match found:
        case Reproduced():
            files = reproduced_files(making, claim, found, quorum, signing)
        case Differs():
            files = difference_files(making, claim, found, quorum, signing)
        case _:
            return found
    if (root := signing.root) is not None:
        files.append(ReleaseFile.of(TRUSTED_ROOT, root.render()))
    if out is not None:
        found = replace(found, evidence=written(out / claim.name, files))
    if published is not None:
        try:
            found = replace(found, attached=attach(claim, files, published, signing))
        except TallyError as error:
            found = replace(found, unattached=error)
    return found


def reproduced_files(
    making: Making, claim: Claim, found: Reproduced, quorum: int, signing: Signatories
) -> list[ReleaseFile]:
    """The builders' links and records, and the statement that they made it again. Raises TallyError."""
    (target,) = making.plan.targets.values()
    agreed = found.agreed
    artifact = artifact_of(making, agreed, target.evaluated.artifact_path)
    facts = facts_of(making.workshop.store, target, agreed, quorum, artifact, making.decision.choice.beliefs)
    materials, records = materials_of(facts), records_of(facts)
    links = [link_of(report, facts, materials, records[report.identity.name]) for report in agreed.reports]
    keys = signing.of_builders(report.identity.name for report in agreed.reports)
    link_files = gate.sign_links(agreed, quorum, links, keys)
    statement = reproduction(facts, link_files, Again(claim.index, found.verified))
    statements = {"reproduction": statement}
    bundles = gate.sign(agreed, quorum, facts, artifact, statements, signing.key, signing.witnesses)
    return [*link_files.values(), *bundles, *(file for each in records.values() for file in each)]


def difference_files(
    making: Making, claim: Claim, found: Differs, quorum: int, signing: Signatories
) -> list[ReleaseFile]:
    """What each builder made, and the statement that this is not what the release has. Raises TallyError."""
    (target,) = making.plan.targets.values()
    store = making.workshop.store
    digests = {each.derivation: Sha256.of_file(store.physical(each.derivation)) for each in found.differing}
    disagreed = Disagreed(found.agreed.reports, found.differing, found.first.certain)
    command = tuple(command_of(target.graph[target.evaluated.package]))
    observed = Observed(claim.target, disagreed, digests, quorum, found.agreed.vote, command)
    keys = signing.of_builders(report.identity.name for report in found.agreed.reports)
    again = Again(claim.index, found.verified)
    return list(
        gate.sign_difference(found.agreed, quorum, observed, again, signing.key, keys, signing.witnesses)
    )


def attach(claim: Claim, files: Sequence[ReleaseFile], found: Found, signing: Signatories) -> str:
    """Put it where the release is published, and see that it is found there; where that is.

    The same word by the same key is there once: a nightly job adds nothing until something changes.
    Raises TallyError.
    """
    if found.place is None:
        raise TallyError(
            f"{claim.name} is published as a folder of its own, and nothing can be attached to that",
            hint="sign into a folder with --attest DIR",
        )
    word = Word(tuple(files), claim.index)
    if isinstance(signing.signer, PublicKey) and any(
        word.said_by(data, signing.signer) for data in _there(found)
    ):
        return f"{found.place} (there already)"
    attaching.attach(found.place, found.name, word)
    if word.data not in _there(found):
        raise TallyError(
            f"{found.place} took what was signed about {claim.name}, and does not give it back",
            hint="ask its operator, and sign into a folder with --attest DIR",
        )
    return str(found.place)


def _there(found: Found) -> list[bytes]:
    """The statements that are attached by now, those that are too large aside."""
    there: list[bytes] = []
    with suppress(Refused):  # whoever verifies is told; one more word makes it no worse
        for _, data in found.rebuilds():
            there.append(data)
    return there
