"""From a kept disagreement to why: where it differs, what kind that is, and the experiment that proves it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path

from orchestrator.builders.configuration import Configuration
from orchestrator.diagnosis.culprit import DIAGNOSIS, Culprit, Diagnosis, Reason, likeliest_first
from orchestrator.diagnosis.elsewhere import Found
from orchestrator.diagnosis.facts import clocks_at, facts_at
from orchestrator.diagnosis.hints import Hint, each_once, hints, of_recipe
from orchestrator.diagnosis.judging import causes_of
from orchestrator.diagnosis.names import Name
from orchestrator.diagnosis.seen import Seen
from orchestrator.diagnosis.trials import Key, Trials, key_of, part_of
from orchestrator.evidence.kept import KeptDisagreement
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import write_atomically
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted
from orchestrator.nix.derivation import Derivation, called, name_of
from orchestrator.places.place import Place
from orchestrator.recipe import lock as locks
from orchestrator.recipe.lock import Lock
from orchestrator.run.disagreements import DisagreementFolder, read
from orchestrator.run.experiments import on_disagreement, took
from orchestrator.run.recipes import find_lock
from orchestrator.run.source_lines import lines_for, nearest
from orchestrator.run.workshop import Workshop, opened
from orchestrator.stories.findings import culprits_of, found_in, released, seen_here, with_rest

Say = Callable[[str], None]
LinesOf = Callable[[str, Name], Sequence[Hint]]
"""Takes a `.drv` path and a cause, and gives the lines of its sources that could write that."""
Alone = Callable[[str], AbstractContextManager[None]]
"""Takes `BUILDER DERIVATION`, and holds it meanwhile."""
_CULPRITS = 20
"""Derivations that are built again in one diagnosis, ten builds each."""
_LONG = 10  # seconds
_STILL = "builds here differ in this file, and never in this: nothing shows what made it"
RECIPE = "tallyName"
"""The variable of a derivation that has its recipe's name."""


def diagnose(
    state: State, configuration: Configuration, folder: Path, say: Say, *, prove: bool = True
) -> Diagnosis:
    """Why the builders of a kept disagreement differ. With `prove`, the culprits alone are built again.

    Raises TallyError for a folder without a record, or whose results are gone.
    """
    kept = read(folder)
    release = kept.record.against
    if not prove or (release is not None and not kept.record.root_causes):
        why = f"it is not known what of {release} diverged first" if prove else "as --no-prove says"
        found = with_rest(kept, found_in(kept, say), released(kept).rest)
        return _judged(kept, found, {}, _recipes_hints(kept), [f"nothing was built again, {why}"])
    with opened(state, configuration) as workshop:
        return proven(workshop, kept, say, _alone(workshop, say))


def proven(
    workshop: Workshop, kept: DisagreementFolder, say: Say, alone: Alone = lambda _: nullcontext()
) -> Diagnosis:
    """The same in a run that is going on, which holds its derivations' locks.

    Raises TallyError where the results are gone.
    """
    untried: list[str] = []
    seen: dict[str, Mapping[Key, Seen]] = {}
    lines: dict[str, Sequence[Hint]] = {}
    found, release = dict(found_in(kept, say)), released(kept)
    for number, (derivation, outputs) in enumerate([*found.items()]):
        name = called(derivation)
        if number == _CULPRITS:
            untried.append(f"{counted(len(found) - number, 'culprit')} from {name} on: diagnose these alone")
            break
        say(f"experiments on {name}{_takes(kept.record, derivation)}")
        try:
            lines[derivation] = _hints(kept, workshop.store.derivation(derivation))
            experiments, varied = on_disagreement(workshop, kept.record, derivation)
            lab, other = experiments.laboratories(derivation)
            held = kept.made_by(experiments.machine, derivation) if experiments.machine else {}
            apart = experiments.starting(lab, held, _lock, say)
            trials = Trials(lab, other, varied, say, apart)
            with alone(f"{trials.lab.builder.name} {derivation}"):
                if kept.record.against is not None and not outputs:
                    found[derivation] = seen_here(kept, workshop, trials, release, untried)
                told = [(each.output.output, place) for each in found[derivation] for place in each.places]
                if not told:
                    continue
                seen[derivation] = trials.examine(told, [hint.name for hint in lines[derivation]])
            untried += trials.untried
        except TallyError as error:
            untried.append(f"{name_of(derivation)} is not built again: {error.message}")
    lines_of = cache(lambda path, name: lines_for(workshop.store, workshop.store.derivation(path), {name}))
    judged = _judged(kept, with_rest(kept, found, release.rest), seen, lines, untried, lines_of)
    _keep(kept, judged, say)
    return judged


def _lock() -> Lock:
    """What the virtual machine is made of. Raises TallyError."""
    return locks.read(find_lock([Path.cwd() / "recipe.toml"]))


def _keep(kept: DisagreementFolder, found: Diagnosis, say: Say) -> None:
    """Write it beside the results, where `tally report` finds it; that it cannot be written loses nothing."""
    try:
        write_atomically(kept.folder / DIAGNOSIS, json.dumps(found.document(), indent=1).encode() + b"\n")
    except TallyError as error:
        say(f"the diagnosis is not kept: {error.message}")


def _from_sources(
    lines_of: LinesOf, derivation: str, place: Place, seen: Seen, own: Sequence[Hint]
) -> tuple[Reason, ...]:
    """The causes, with lines of its own sources that could write what differs there.

    Those that have the words before the value count as evidence, unless an experiment proved something.
    """
    reasons = causes_of(place, seen, own)
    words = _words(place)
    try:
        if reasons[0].proof is None:
            lines = [line for reason in reasons for line in lines_of(derivation, reason.name)]
            telling = [line for line in nearest(lines, words) if any(word in line.text for word in words)]
            reasons = causes_of(place, seen, [*own, *(replace(line, same_words=True) for line in telling)])
        first, *others = reasons
        near = nearest(lines_of(derivation, first.name), words)
        reasons = (replace(first, hints=(*first.hints, *near)), *others)
    except TallyError:  # the derivation is gone
        pass
    return tuple(replace(reason, hints=each_once(reason.hints)) for reason in reasons)


def _words(place: Place) -> Collection[str]:
    """What stands on the line before the value, and what the file is called."""
    said = place.spot.first if place.spot is not None else None
    before = b"" if said is None else said.data[: said.position].rpartition(b"\n")[2]
    return {*re.findall(r"\w{4,}", before.decode("utf-8", "replace")), place.file.rpartition("/")[2]}


def _takes(record: KeptDisagreement, derivation: str) -> str:
    """How long one build of it took, where that is long enough to be told beforehand."""
    seconds = took(record, derivation)
    return f", each of about {seconds:.0f} s" if seconds >= _LONG else ""


def _alone(workshop: Workshop, say: Say) -> Alone:
    """Keeps other runs from building the same in one of our stores meanwhile."""

    def locked(place: str) -> AbstractContextManager[None]:
        return workshop.state.locked(
            place, waiting=lambda: say("waiting for another run that builds the same")
        )

    return locked


def _hints(kept: DisagreementFolder, derivation: Derivation) -> list[Hint]:
    """The lines of the recipe that could write what differs; of the derivation's text where there is none."""
    recipe = kept.record.recipe
    if recipe is not None and derivation.env.get(RECIPE) == recipe.name:
        return list(of_recipe(recipe.file, recipe.text))
    return [
        replace(hint, file=f"{derivation.name} {variable}")
        for variable, text in sorted(derivation.env.items())
        for hint in hints(variable, text.splitlines())
    ]


def _recipes_hints(kept: DisagreementFolder) -> Mapping[str, Sequence[Hint]]:
    """The lines of the recipe alone, for those of its derivations that are known by their names."""
    recipe = kept.record.recipe
    if recipe is None:
        return {}
    found = list(of_recipe(recipe.file, recipe.text))
    return {path: found for path in culprits_of(kept.record) if name_of(path).startswith(f"{recipe.name}-")}


def _judged(
    kept: DisagreementFolder,
    found: Mapping[str, Sequence[Found]],
    seen: Mapping[str, Mapping[Key, Seen]],
    lines: Mapping[str, Sequence[Hint]],
    untried: Sequence[str],
    lines_of: LinesOf = lambda *_: (),
) -> Diagnosis:
    culprits = list(_all(kept, found, seen, lines, lines_of))
    culprits.sort(key=likeliest_first)
    more = sum(each.more for outputs in found.values() for each in outputs)
    alike = [
        f"no file differs in what {name_of(derivation)} made: its references do"
        for derivation, outputs in found.items()
        if not any(each.places for each in outputs) and kept.record.against is None
    ]
    return Diagnosis(kept.record.target, tuple(culprits), tuple(dict.fromkeys((*alike, *untried))), more)


def _all(
    kept: DisagreementFolder,
    found: Mapping[str, Sequence[Found]],
    seen: Mapping[str, Mapping[Key, Seen]],
    lines: Mapping[str, Sequence[Hint]],
    lines_of: LinesOf,
) -> Iterator[Culprit]:
    for derivation, outputs in found.items():
        for each in outputs:
            makers = kept.record.makers
            for place in each.places:
                one_side, other_side = place.between
                pair = makers.get(one_side), makers.get(other_side)
                mine = seen.get(derivation, {}) if each.output.derivation == derivation else {}
                one = mine.get(key_of(each.output.output, place), Seen())
                shown = place
                if kept.record.against is not None and one.stands_still(part_of(place)):
                    one, shown = one.still, replace(place, note=_STILL)
                facts = facts_at(place.spot, pair)
                clocks = clocks_at(place.spot, pair, each.output.derivation)
                known = replace(one, facts=facts, clocks=clocks)
                reasons = _from_sources(lines_of, derivation, place, known, lines.get(derivation, ()))
                yield Culprit(derivation or None, each.output.output, each.output.path, shown, reasons)
