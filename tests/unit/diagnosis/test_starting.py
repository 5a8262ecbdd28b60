"""The knobs of a virtual machine, on a build that is a function of how it was started."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.agreement.trees import Side
from orchestrator.builders.hardware import Hardware
from orchestrator.diagnosis.judging import causes_of
from orchestrator.diagnosis.knobs import OF_MACHINE, Knob, Setting, hardware
from orchestrator.diagnosis.laboratory import Failed, Result
from orchestrator.diagnosis.names import Name
from orchestrator.diagnosis.seen import Seen
from orchestrator.diagnosis.trials import Trials, key_of
from orchestrator.places.search import places

USUAL = Hardware(cpus=1, cpu_model="Nehalem", memory=4096, disk=32, kvm=False)
Content = Callable[[frozenset[Knob], int], str | None]
"""Takes the knobs that are turned and the number of the start, and gives what is built; None: it fails."""


@dataclass
class Here:
    """This machine's laboratory: whatever is turned, it makes one thing."""

    tree: Path
    machine: Any = None
    scratch: Path = Path()

    def build(self, setting: Setting) -> Result | Failed:
        return Result({"out": self.tree}, frozenset({"out"}))

    def held(self) -> Mapping[str, Path]:
        return {"out": self.tree}


@dataclass
class There:
    """The virtual machine: every build is a start."""

    content: Content
    folder: Path
    held: dict[str, Path] = field(default_factory=dict)
    started: list[Knob | None] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)

    def build(self, knob: Knob | None = None) -> Result | Failed:
        self.started.append(knob)
        number = next(self.numbers)
        text = self.content(frozenset({knob} if knob else ()), number)
        if text is None:
            return Failed("it does not start")
        tree = self.folder / f"there{number}"
        tree.write_text(text)
        return Result({"out": tree}, frozenset({"out"}))


def examined(tmp_path: Path, content: Content) -> tuple[Seen, Any, There, Trials]:
    (tmp_path / "here").write_text("it is what it is here\n")
    there = There(content, tmp_path)
    first = there.build()
    assert isinstance(first, Result)
    there.held.update(first.trees)
    there.started.clear()
    [place, *_] = places(Side("a", tmp_path / "here"), Side("vm", first.trees["out"]))
    lab = Here(tmp_path / "here")
    trials = Trials(cast("Any", lab), None, Setting(), lambda _: None, cast("Any", there), lambda _: None)
    seen = trials.examine([("out", place)])[key_of("out", place)]
    return seen, causes_of(place, seen)[0], there, trials


@pytest.mark.parametrize(
    ("knob", "name"),
    [
        (Knob.CLOCK_DATE, Name.TIMESTAMP),
        (Knob.CPU_MODEL, Name.CPU_MODEL),
        (Knob.MEMORY, Name.MEMORY),
        (Knob.CPUS, Name.CPU_COUNT),
    ],
)
def test_what_one_knob_of_the_machine_moves_is_proven(tmp_path: Path, knob: Knob, name: Name) -> None:
    seen, first, there, trials = examined(tmp_path, lambda knobs, _: f"turned: {knob in knobs}\n")
    assert (first.name, first.proof.knob) == (name, knob)
    assert first.proof.went == "started again with nothing turned, it is the same"
    assert there.started == [None, *OF_MACHINE[: OF_MACHINE.index(knob) + 1]], "and no start more"
    assert trials.untried == [] and not seen.machine


def test_what_every_start_moves_is_its_boot(tmp_path: Path) -> None:
    _, first, there, _ = examined(tmp_path, lambda _, number: f"start {number * 7919:x}\n")
    assert (first.name, first.proof.knob) == (Name.BOOT, Knob.START)
    assert there.started == [None, None], "a third start tells a boot from what changed since the first"


def test_what_changed_since_its_first_start_alone_is_blamed_on_nothing(tmp_path: Path) -> None:
    seen, first, _, trials = examined(tmp_path, lambda _, number: f"it was {number == 0}\n")
    assert first.proof is None
    assert seen.moved is None
    assert trials.untried == [
        "the virtual machine made something else of 1 place than it had, and no other start does"
    ]


def test_what_no_knob_of_it_moves_is_the_machines_and_has_no_proof(tmp_path: Path) -> None:
    seen, first, there, _ = examined(tmp_path, lambda *_: "a kernel of its own\n")
    assert seen.machine and first.name is Name.KERNEL
    assert first.proof is None, "which of all that differs it was is not shown"
    assert there.started == [None, *OF_MACHINE]


def test_a_machine_that_does_not_start_says_nothing_and_that_is_told(tmp_path: Path) -> None:
    seen, _, _, trials = examined(tmp_path, lambda _, number: "there\n" if number == 0 else None)
    assert not seen.comes and not seen.machine
    assert trials.untried == ["the build fails with the virtual machine started again: it does not start"]
    (tmp_path / "2").mkdir()
    seen, first, _, trials = examined(
        tmp_path / "2", lambda knobs, _: None if Knob.CPU_MODEL in knobs else f"{Knob.MEMORY in knobs}\n"
    )
    assert first.name is Name.MEMORY
    assert trials.untried == ["the build fails with the virtual machine's cpu-model: it does not start"]
    assert Knob.CPU_MODEL not in seen.comes


def test_each_knob_turns_one_thing_of_the_hardware() -> None:
    assert hardware(None, USUAL) == hardware(Knob.START, USUAL) == USUAL
    assert hardware(Knob.CLOCK_DATE, USUAL).ahead == timedelta()
    assert hardware(Knob.CPU_MODEL, USUAL).cpu_model == "SandyBridge"
    assert hardware(Knob.MEMORY, USUAL).memory == 2560
    assert hardware(Knob.CPUS, USUAL).cpus == 2
    for knob in OF_MACHINE:
        turned = hardware(knob, USUAL)
        assert sum(getattr(turned, each) != getattr(USUAL, each) for each in USUAL.__slots__) == 1
