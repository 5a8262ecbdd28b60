"""What a run writes into the ledger: builds as they end, then reports, verdicts, and what targets came to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from orchestrator.builders.build import Build, Report
from orchestrator.builders.builder import Builder, Probed
from orchestrator.ground.errors import TallyError
from orchestrator.ledger.entries import Depth, How, Made, Result, made_of
from orchestrator.ledger.judging import Judgement
from orchestrator.ledger.writing import Pen, Row
from orchestrator.nix import database
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.events import BuildFinished, BuildStarted, Event

_EVERY = 1.0
"""Seconds between two writes of what has ended: each costs one to the disk."""
_FIRST_LOOK = 10.0
"""Seconds until it is looked for alterations of what was built from. Shorter runs do so at their end."""
_RARELY = 19
"""How many times as long as a look took nothing is looked at: it reads every byte."""


@dataclass
class _Ran:
    """A build as its builder's Nix told of it."""

    checking: bool
    started: datetime
    finished: datetime | None = None


@dataclass
class Account:
    """One run's. `take` is called from the threads of all builders."""

    pen: Pen
    graph: DerivationGraph
    builders: Mapping[str, Builder]
    known: frozenset[str]
    """`.drv` paths that the ledger knew as agreed and nobody builds: what it has of them stays as it is."""
    say: Callable[[str], None]
    _ran: dict[str, dict[str, _Ran]] = field(default_factory=dict)
    _ended: list[tuple[str, str]] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _broken: bool = False
    _unlooked: dict[str, list[str]] = field(default_factory=dict)

    def begin(self, quorum: int | None, vote: str) -> None:
        """Raises TallyError where the ledger cannot be written: before anything is built."""
        self.pen.begin(quorum, vote)
        self.pen.graph(self.graph)
        for builder in self.builders.values():
            self.pen.builder(builder.unknown, None, None)

    def take(self, name: str, event: Event) -> None:
        """What a builder said."""
        now = datetime.now(UTC)
        with self._mutex:
            ran = self._ran.setdefault(name, {})
            match event:
                case BuildStarted(derivation, checking) if derivation in self.graph.derivations:
                    ran[derivation] = _Ran(checking, now)
                case BuildFinished(derivation) if derivation in ran:
                    ran[derivation].finished = now
                    if not ran[derivation].checking:
                        self._ended.append((name, derivation))
                case _:
                    pass

    def proven(self, name: str, probed: Probed) -> None:
        """A builder's sandbox holds: what it builds counts, once it was looked for alterations after that."""
        self._try(lambda: self.pen.builder(probed.identity, probed.sandbox, probed.surroundings))

    def checked(self, name: str, builds: Sequence[Build]) -> None:
        """A builder has built these again, or found that what it made before comes out otherwise."""
        self._try(lambda: self.pen.builds(name, [self._row(name, build) for build in builds]))
        self._written(name, [build.derivation for build in builds])

    @contextmanager
    def following(self) -> Iterator[None]:
        """Write what ends meanwhile, some at a time."""
        over = threading.Event()

        def follow() -> None:
            due = time.monotonic() + _FIRST_LOOK
            with self.pen.kept_open():
                while not over.wait(_EVERY):
                    self._write_ended()
                    if (begun := time.monotonic()) >= due:
                        self._look()
                        ended = time.monotonic()
                        due = ended + max(_FIRST_LOOK, _RARELY * (ended - begun))

        writer = threading.Thread(target=follow, name="ledger", daemon=True)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()
            self._write_ended()

    def close(self, reports: Sequence[Report], judgement: Judgement) -> None:
        """What every builder reported in the end, and what comes of each derivation."""

        def write() -> None:
            for report in reports:
                sandbox = None if _is_void(report) else report.sandbox
                self.pen.builder(report.identity, sandbox, report.surroundings)
                self.pen.builds(report.identity.name, self._rows(report))
                if sandbox is not None:  # it was looked for alterations at its end
                    self.pen.looked(report.identity.name)
            self.pen.verdicts(judgement.verdicts, judgement.culprits)
            self.pen.end()

        self._try(write)

    def conclude(self, result: Result) -> None:
        """What a target came to."""
        self._try(lambda: self.pen.result(result))

    def depth(self, graph: DerivationGraph, believed: int) -> Depth:
        """How far down a target's closure this run reached."""
        own = [each.path for each in graph.derivations.values() if each.fixed is None]
        ran = [each for each in self._ran.values() if each]
        built = {path for path in own if ran and all(_is_over(each.get(path)) for each in ran)}
        # what is known is so by those that were asked first: a spare that stood in only held it
        stood_in = any(each and self.builders[name].spare for name, each in self._ran.items())
        known = frozenset[str]() if stood_in else self.known.intersection(own) - built
        return Depth(len(own), len(built), len(known), believed)

    def _rows(self, report: Report) -> Iterator[Row]:
        name = report.identity.name
        for path, each in report.builds.items():
            if path in self.graph.derivations:
                yield self._row(name, each)
        for drv in self.graph.derivations.values():
            made = {of: report.inputs[path] for of, path in drv.outputs.items() if path in report.inputs}
            if not made or drv.path in report.builds:
                continue
            ran = self._ran.get(name, {}).get(drv.path)
            if ran is not None and ran.finished is not None:
                log = self.builders[name].logs / f"{drv.name}.log"
                yield Row(drv.path, How.BUILT, made_of(made), ran.started, ran.finished, log)
            elif drv.path not in self.known:
                yield Row(drv.path, How.HELD, made_of(made))
        for failure in report.failures:
            drv_path = failure.derivation
            if drv_path is None or drv_path not in self.graph.derivations:
                continue
            if drv_path not in report.builds:
                yield Row(drv_path, How.FAILED, {}, log=failure.log, reason=failure.reason)

    def _row(self, name: str, build: Build) -> Row:
        ran = self._ran.get(name, {}).get(build.derivation)
        how = How.CHECKED if ran is not None and ran.checking else How.BUILT
        outputs = {
            of: replace(each, second=build.unstable[of].nar_hash) if of in build.unstable else each
            for of, each in made_of(build.outputs).items()
        }
        return Row(build.derivation, how, outputs, build.started, build.finished, build.log)

    def _write_ended(self) -> None:
        """Write first builds that have ended, as the store's database has them. They may be written again."""
        with self._mutex:
            ended, self._ended = self._ended, []
        some: dict[str, list[str]] = {}
        for name, derivation in ended:
            some.setdefault(name, []).append(derivation)

        def write() -> None:
            for name, derivations in some.items():
                store = self.builders[name].store
                if isinstance(store, ChrootStore):  # asking another host of each would cost its builds
                    self.pen.builds(name, list(self._ended_in(name, store, derivations)))
                    self._written(name, derivations)

        if some:
            self._try(write)

    def _written(self, name: str, derivations: Sequence[str]) -> None:
        with self._mutex:
            self._unlooked.setdefault(name, []).extend(derivations)

    def _look(self) -> None:
        """See that nothing is altered that builds were made from: should this run be killed, they count.

        What is altered is told at the run's end. Other hosts look at theirs then.
        """
        with self._mutex:
            unlooked, self._unlooked = self._unlooked, {}
        for name, derivations in unlooked.items():
            store = self.builders[name].store
            with suppress(TallyError):  # as where the run is ended meanwhile
                if isinstance(store, ChrootStore) and not store.modified(self.graph.used_by(derivations)):
                    self._try(partial(self.pen.looked, name, derivations))

    def _ended_in(self, name: str, store: ChrootStore, derivations: Sequence[str]) -> Iterator[Row]:
        outputs = [path for drv in derivations for path in self.graph[drv].outputs.values()]
        found = database.rows(store.root, outputs) or {}
        for drv in derivations:
            derivation, ran = self.graph[drv], self._ran[name][drv]
            if all(path in found for path in derivation.outputs.values()):
                made = {
                    of: Made(path, found[path].nar_hash, found[path].nar_size, found[path].references)
                    for of, path in derivation.outputs.items()
                }
                log = self.builders[name].logs / f"{derivation.name}.log"
                yield Row(drv, How.BUILT, made, ran.started, ran.finished, log)

    def _try(self, write: Callable[[], None]) -> None:
        """What cannot be remembered costs no run; it is said once."""
        try:
            write()
        except TallyError as error:
            if not self._broken:
                self._broken = True
                self.say(f"warning: this run is not whole in the ledger: {error.message}")


def _is_void(report: Report) -> bool:
    """Whether a store has what was altered or is from elsewhere: what was built there counts for nothing.

    A failure of one build is of a derivation; a host that was lost says nothing of what it built before.
    """
    return any(each.derivation is None and not each.infrastructure for each in report.failures)


def _is_over(ran: _Ran | None) -> bool:
    return ran is not None and ran.finished is not None
