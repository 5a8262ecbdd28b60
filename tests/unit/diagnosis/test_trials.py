"""One knob at a time, on a build that is a function: what it depends on is found, and nothing else blamed."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.agreement.trees import Side
from orchestrator.builders.variation import Machine
from orchestrator.diagnosis.judging import causes_of
from orchestrator.diagnosis.knobs import TURNED, Knob, Setting
from orchestrator.diagnosis.laboratory import Failed, Result
from orchestrator.diagnosis.names import Name
from orchestrator.diagnosis.seen import Seen
from orchestrator.diagnosis.trials import Trials, key_of, part_of
from orchestrator.places.place import Aspect
from orchestrator.places.search import places

MACHINE = Machine((0, 1), "2.8.0", "/usr/bin/disorderfs")
VARIED = Setting(frozenset(TURNED) - {Knob.DIRECTORY_ORDER})


@dataclass
class Build:
    """A laboratory whose build is a function of what is turned, the clock's second and a counter."""

    content: Callable[[frozenset[Knob], int, int], str | None]
    scratch: Path
    clock: list[float]
    numbers: Any
    machine: Machine = MACHINE
    since: float = 10
    """Seconds since it made what its store holds."""
    busy: int = 0
    """How often the second of two builds at the same time begins in a later second."""
    built: list[frozenset[Knob]] = field(default_factory=list)

    def build(self, setting: Setting) -> Result | Failed:
        self.built.append(setting.knobs)
        return self._made(setting.knobs)

    def together(self, other: Build, lead: float) -> tuple[Result | Failed, Result | Failed]:
        one = self._made(frozenset())
        self.clock[0] += self.busy > 0
        self.busy -= 1
        return one, other._made(frozenset())

    def held(self) -> Mapping[str, Path]:
        made = self._made(frozenset())
        assert isinstance(made, Result)
        self.clock[0] += self.since
        return made.trees

    def _made(self, knobs: frozenset[Knob]) -> Result | Failed:
        text = self.content(knobs, int(self.clock[0]), next(self.numbers))
        if text is None:
            return Failed("no such kernel")
        self.scratch.mkdir(exist_ok=True)
        tree = self.scratch / str(len(list(self.scratch.iterdir())))
        tree.write_text(text)
        return Result({"out": tree}, frozenset({"out"}), float(int(self.clock[0])))


def examined(
    tmp_path: Path, content: Callable[[frozenset[Knob], int, int], str | None]
) -> tuple[Name, Build, list[str]]:
    """What the first place is found to be, the laboratory, and what could not be tried."""
    tmp_path.mkdir(exist_ok=True)
    clock, numbers = [1_000_000.0], itertools.count()
    one, two = (Build(content, tmp_path / name, clock, numbers) for name in "ab")
    for side, knobs in (("x", frozenset[Knob]()), ("y", VARIED.knobs)):
        (tmp_path / side).write_text(content(knobs, int(clock[0]) - (side == "x"), next(numbers)) or "")
    [place, *_] = places(Side("a", tmp_path / "x"), Side("b", tmp_path / "y"))

    def wait(seconds: float) -> None:
        clock[0] += seconds

    trials = Trials(cast("Any", one), cast("Any", two), VARIED, lambda _: None, wait=wait)
    seen = trials.examine([("out", place)])
    return causes_of(place, seen[key_of("out", place)])[0].name, one, trials.untried


@pytest.mark.parametrize(
    ("knob", "name"),
    [
        (Knob.BUILD_CORES, Name.CPU_COUNT),
        (Knob.CPU_AFFINITY, Name.CPU_COUNT),
        (Knob.KERNEL_RELEASE, Name.KERNEL),
        (Knob.BUILD_DIRECTORY, Name.FILE_SYSTEM),
        (Knob.UPTIME, Name.UPTIME),
        (Knob.LOAD, Name.LOAD),
    ],
)
def test_a_build_that_sees_one_knob_is_proven_to(tmp_path: Path, knob: Knob, name: Name) -> None:
    found, _, untried = examined(tmp_path, lambda knobs, *_: f"it is {knob in knobs}\n")
    assert found is name
    assert untried == []


def test_no_more_is_built_once_it_came_and_went(tmp_path: Path) -> None:
    _, lab, _ = examined(tmp_path, lambda knobs, *_: f"it is {Knob.BUILD_CORES in knobs}\n")
    assert lab.built == [frozenset(), {Knob.BUILD_CORES}, VARIED.knobs - {Knob.BUILD_CORES}]


def test_a_clock_is_proven_by_the_second(tmp_path: Path) -> None:
    found, _, _ = examined(tmp_path, lambda _, second, __: f"no. {second % 7}\n")
    assert found is Name.TIMESTAMP


def test_a_time_differs_from_what_was_built_in_this_very_second(tmp_path: Path) -> None:
    clock, numbers = [1_700_000_000.0], itertools.count()

    def wait(seconds: float) -> None:
        clock[0] += seconds

    one, two = (
        Build(lambda _, second, __: f"built at {second}\n", tmp_path / name, clock, numbers, since=0)
        for name in "ab"
    )
    for side, second in (("x", 1_700_000_000), ("y", 1_699_999_995)):
        (tmp_path / side).write_text(f"built at {second}\n")
    [place] = places(Side("a", tmp_path / "x"), Side("b", tmp_path / "y"))
    trials = Trials(cast("Any", one), cast("Any", two), VARIED, lambda _: None, wait=wait)
    seen = trials.examine([("out", place)])[key_of("out", place)]
    assert (seen.again, seen.repeats, seen.later) == (True, False, True)


@pytest.mark.parametrize(("busy", "together"), [(0, False), (5, False), (99, None)])
def test_a_time_is_proven_by_builds_that_begin_in_one_second(
    tmp_path: Path, busy: int, together: bool | None
) -> None:
    """On a busy machine two builds often do not, and tell nothing: what agrees then does so by chance."""
    clock, numbers = [1_700_000_000.0], itertools.count()

    def content(_: frozenset[Knob], second: int, number: int) -> str:
        clock[0] = second + 1 if number < 4 else second
        return f"built at {second}\n"

    one, two = (Build(content, tmp_path / name, clock, numbers, busy=busy) for name in "ab")
    for side in "xy":
        (tmp_path / side).write_text(content(frozenset(), int(clock[0]), next(numbers)))
    [place] = places(Side("a", tmp_path / "x"), Side("b", tmp_path / "y"))
    trials = Trials(cast("Any", one), cast("Any", two), VARIED, lambda _: None)
    seen = trials.examine([("out", place)])[key_of("out", place)]
    assert (seen.repeats, seen.together) == (True, together)
    assert any("in the same second" in each for each in trials.untried) == (together is None)


def test_chance_is_told_from_a_race(tmp_path: Path) -> None:
    found, _, _ = examined(tmp_path / "1", lambda *told: f"{hash((told[2], 'x')):x}\n")
    assert found is Name.RANDOMNESS

    def raced(knobs: frozenset[Knob], _: int, number: int) -> str:
        parts = ["one", "two", "three"]
        shift = 0 if Knob.ONE_JOB in knobs else number % 3
        return "\n".join([*parts[shift:], *parts[:shift], ""])

    found, _, _ = examined(tmp_path / "2", raced)
    assert found is Name.RACE


def test_chance_that_repeats_itself_once_is_no_knobs(tmp_path: Path) -> None:
    numbers = iter(
        [0xA7E15, 0xB80F2, 0xA7E15, 0xA7E15]
    )  # of both sides, what the store holds, and the first time again

    def content(*told: object) -> str:
        return f"{next(numbers, None) or hash((told[2], 'x')):x}\n"

    found, _, _ = examined(tmp_path, content)
    assert found is Name.RANDOMNESS


def test_a_small_number_that_two_builds_at_once_share_is_no_time(tmp_path: Path) -> None:
    numbers = iter([11, 12, 13, 14, 15, 16, 16])  # the last two are built at the same time
    found, _, _ = examined(tmp_path, lambda *_: f"part {next(numbers, 17)}\n")
    assert found is not Name.TIMESTAMP


def test_a_name_that_one_side_has_is_a_difference_of_what_holds_it(tmp_path: Path) -> None:
    def key(one: str, other: str) -> object:
        for side, name in (("a", one), ("b", other)):
            folder = tmp_path / f"{one}{other}" / side / "lib"
            folder.mkdir(parents=True)
            (folder / name).touch()
        first, second = (Side(side, tmp_path / f"{one}{other}" / side) for side in "ab")
        return {key_of("out", place) for place in places(first, second)}

    assert key("tmp.1", "tmp.2") == key("tmp.3", "tmp.4")


def test_a_build_that_fails_under_a_knob_says_nothing_and_is_told(tmp_path: Path) -> None:
    def content(knobs: frozenset[Knob], *_: int) -> str | None:
        if knobs == {Knob.KERNEL_RELEASE}:
            return None
        return f"it is {Knob.UPTIME in knobs}\n"

    found, _, untried = examined(tmp_path, content)
    assert found is Name.UPTIME
    assert untried == ["the build fails with kernel-release: no such kernel"]


def test_what_takes_two_knobs_at_once_is_blamed_on_none(tmp_path: Path) -> None:
    both = {Knob.UPTIME, Knob.LOAD}
    found, _, _ = examined(tmp_path, lambda knobs, *_: f"it is {knobs >= both}\n")
    assert found is Name.UNKNOWN


def test_a_line_that_no_build_moves_is_told_from_one_that_a_knob_does(tmp_path: Path) -> None:
    """Where a release is one side, the rest of a file is not proven by what one line of it depends on."""

    def content(knobs: frozenset[Knob], *_: object) -> str:
        return f"{3 if Knob.BUILD_CORES in knobs else 2} cores\n" + "the same\n" * 60

    build = Build(content, tmp_path / "a", [1.0], itertools.count())
    (tmp_path / "here").write_text(content(frozenset()))
    (tmp_path / "there").write_text(content(frozenset({Knob.BUILD_CORES})) + "and more\n")
    one, other = places(Side("a", tmp_path / "here"), Side("the release", tmp_path / "there"))
    trials = Trials(cast("Any", build), None, VARIED, lambda _: None)
    found = trials.examine([("out", one), ("out", other)])
    seen = found[key_of("out", one)]
    assert seen is found[key_of("out", other)], "they are in one file"
    assert seen.at == {"content line 1"}
    assert (one.where, other.where) == ("line 1", "line 62")
    assert [seen.stands_still(part_of(each)) for each in (one, other)] == [False, True]
    assert causes_of(one, seen)[0].proof is not None
    assert all(each.proof is None for each in causes_of(other, seen.still))


def test_a_mode_is_no_time(tmp_path: Path) -> None:
    """A member of an archive whose time follows a knob is not proven to have its mode by that."""

    def packed(place: Path, time: int, mode: int) -> Path:
        with tarfile.open(place, "w", format=tarfile.GNU_FORMAT) as tar:
            entry = tarfile.TarInfo("x")
            entry.mtime, entry.mode = time, mode
            tar.addfile(entry)
        return place

    sides = packed(tmp_path / "a", 1, 0o755), packed(tmp_path / "b", 2, 0o4755)
    found = {each.aspect: each for each in places(Side("a", sides[0]), Side("the release", sides[1]))}
    time, mode = found[Aspect.TIME], found[Aspect.MODE]
    assert key_of("out", time) == key_of("out", mode)
    assert Seen(at={part_of(time)}).stands_still(part_of(mode))
    assert not Seen(at={part_of(time)}).stands_still(part_of(time))
