"""What differs in the outputs of a kept disagreement's culprits, also where a release is one side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.diagnosis.elsewhere import Found, Release, by_itself
from orchestrator.diagnosis.mirrors import digests_of, with_mirrors
from orchestrator.diagnosis.trials import Key, Trials, key_of
from orchestrator.evidence.kept import KeptDisagreement
from orchestrator.nix.derivation import called
from orchestrator.places.place import Place
from orchestrator.places.search import places
from orchestrator.run.disagreements import DisagreementFolder
from orchestrator.run.workshop import Workshop

Say = Callable[[str], None]
MOST: Final = 200
"""Places of one output that are looked into: what differs everywhere has its cause in the first ones."""
NOBODY: Final = ""
"""In place of a derivation, for what follows from one of several."""


def culprits_of(record: KeptDisagreement) -> Sequence[str]:
    """The derivations to look into; what merely stands on them differs for it."""
    return record.root_causes or tuple(dict.fromkeys(each.derivation for each in record.outputs))


def released(kept: DisagreementFolder) -> Release:
    """What a release's artifact shows, where that is one side and no culprit itself."""
    if kept.record.against is None:
        return Release.of(())
    culprits = culprits_of(kept.record)
    above = dict.fromkeys(each.derivation for each in kept.record.outputs if each.derivation not in culprits)
    return Release.of(tuple(each for derivation in above for each in _places(kept, derivation)))


def with_rest(
    kept: DisagreementFolder, found: Mapping[str, tuple[Found, ...]], rest: tuple[Found, ...]
) -> Mapping[str, tuple[Found, ...]]:
    """With what the artifact shows and no culprit's files have: the culprit's, where there is but one."""
    if not rest:
        return found
    causes = kept.record.root_causes
    whose = causes[0] if len(causes) == 1 else NOBODY
    return {**found, whose: (*found.get(whose, ()), *rest)}


def seen_here(
    kept: DisagreementFolder, workshop: Workshop, trials: Trials, release: Release, untried: list[str]
) -> tuple[Found, ...]:
    """Where a culprit differs of which a release has at most what its artifact is packed of."""
    lab = trials.lab
    derivation, name = lab.graph[lab.derivation], called(lab.derivation)
    packing = {each.output.derivation for each in release.artifact}
    packed = any(derivation.path in workshop.store.derivation(drv).input_derivations for drv in packing)
    if packed and (found := release.shows(derivation, lab.held())):
        return found
    trials.say(f"{kept.record.against} has nothing of {name}: it is built again here, with all turned")
    found, failed = by_itself(lab, trials.varied)
    if failed is not None:
        untried.append(f"{name} with all that can be turned: {failed}")
    elif not found:
        untried.append(
            f"no knob moves {name}: it comes out here as it did, whatever is turned, so that what made the "
            "release's differ is not on this machine"
        )
    return found


def found_in(kept: DisagreementFolder, say: Say) -> Mapping[str, tuple[Found, ...]]:
    """Culprits to what differs in their outputs."""
    say("looking for the places where the results differ")
    return {derivation: _places(kept, derivation) for derivation in culprits_of(kept.record)}


def _places(kept: DisagreementFolder, derivation: str) -> tuple[Found, ...]:
    found = []
    for output in kept.record.outputs:
        if output.derivation == derivation:
            seen = _distinct(kept, output)
            first = tuple(islice(seen, MOST))
            found.append(Found(output, first, sum(1 for _ in seen)))
    return tuple(found)


def _distinct(kept: DisagreementFolder, output: DifferingOutput) -> Iterator[Place]:
    """Where any two of the results differ; what two builders differ in is not told again of one of them."""
    told: set[Key] = set()
    for pair in kept.pairs(output):
        new = {}
        for place in with_mirrors(places(*pair), digests_of(*pair)):
            key = key_of(output.output, place)
            if key not in told:
                new[key] = place
                yield place
        told |= new.keys()
