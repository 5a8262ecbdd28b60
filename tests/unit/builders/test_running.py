"""A host that cannot be turned on is tried again, each time anew, and is no vote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.builders import running
from orchestrator.builders.build import Report
from orchestrator.builders.builder import Builder
from orchestrator.builders.host import HostFacts
from orchestrator.builders.running import Task, build_everywhere
from orchestrator.builders.variation import Variation
from orchestrator.builders.vouching import vouching_of_ours
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.events import Event, Notice
from orchestrator.stories.inspection import looked_at


@dataclass
class Broken:
    """The power of a host that does not come up."""

    error: BaseException
    starts: int = 0
    interrupted: list[bool] = field(default_factory=list)
    emulated: bool = False

    def check(self) -> None:
        pass

    def start(self, notify: Callable[[str], None]) -> None:
        self.starts += 1
        notify("tries")
        raise self.error

    def interrupt(self) -> None:
        self.interrupted.append(True)


def builder(folder: Path, name: str, power: Broken) -> Builder:
    store = ChrootStore(Nix("2.8.0", folder), folder / name)
    facts, vouching = HostFacts(None, None), vouching_of_ours(store)
    return Builder(name, "vm", store, folder / "logs", lambda: facts, vouching, attempts=3, power=power)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr(running, "_FIRST_DELAY", 0.01)
    nothing: Any = DerivationGraph({}, ())
    probe: Any = type("Probe", (), {"graph": nothing})
    return Task(ChrootStore(Nix("2.8.0", tmp_path), tmp_path / "o"), nothing, (), (), lambda: probe)


def test_it_is_tried_as_often_as_its_kind_is_and_says_so(task: Task, tmp_path: Path) -> None:
    broken = Broken(TallyError("the virtual machine ended", hint="look at its console"))
    heard: list[tuple[str, Event]] = []
    [report] = build_everywhere(
        task, [builder(tmp_path, "vm", broken)], lambda name, event: heard.append((name, event))
    )
    assert broken.starts == 3
    [failure] = report.failures
    assert failure.infrastructure
    assert failure.reason == "the virtual machine ended\nhint: look at its console"
    assert report.builds == {}
    assert heard.count(("vm", Notice("tries"))) == 3
    assert sum("trying again" in event.text for _, event in heard if isinstance(event, Notice)) == 2


def test_a_host_with_another_key_is_not_tried_again(task: Task, tmp_path: Path) -> None:
    said = "nix-store failed (status 1):\n@@@ IDENTIFICATION HAS CHANGED\nHost key verification failed."
    broken = Broken(TallyError(said))
    heard: list[str] = []
    build_everywhere(
        task,
        [builder(tmp_path, "c", broken)],
        lambda _, event: heard.append(event.text if isinstance(event, Notice) else ""),
    )
    assert broken.starts == 1
    assert heard[-1] == "has no vote: nix-store failed (status 1): Host key verification failed."


def test_an_interruption_reaches_every_host(task: Task, tmp_path: Path) -> None:
    powers = [Broken(KeyboardInterrupt()), Broken(TallyError("ended"))]
    builders = [builder(tmp_path, f"vm-{number}", power) for number, power in enumerate(powers)]
    with pytest.raises(KeyboardInterrupt):
        build_everywhere(task, builders, lambda *_: None)
    assert [power.interrupted for power in powers] == [[True], [True]]


def test_looking_at_one_tries_as_often_as_building(task: Task, tmp_path: Path) -> None:
    """A store that is new can lose its first users' race: one try more, and it is there."""
    broken = Broken(TallyError("ssh: the store is being made by another"))
    told: list[str] = []
    probe: Any = type("Probe", (), {"graph": DerivationGraph({}, ()), "fixed": ()})
    [shown] = looked_at(task.orchestrator, [builder(tmp_path, "vm", broken)], {"vm": probe}, told.append)
    assert broken.starts == 3
    assert shown.error is not None
    assert [text for text in told if "trying again" in text] == [
        "vm: ssh: the store is being made by another; trying again in 0 s"
    ] * 2
    hopeless = Broken(TallyError("Host key verification failed."))
    [shown] = looked_at(task.orchestrator, [builder(tmp_path, "vm", hopeless)], {"vm": probe}, told.append)
    assert hopeless.starts == 1


@pytest.mark.parametrize(
    ("given", "delays"),
    [
        ({"a": (0.0, "local"), "b": (5.1, "local")}, {"a": 5.1, "b": 0.0}),
        ({"a": (0.0, "local"), "b": (5.1, "local"), "c": (10.2, "local")}, {"a": 10.2, "b": 5.1, "c": 0.0}),
        ({"b": (5.1, "local")}, {"b": 0.0}),
        ({"a": (0.0, "local"), "far": (0.0, "ssh-ng://far")}, {"a": 0.0, "far": 0.0}),
        ({"a": (0.0, "local"), "b": (5.1, "local"), "vm": (0.0, "vm")}, {"a": 5.1, "b": 0.0, "vm": 0.0}),
    ],
)
def test_the_most_varied_builder_of_this_machine_begins_first(
    given: dict[str, tuple[float, str]],
    delays: dict[str, float],
    task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, float] = {}

    def once(floor: Any, each: Builder) -> Report:
        if seen.setdefault(each.name, floor._delay(each)):
            assert floor.begun.wait(60), "who begins first says so, also where it fails"
        floor._has_begun(each)
        return Report(each.unknown, None, builds={}, inputs={}, failures=())

    monkeypatch.setattr(running._Floor, "_once", once)
    made = [
        replace(
            builder(tmp_path, name, Broken(TallyError("no"))), kind=kind, variation=Variation(stagger=late)
        )
        for name, (late, kind) in given.items()
    ]
    build_everywhere(task, made, lambda *_: None)
    assert {name: round(seconds, 3) for name, seconds in seen.items()} == delays
