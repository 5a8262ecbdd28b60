"""All builders at once, each by itself: what fails on one is that one's failure, and a spare may stand in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.builders import ssh
from orchestrator.builders.build import BuiltPath, Failure, Report
from orchestrator.builders.builder import NONE_KNOWN, UNWATCHED, Builder, Watch
from orchestrator.builders.probe import Probe
from orchestrator.caches.believed import NOTHING, Beliefs
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.events import Event, Notice

OnEvent = Callable[[str, Event], None]
"""Takes a builder's name and what it said. Called from several threads at once."""

_HOPELESS = "host key verification failed"
"""What another try does not help against, nor should."""
_FIRST_DELAY = 2.0
"""Seconds before a builder is tried again; four times as many before the try after that."""


@dataclass(frozen=True, slots=True)
class Task:
    """What every builder is asked for."""

    orchestrator: ChrootStore
    """Where the derivations and sources come from."""
    graph: DerivationGraph
    requested: tuple[str, ...]
    fixed: tuple[str, ...]
    new_probe: Callable[[], Probe]
    """One that no builder has built before. Called from several threads at once."""
    beliefs: Beliefs = NOTHING
    """What builders take from the orchestrator and build nowhere."""
    watch: Watch = UNWATCHED
    known: Mapping[str, Mapping[str, BuiltPath]] = field(default_factory=dict)
    """Builder name to what it made of inputs in earlier runs, by store path: this run builds none of them."""
    repeat: int = 0
    """How often every derivation that was asked for is built once more."""
    abandoned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Builder name to derivations that its store has from runs that ended before they looked at it."""


@dataclass
class _Floor:
    """The builders at work, and the spares that wait."""

    task: Task
    on_event: OnEvent
    stopping: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    """Set once the first of them begins its builds, or ended without any: those that start later wait."""
    latest: float = 0.0
    """The largest `stagger` of this machine's own builders."""

    def report(self, builder: Builder) -> Report:
        """A builder's report; tried again while its host cannot do its work."""

        def tell(text: str) -> None:
            self.on_event(builder.name, Notice(text))

        report = tried(builder, lambda: self._once(builder), _lost, tell, self.stopping)
        if (why := _lost(report)) is not None and not self.stopping.is_set():
            tell(f"has no vote: {_shortly(why)}")
        return report

    def _once(self, builder: Builder) -> Report:
        task = self.task
        try:
            probe = task.new_probe()
            derivations = [*probe.graph.derivations, *task.graph.derivations]
            builder.power.start(lambda text: self.on_event(builder.name, Notice(text)))
            if gone := builder.forget(task.graph, task.requested, task.beliefs):
                tell = (
                    f"deleted {counted(gone, 'store path')} that stood on a cache's word, to build them here"
                )
                self.on_event(builder.name, Notice(tell))
            if gone := builder.forget_abandoned(task.graph, task.abandoned.get(builder.name, ())):
                tell = f"deleted {counted(gone, 'store path')} that a killed run left, to build them anew"
                self.on_event(builder.name, Notice(tell))
            builder.receive(task.orchestrator, derivations, task.fixed, task.beliefs)
            self._has_begun(builder)
            return builder.build(
                task.graph,
                task.requested,
                probe,
                lambda event: self.on_event(builder.name, event),
                lambda: self._wait_for_its_turn(builder),
                task.beliefs,
                task.watch,
                task.known.get(builder.name, NONE_KNOWN),
                task.repeat,
            )
        except TallyError as error:
            hint = way_out(builder, error)
            reason = f"{error.message}\nhint: {hint}" if hint else error.message
            failure = Failure(None, reason, last_lines=(), log=None, infrastructure=True)
            return Report(builder.unknown, None, builds={}, inputs={}, failures=(failure,))
        finally:
            self._has_begun(builder)

    def _has_begun(self, builder: Builder) -> None:
        if builder.kind == "local" and not self._delay(builder):
            self.begun.set()

    def _wait_for_its_turn(self, builder: Builder) -> None:
        """Of this machine's own builders each begins so much later than the next."""
        if delay := self._delay(builder):
            self.begun.wait()
            self.stopping.wait(delay)

    def _delay(self, builder: Builder) -> float:
        """Seconds. The most varied one begins first: it has the fewest CPUs, so that it takes longest."""
        return max(0.0, self.latest - builder.variation.stagger) if builder.kind == "local" else 0.0


def _lost(report: Report) -> str | None:
    """Why a host could not do its work."""
    return next((each.reason for each in report.failures if each.infrastructure), None)


T = TypeVar("T")


def tried(
    builder: Builder,
    once: Callable[[], T],
    lost: Callable[[T], str | None],
    tell: Callable[[str], None],
    stopping: threading.Event,
) -> T:
    """What `once` gives; tried again, each time later, while `lost` says why its host could do no work."""
    delay = _FIRST_DELAY
    for left in reversed(range(builder.attempts)):
        found = once()
        why = lost(found)
        if why is None or not left or _HOPELESS in why.lower() or stopping.is_set():
            break
        tell(f"{_shortly(why)}; trying again in {delay:.0f} s")
        if stopping.wait(delay):
            break
        delay *= 4
    return found


def _shortly(reason: str) -> str:
    """What went wrong, in a line: what was said last, which is what ended it."""
    first, *more = [line for line in reason.splitlines() if line and not line.startswith("hint:")]
    return f"{first.removesuffix(':')}: {more[-1].strip()}" if more else first


def way_out(builder: Builder, error: TallyError) -> str | None:
    """The hint for what went wrong on a builder: where it is not ours, what was said tells more."""
    found = ssh.way_out(error.message) if builder.kind != "local" else None
    return found or error.hint


def build_everywhere(task: Task, builders: Sequence[Builder], on_event: OnEvent) -> tuple[Report, ...]:
    """Every builder's report, in the order of `builders`; of spares, those that were needed.

    KeyboardInterrupt ends every builder's Nix before it goes on.
    """
    spares = [builder for builder in builders if builder.spare]
    ours = [each for each in builders if each.kind == "local" and not each.spare]
    floor = _Floor(task, on_event, latest=max((each.variation.stagger for each in ours), default=0.0))
    if not ours:  # a spare of this machine that stands in waits for nobody
        floor.begun.set()
    with ThreadPoolExecutor(len(builders), thread_name_prefix="builder") as threads:
        try:
            started = {each.name: threads.submit(floor.report, each) for each in builders if not each.spare}
            pending: set[Future[Report]] = set(started.values())
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for report in [future.result() for future in done]:
                    if spares and any(failure.infrastructure for failure in report.failures):
                        spare = spares.pop(0)
                        on_event(spare.name, Notice(f"stands in for {report.identity.name}"))
                        started[spare.name] = threads.submit(floor.report, spare)
                        pending.add(started[spare.name])
            return tuple(started[each.name].result() for each in builders if each.name in started)
        except BaseException:
            floor.stopping.set()
            floor.begun.set()
            for builder in builders:
                builder.interrupt()
            raise
