"""From what stands at a place and what experiments showed of it to causes, ranked. Pure.

Every piece of evidence adds to the weight of the causes that it speaks for; an experiment can also rule one
out. The confidence comes from the strongest evidence that the first one has, not from the weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Protocol

from orchestrator.agreement.cause import Cause
from orchestrator.diagnosis.confidence import (
    FEWEST,
    HINTED,
    HINTED_ELSEWHERE,
    PROVEN,
    SHOWN,
    WITNESSED,
    confidences,
)
from orchestrator.diagnosis.culprit import Proof, Reason
from orchestrator.diagnosis.cures import CURES
from orchestrator.diagnosis.hints import Hint
from orchestrator.diagnosis.knobs import OF_MACHINE, PROVES, Knob, words
from orchestrator.diagnosis.names import OF_BYTES, Name
from orchestrator.diagnosis.seen import Seen
from orchestrator.diagnosis.values import has_numbers, has_small_numbers
from orchestrator.places.place import Aspect, Place

_OUT: Final = -100.0
"""What an experiment rules out."""
_NOT_MOVED: Final = 1.5
"""What speaks against a cause whose knob did not move it: another turn of it might."""
_FROM_A_MACHINE: Final = (
    Name.CPU_COUNT,
    Name.CPU_MODEL,
    Name.KERNEL,
    Name.MEMORY,
    Name.BOOT,
    Name.HOST_NAME,
    Name.BUILD_PATH,
    Name.USER,
)
"""What stays the same from one build to the next on one machine."""
OF_MACHINES: Final = (
    Name.KERNEL,
    Name.CPU_MODEL,
    Name.MEMORY,
    Name.BOOT,
    Name.CPU_COUNT,
    Name.FILE_SYSTEM,
)
"""What one machine has otherwise than another, the likeliest first where no knob moves it."""
_BY_CHANCE: Final = (Name.RANDOMNESS, Name.DURATION, Name.PROCESS, Name.RACE)
"""What does not."""
_OF_FACT: Final = {
    "kernel": Name.KERNEL,
    "kernelVersion": Name.KERNEL,
    "cpuModel": Name.CPU_MODEL,
    "cpuCount": Name.CPU_COUNT,
    "buildCores": Name.CPU_COUNT,
    "memoryKiB": Name.MEMORY,
    "fileSystemType": Name.FILE_SYSTEM,
    "deviceNumber": Name.FILE_SYSTEM,
    "clock": Name.TIMESTAMP,
    "uptimeSeconds": Name.UPTIME,
}
"""What a probe saw to what differs for it."""


_RANKED: Final = 5
_WORTH_TELLING: Final = 0.02
"""The least confidence of a cause that is not the first."""


class _Speaks(Protocol):
    def __call__(self, name: Name, weight: float, sentence: str = "", strength: float = 0.0) -> None: ...


def causes_of(place: Place, seen: Seen, hints: Sequence[Hint] = ()) -> tuple[Reason, ...]:
    """Why the bytes at a place differ, the likeliest first; `unknown` alone where nothing speaks for any.

    `hints` are lines of what was built that could write the value.
    """
    weights: dict[Name, float] = defaultdict(float)
    because: dict[Name, list[str]] = defaultdict(list)
    strongest: dict[Name, float] = defaultdict(float)
    proofs: dict[Name, Proof] = {}

    def speaks(name: Name, weight: float, sentence: str = "", strength: float = 0.0) -> None:
        weights[name] += weight
        strongest[name] = max(strongest[name], strength)
        if sentence:
            because[name].append(sentence)

    _by_bytes(place, speaks)
    for fact, values in seen.facts.items():
        if (name := _OF_FACT.get(fact)) is not None:
            sentence = f"each side has what its builder's probe saw as {fact}: {' and '.join(values)}"
            speaks(name, WITNESSED, sentence, WITNESSED)
    nearest = sorted(
        (hint for hint in hints if _counts(hint, seen)), key=lambda hint: not _writes(hint, place)
    )
    for name in dict.fromkeys(hint.name for hint in nearest):
        first = next(hint for hint in nearest if hint.name is name)
        weight = HINTED if _writes(first, place) else HINTED_ELSEWHERE
        speaks(name, weight, f"{first.file}:{first.line} has `{first.text}`", weight)
    _by_experiment(place, seen, weights, speaks, proofs)
    ranked = sorted((name for name, weight in weights.items() if weight > 0), key=lambda n: -weights[n])
    if not ranked:
        why = (
            "no knob that can be turned here moves it" if seen.again is not None else "it was not built again"
        )
        return (Reason(Name.UNKNOWN, FEWEST, None, (why,), CURES[Name.UNKNOWN]),)
    sure = confidences([(name, weights[name]) for name in ranked], strongest[ranked[0]])
    return tuple(
        Reason(
            name,
            sure[name],
            proofs.get(name),
            tuple(because[name]),
            CURES[name],
            tuple(hint for hint in nearest if hint.name is name),
        )
        for name in ranked[:_RANKED]
        if name is ranked[0] or sure[name] >= _WORTH_TELLING
    )


def _writes(hint: Hint, place: Place) -> bool:
    """Whether a line names the file in which the bytes differ, or has the words before them."""
    return hint.same_words or place.file.rpartition("/")[2] in hint.text


def _counts(hint: Hint, seen: Seen) -> bool:
    """Whether a line can be why: a folder keeps its order from build to build, and hashes do not."""
    if hint.name is not Name.ORDERING or seen.again is None:
        return True
    return hint.by_chance is (seen.repeats is True)


def _may_be_a_time(place: Place) -> bool:
    return OF_BYTES[place.cause] in (Name.TIMESTAMP, Name.UNKNOWN) and not has_small_numbers(place)


def _is_an_order(place: Place) -> bool:
    return place.aspect is Aspect.ORDER or place.cause is Cause.ORDERING


def _by_bytes(place: Place, speaks: _Speaks) -> None:
    name = OF_BYTES[place.cause]
    if place.mirrors:
        speaks(Name.DERIVED, SHOWN, "it follows from something else that differs", SHOWN)
    elif place.aspect is Aspect.TIME:
        speaks(Name.TIMESTAMP, SHOWN, "it is a time that the format has a field for", SHOWN)
    elif place.aspect is Aspect.ORDER:
        speaks(Name.ORDERING, SHOWN, "the same members are there in another order", SHOWN)
    elif place.aspect is Aspect.OWNER:
        speaks(Name.USER, SHOWN, "it is the owner that the format has a field for", SHOWN)
    elif place.cause is Cause.IDENTIFIER:
        speaks(Name.RANDOMNESS, 1.0, f"it looks like {place.cause}", 1.0)
        speaks(Name.DERIVED, 0.8, f"it looks like {place.cause}", 0.8)
    elif name is not Name.UNKNOWN:
        speaks(name, SHOWN, f"it looks like {place.cause}", SHOWN)


def _by_experiment(
    place: Place, seen: Seen, weights: dict[Name, float], speaks: _Speaks, proofs: dict[Name, Proof]
) -> None:
    if seen.again is True:
        for name in _FROM_A_MACHINE:
            weights[name] += _OUT
        _by_chance_or_time(place, seen, weights, speaks, proofs)
    elif seen.again is False:
        for name in _BY_CHANCE:
            weights[name] += _OUT
    _by_machine(seen, weights, speaks)
    knob = seen.moved
    if knob is None or (seen.again is True and seen.repeats is not False):
        return
    went = seen.goes.get(knob) is True  # None: the build that would show it failed, and one way is no proof
    way = "goes when it alone is turned back" if went else "was not seen to go again"
    first, *others = PROVES[knob]
    shown = [name for name in others if weights[name] > 0]
    chosen = max(shown, key=lambda name: weights[name], default=first)
    if weights[first] >= weights[chosen]:
        chosen = first
    weight = PROVEN if went else SHOWN
    speaks(chosen, weight, f"it comes when {knob} alone is turned, and {way}", weight)
    if went:
        proofs[chosen] = Proof(knob, *words(knob))
    for name in others:
        if name is not chosen:
            speaks(name, 0.5)


def _by_machine(seen: Seen, weights: dict[Name, float], speaks: _Speaks) -> None:
    """What starts of a virtual machine showed: knobs that moved nothing, what is one thing there alone."""
    for knob in (Knob.START, *OF_MACHINE):
        if seen.comes.get(knob) is False:
            for name in PROVES[knob]:
                weights[name] -= _NOT_MOVED
    if seen.machine:
        for name in OF_MACHINES:
            speaks(name, 0.5)
        likeliest = max(OF_MACHINES, key=lambda name: weights[name])
        said = "the virtual machine makes it the same in every start, and this machine in every build"
        speaks(likeliest, 1.0, f"{said}, and the two differ", 1.0)


def _by_chance_or_time(
    place: Place, seen: Seen, weights: dict[Name, float], speaks: _Speaks, proofs: dict[Name, Proof]
) -> None:
    """A place that differs whenever it is built again."""
    parallel = weights[Name.RACE] > 0  # some line runs jobs side by side
    if seen.repeats is False:
        weights[Name.RANDOMNESS] += _OUT
        weights[Name.RACE] -= 3
        later = "it changed since the first build, and two builds in a row are the same"
        for name, weight in (
            (Name.TIMESTAMP, 2.0),
            (Name.LOAD, 1.5),
            (Name.UPTIME, 1.0),
            (Name.FILE_SYSTEM, 0.5),
        ):
            speaks(name, weight, later, 1.0)
    elif seen.repeats is True:
        _by_chance(place, weights, speaks)
    # an order that the clock moves comes from a seed that is the time, or from files' times: sorting mends it
    moved = Name.ORDERING if _is_an_order(place) else Name.TIMESTAMP
    if seen.later is True:
        said = "two builds within one second are the same, and one that began a second later differs"
        proof = Proof(
            Knob.CLOCK,
            "built again in a later second, it differs",
            "built twice within one second, it is the same",
        )
        if moved is Name.TIMESTAMP and not _may_be_a_time(place):
            speaks(moved, 1.0, said, 1.0)  # as what changes now and then does, like the load
        else:
            speaks(moved, PROVEN, said, PROVEN)
            proofs[moved] = proof
    if seen.clocks is not None:
        said = f"each value is of the time when it was built: {' and '.join(seen.clocks)}"
        speaks(Name.TIMESTAMP, WITNESSED, said, WITNESSED)
        proofs.setdefault(Name.TIMESTAMP, Proof(Knob.AGAIN, said, ""))
    if seen.together is False:
        speaks(moved, PROVEN, "two builds that began at the same time are the same", PROVEN)
        proofs[moved] = Proof(
            Knob.TOGETHER, "built again later, it differs", "built twice at the same time, it is the same"
        )
    if seen.one_job is False:
        speaks(Name.RACE, PROVEN, "with one CPU and one job every build is the same", PROVEN)
        proofs[Name.RACE] = Proof(
            Knob.ONE_JOB,
            "built twice with all CPUs, it differs",
            "built twice with one CPU and one job, it is the same",
        )
    elif seen.one_job is True:
        # jobs of a shell run side by side on one CPU, too
        weights[Name.RACE] -= 0.5 if parallel else 1.5


def _by_chance(place: Place, weights: dict[Name, float], speaks: _Speaks) -> None:
    """A place that differs between two builds of which one followed the other."""
    every = "it differs from one build to the next, with nothing turned"
    for name, weight in (
        (Name.RANDOMNESS, 1.5),
        (Name.RACE, 1.0),
        (Name.TIMESTAMP, 0.5),
        (Name.DURATION, 0.5),
        (Name.LOAD, 0.3),
        (Name.FILE_SYSTEM, 0.3),
    ):
        speaks(name, weight, every, 1.0)
    if _is_an_order(place):  # a folder keeps its order: this is one of hashes, or of jobs
        weights[Name.ORDERING] -= 1.0
        speaks(Name.RACE, 2.5, "jobs that end in another order write in another order", 1.0)
    if has_numbers(place):  # a time would be told from its form
        weights[Name.TIMESTAMP] -= 0.5
        speaks(Name.DURATION, 0.5)
    if has_small_numbers(place):
        weights[Name.RANDOMNESS] -= 1.0
        for name in (Name.RACE, Name.DURATION, Name.PROCESS):
            speaks(name, 0.5, "it is a small number: few values are drawn from so few", 1.0)
