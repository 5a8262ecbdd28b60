"""One knob at a time: the experiments on one derivation, until each place's difference came and went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.agreement.cause import Cause
from orchestrator.agreement.trees import Side
from orchestrator.diagnosis.knobs import OF_MACHINE, PROVES, TURNED, Knob, Setting, cannot
from orchestrator.diagnosis.laboratory import NEXT_SECOND, Failed, Laboratory, Result
from orchestrator.diagnosis.names import OF_BYTES, Name
from orchestrator.diagnosis.seen import Seen
from orchestrator.diagnosis.starting import Starting
from orchestrator.diagnosis.values import has_small_numbers
from orchestrator.ground.wording import counted
from orchestrator.places.place import Aspect, Place
from orchestrator.places.search import places

Say = Callable[[str], None]
Key = tuple[str, str, tuple[str, ...]]
"""Output, file, and the containers on the way in: one place in every experiment."""
_ATTEMPTS = 2
"""Pairs of builds that began early in the same second."""
_TRIES = 8
"""Pairs of builds, until so many did: a busy machine often begins one of the two later."""
_LEAD = 0.2
"""Seconds that Nix takes until it builds, as long as nothing is known of it."""
_LATE = 0.6
"""Of a second: what a build that begins then does next may be in another one."""
_NAMES = "names"
"""In place of a step: which members there are."""


@dataclass
class Trials:
    """The experiments on one derivation. `other` is its laboratory in a second store, for two at once."""

    lab: Laboratory
    other: Laboratory | None
    varied: Setting
    """What made the other builder differ; its knobs are those that are tried."""
    say: Say
    apart: Starting | None = None
    """The virtual machine in which it came out otherwise, where one took part."""
    wait: Callable[[float], object] = time.sleep
    """Seconds."""
    seen: dict[Key, Seen] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)

    def examine(self, found: Sequence[tuple[str, Place]], likely: Sequence[Name] = ()) -> Mapping[Key, Seen]:
        """What every place does, by its key. `likely` are causes whose knobs are turned first.

        Raises TallyError where the derivation cannot be built at all.
        """
        self.seen = {key_of(output, place): Seen() for output, place in found}
        shown = {key_of(output, place): place for output, place in found}
        held = Result(self.lab.held(), frozenset())
        self.say("building it again in the same surroundings")
        if any(map(_is_a_time, shown.values())):
            self.wait(NEXT_SECOND)  # the store's may be of this very second
        first = self._built(Setting())
        if first is None:
            return self.seen
        moved = self._mark("again", held, first)
        base = held
        if moved:
            base = first
            self.say("it differs from the first one: building it again, right after")
            second = self._built(Setting())
            restless = self._mark("repeats", first, second) if second is not None else set()
            if second is not None and moved - restless:
                self._a_second_later(moved - restless, second)
            self._by_the_clock({key: shown[key] for key in restless})
            self._with_one_job({key: shown[key] for key in restless})
            moved = restless | {key for key in moved if self.seen[key].later}
        left = self._turn({key: place for key, place in shown.items() if key not in moved}, base, likely)
        if left and self.apart is not None:
            self._start({key: shown[key] for key in left}, base, self.apart, likely)
        return self.seen

    def _a_second_later(self, drifting: set[Key], second: Result) -> None:
        """For what changes with time, and not from one build to the next: is it the clock's second?"""
        self.say("building it again, a second later")
        self.wait(NEXT_SECOND)
        third = self._built(Setting())
        if third is None:
            return
        differing = self._differing(second, third)
        for key in drifting:
            self.seen[key].later = key in differing

    def _by_the_clock(self, restless: Mapping[Key, Place]) -> None:
        """Two builds that begin at once, for what may be a time."""
        candidates = {key for key, place in restless.items() if _may_be(place, Name.TIMESTAMP)}
        if not candidates:
            return
        if self.other is None:
            self.untried.append("no two builds at the same time: there is one embedded builder only")
            return
        self.say("building it twice at the same time")
        attempts, lead = 0, _LEAD
        for _ in range(_TRIES):
            one, two = self.lab.together(self.other, lead)
            if isinstance(one, Failed) or isinstance(two, Failed):
                self._failed(Knob.TOGETHER, one if isinstance(one, Failed) else two)
                return
            lead = max(one.lead, two.lead)
            if not _early(one.began, two.began):  # what agrees then does so by chance, and a time may differ
                continue
            differing = self._differing(one, two)
            for key in candidates:
                self.seen[key].together = key in differing
            candidates &= differing
            attempts += 1
            if not candidates or attempts == _ATTEMPTS:
                return
        if not attempts:
            self.untried.append("no two builds in the same second: this machine is too busy")

    def _with_one_job(self, restless: Mapping[Key, Place]) -> None:
        """Two builds without anything side by side, for what may be a race."""
        candidates = {key for key, place in restless.items() if _may_be(place, Name.RACE)}
        candidates -= {key for key in candidates if self.seen[key].together is False}
        if not candidates:
            return
        self.say("building it twice with one CPU and one job")
        alone = Setting(frozenset({Knob.ONE_JOB}))
        one = self._built(alone)
        self.wait(NEXT_SECOND)  # or what follows the clock would be the same, too
        two = self._built(alone)
        if one is None or two is None:
            return
        differing = self._differing(one, two)
        for key in candidates:
            self.seen[key].one_job = key in differing

    def _turn(self, left: Mapping[Key, Place], base: Result, likely: Sequence[Name]) -> set[Key]:
        """Every knob alone until each place that is left was moved by one, and back; those that were not."""
        waiting = set(left)
        ours = [knob for knob in TURNED if knob in self.varied.knobs]
        for knob in _in_order(ours, [*map(_name, left.values()), *likely]):
            if not waiting:
                return waiting
            if (why := cannot(knob, self.lab.machine, self.lab.scratch)) is not None:
                self.untried.append(f"{knob} cannot be turned here: {why}")
                continue
            self.say(f"turning {knob} alone")
            turned = self._built(Setting(frozenset({knob}), self.varied.number))
            if turned is None:
                continue
            came = self._differing(base, turned) & waiting
            for key in waiting:
                self.seen[key].comes[knob] = key in came
            if came:
                by_chance = self._turn_back(knob, came, base)
                self._with_one_job({key: left[key] for key in by_chance})
                waiting -= {key for key in came if self.seen[key].goes.get(knob) is not False}
        return {key for key in waiting if not self.seen[key].again}

    def _start(
        self, left: Mapping[Key, Place], here: Result, apart: Starting, likely: Sequence[Name]
    ) -> None:
        """The knobs of the virtual machine, for what comes out otherwise there and is moved by none here."""
        made = Result(apart.held, frozenset(apart.held))
        waiting = self._differing(made, here) & set(left)
        if not waiting:
            return
        self.say("starting the virtual machine again, with nothing turned")
        again = self._started(None, apart)
        if again is None:
            return
        for key in waiting:
            self.seen[key].comes[Knob.START] = False
        waiting -= self._by_start(self._differing(made, again) & waiting, again, apart)
        for knob in _in_order(OF_MACHINE, [*(_name(left[key]) for key in waiting), *likely]):
            if not waiting:
                return
            self.say(f"starting it with {knob} turned alone")
            turned = self._started(knob, apart)
            if turned is None:
                continue
            came = self._differing(again, turned) & waiting
            for key in waiting:
                self.seen[key].comes[knob] = key in came
            for key in came:
                self.seen[key].goes[knob] = True  # as `again` showed
            waiting -= came
        for key in waiting & self._differing(again, here):
            self.seen[key].machine = True

    def _by_start(self, came: set[Key], again: Result, apart: Starting) -> set[Key]:
        """What another start alone changes. A third one tells that from what changed since the first."""
        if not came:
            return came
        self.say("it comes with another start: starting it once more")
        third = self._started(None, apart)
        moved = came & self._differing(again, third) if third is not None else set()
        for key in moved:
            self.seen[key].comes[Knob.START] = self.seen[key].goes[Knob.START] = True
        if unclear := came - moved:
            self.untried.append(
                f"the virtual machine made something else of {counted(len(unclear), 'place')} than it had, "
                "and no other start does"
            )
        return came

    def _started(self, knob: Knob | None, apart: Starting) -> Result | None:
        made = apart.build(knob)
        if isinstance(made, Failed):
            self._failed(
                f"the virtual machine's {knob}" if knob else "the virtual machine started again", made
            )
            return None
        return made

    def _turn_back(self, knob: Knob, came: Iterable[Key], base: Result) -> set[Key]:
        """Whether it goes when that knob alone is turned back; gives what changes by chance, and by none."""
        self.say(f"it comes with {knob}: turning all else, and that back")
        back = self._built(self.varied.without(knob))
        if back is None:
            return set()
        stays = self._differing(base, back)
        for key in came:
            self.seen[key].goes[knob] = key not in stays
        suspects = set(came) & stays
        if not suspects:
            return set()
        self.say("it does not go: building it again with nothing turned, in case it was chance")
        again = self._built(Setting())
        by_chance = suspects & self._differing(base, again) if again is not None else set()
        for key in by_chance:
            seen = self.seen[key]
            seen.again, seen.repeats = True, True
            seen.comes.clear()
            seen.goes.clear()
        return by_chance

    def _built(self, setting: Setting) -> Result | None:
        made = self.lab.build(setting)
        if isinstance(made, Failed):
            self._failed(" and ".join(sorted(setting.knobs)) or Knob.AGAIN, made)
            return None
        return made

    def _failed(self, what: str, failed: Result | Failed) -> None:
        """A build that fails under a knob says nothing of the difference."""
        if isinstance(failed, Failed):
            self.untried.append(f"the build fails with {what}: {failed.why}")

    def _mark(self, what: str, one: Result, other: Result) -> set[Key]:
        """Write down for every place whether it differs between two results; gives those that do."""
        differing = self._differing(one, other)
        for key, seen in self.seen.items():
            setattr(seen, what, key in differing)
        return differing & set(self.seen)

    def _differing(self, one: Result, other: Result) -> set[Key]:
        found: set[Key] = set()
        for output in one.trees:
            if output not in one.changed and output not in other.changed and _one_store(one, other, output):
                continue
            sides = Side("before", one.trees[output]), Side("after", other.trees[output])
            for place in places(*sides):
                key = key_of(output, place)
                found.add(key)
                if key in self.seen:
                    self.seen[key].at.add(part_of(place))
        return found


def key_of(output: str, place: Place) -> Key:
    """What makes two findings one place: not the offset, nor the line, which change with what differs.

    Nor a name that only one side has, which may be another one in each build: there it is what holds it.
    """
    if place.aspect is not Aspect.MISSING:
        return output, place.file, tuple(map(str, place.inside))
    if place.inside:
        return output, place.file, (*map(str, place.inside[:-1]), _NAMES)
    return output, place.file.rpartition("/")[0], (_NAMES,)


def part_of(place: Place) -> str:
    """Which part of what a key names: a line of a text, a field, the mode; the bytes of a program are one."""
    where = place.where.partition(", as of ")[0]
    return f"{place.aspect} {where if place.aspect is Aspect.FIELD or where.startswith('line ') else ''}"


def _in_order(knobs: Sequence[Knob], likely: Sequence[Name]) -> list[Knob]:
    """Those first whose causes are likely."""
    wanted = set(likely)
    return sorted(knobs, key=lambda knob: not wanted & set(PROVES[knob]))


def _one_store(one: Result, other: Result, output: str) -> bool:
    return one.trees[output] == other.trees[output]


def _name(place: Place) -> Name:
    return OF_BYTES[place.cause]


def _early(*times: float) -> bool:
    """Whether they are early in one second."""
    return len({int(each) for each in times}) == 1 and max(each % 1 for each in times) < _LATE


def _is_a_time(place: Place) -> bool:
    return place.aspect is Aspect.TIME or place.cause is Cause.TIMESTAMP


def _may_be(place: Place, name: Name) -> bool:
    """Whether what stands there does not speak against a cause."""
    if place.mirrors:
        return True
    if name is Name.TIMESTAMP:
        unknown = place.cause is Cause.UNKNOWN and not has_small_numbers(place)
        return _is_a_time(place) or unknown
    return place.aspect is not Aspect.TIME and place.cause in (
        Cause.ORDERING,
        Cause.UNKNOWN,
        Cause.CPU_COUNT,
        Cause.PROCESS,
    )


__all__ = ["Key", "Trials", "key_of", "part_of"]
