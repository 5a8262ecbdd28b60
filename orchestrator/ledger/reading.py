"""What was built here, asked of the ledger: results of targets, verdicts of derivations, builds."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.ground.digest import NarHash
from orchestrator.ground.state import State
from orchestrator.ledger.change import changed, stem
from orchestrator.ledger.entries import Depth, Entry, How, Known, Made, Result, Verdict, moment
from orchestrator.ledger.file import as_written, opened

if TYPE_CHECKING:
    from sqlite3 import Connection

_One = TypeVar("_One")
_TOGETHER = 500  # variables of one statement; SQLite takes 999
_RESULTS = (
    "select r.name, s.target, p.path, a.path, s.name, s.version, s.system, s.verdict, s.time, s.derivations, "
    "s.built, s.known, s.believed, s.release, s.kept, s.told, r.id, s.artifact "
    "from results s join runs r on r.id = s.run join derivations p on p.id = s.package "
    "join derivations a on a.id = s.artifact"
)
_ENTRIES = (
    "select b.id, r.name, w.name, w.store, w.operator, w.nix_version, w.machine_id, w.boot_id, w.system, "
    "w.sandbox is not null and b.looked, d.path, b.outcome, b.started, b.finished, b.log, b.reason "
    "from builds b join builders w on w.id = b.builder join runs r on r.id = w.run "
    "join derivations d on d.id = b.derivation"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one derivation in one run."""

    derivation: str
    run: str
    verdict: Verdict
    culprit: bool


class Ledger:
    """The reading side. Made by `read`; every answer is of one moment, whatever others write meanwhile."""

    def __init__(self, database: Connection, path: Path) -> None:
        self._database, self._path = database, path

    def check(self) -> None:
        """Read every value that is more than a text. Raises Damaged for one that we never write."""
        for run in self.runs():
            self.verdicts(run)
            self.surroundings(run)
            deque(self.entries_of(run), maxlen=0)
        deque(self.results(whole=False), maxlen=0)
        deque(self.agreed_outputs(), maxlen=0)

    def targets(self) -> tuple[str, ...]:
        """All that has a result, sorted."""
        return tuple(row[0] for row in self._ask("select distinct target from results order by target"))

    def latest(self) -> Iterator[Result]:
        """The last result of every target, sorted by target."""
        last = "s.id = (select max(id) from results o where o.target = s.target)"
        yield from self._results(f"{_RESULTS} where {last} order by s.target")

    def history(self, target: str) -> Iterator[Result]:
        """Every result of a target, the oldest first."""
        yield from self._results(f"{_RESULTS} where s.target = ? order by s.id", target)

    def results(self, *, whole: bool = True) -> Iterator[Result]:
        """Every result of every target, the oldest first. Without `whole`: no culprits and no builders.

        These cost a look through a closure each.
        """
        yield from self._results(f"{_RESULTS} order by s.id", whole=whole)

    def culprits(self, run: str, derivation: str) -> tuple[str, ...]:
        """Those in the closure of a derivation that a run found to be to blame, by their paths."""
        asked = (
            "with recursive below(id) as (select id from derivations where path = ? "
            "union select input from inputs join below on derivation = below.id) "
            "select d.path from verdicts v join derivations d on d.id = v.derivation "
            "join runs r on r.id = v.run "
            "where r.name = ? and v.culprit and v.derivation in below order by d.path"
        )
        return tuple(path for (path,) in self._ask(asked, derivation, run))

    def machines(self) -> Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]]:
        """Run to its builders' names, each with what its builds could see of its machine; empty: nothing."""
        found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        asked = (
            "select r.name, w.name, w.surroundings from builders w join runs r on r.id = w.run "
            "order by w.name"
        )
        for run, name, seen in self._ask(asked):
            with as_written(self._path):
                found.setdefault(run, []).append((name, dict(json.loads(seen)) if seen else {}))
        return {run: tuple(some) for run, some in found.items()}

    def runs(self) -> tuple[str, ...]:
        """Every run, the oldest first; also those that go on or were killed."""
        return tuple(row[0] for row in self._ask("select name from runs order by id"))

    def verdicts(self, run: str) -> Mapping[str, Judged]:
        """Every derivation that a run judged, by its `.drv` path."""
        asked = (
            "select d.path, r.name, v.verdict, v.culprit from verdicts v join runs r on r.id = v.run "
            "join derivations d on d.id = v.derivation where r.name = ?"
        )
        with as_written(self._path):
            return {row[0]: _judged(row) for row in self._ask(asked, run)}

    def latest_verdicts(self, derivations: Sequence[str]) -> Mapping[str, Judged]:
        """The last verdict on each of these derivations that has one."""
        found: dict[str, Judged] = {}
        for some in _pieces(derivations):
            asked = (
                "select d.path, r.name, v.verdict, v.culprit from verdicts v join runs r on r.id = v.run "
                f"join derivations d on d.id = v.derivation where d.path in ({_marks(some)}) order by v.run"
            )
            with as_written(self._path):
                found.update((row[0], _judged(row)) for row in self._ask(asked, *some))
        return found

    def entries(self, derivations: Sequence[str]) -> Iterator[Entry]:
        """Every builder's every build of these derivations, the oldest first of each."""
        for some in _pieces(derivations):
            where = f"where d.path in ({_marks(some)}) order by b.id"
            yield from self._entries(where, some)

    def times(self, names: Sequence[str]) -> Mapping[tuple[str, str], float]:
        """Builder and derivation's name to how many seconds its last build there took."""
        found: dict[tuple[str, str], float] = {}
        for some in _pieces(names):
            asked = (
                "select w.name, d.name, b.started, b.finished from builds b "
                "join builders w on w.id = b.builder join derivations d on d.id = b.derivation "
                "where b.outcome in ('built', 'checked') and b.started is not null "
                f"and b.finished is not null and d.name in ({_marks(some)}) order by b.id"
            )
            with as_written(self._path):
                for builder, name, started, finished in self._ask(asked, *some):
                    found[builder, name] = (moment(finished) - moment(started)).total_seconds()
        return found

    def built(self, derivations: Sequence[str]) -> Mapping[str, datetime]:
        """`.drv` path to when a build of it ended last, also in a run that never came to its end."""
        found: dict[str, datetime] = {}
        for some in _pieces(derivations):
            asked = (
                "select d.path, max(b.finished) from builds b join derivations d on d.id = b.derivation "
                f"where b.finished is not null and d.path in ({_marks(some)}) group by d.id"
            )
            with as_written(self._path):
                found.update((path, moment(finished)) for path, finished in self._ask(asked, *some))
        return found

    def concluded(self, targets: Sequence[str], system: str) -> Mapping[str, datetime]:
        """When each of these targets was last concluded for a system, whatever it came to."""
        found: dict[str, datetime] = {}
        for some in _pieces(targets):
            last = (
                f"select max(id) from results where system = ? and target in ({_marks(some)}) group by target"
            )
            with as_written(self._path):
                for target, time in self._ask(
                    f"select target, time from results where id in ({last})", system, *some
                ):
                    found[target] = moment(time)
        return found

    def entries_of(self, run: str) -> Iterator[Entry]:
        """Every builder's every build of one run."""
        yield from self._entries("where r.name = ? order by b.id", [run])

    def inputs(self, root: str, most: int = -1) -> Mapping[str, tuple[str, ...]]:
        """The build-time closure of a derivation: `.drv` path to the paths of its direct inputs, sorted.

        Of `most` derivations, those that are nearest to it, and what each of them has among these.
        """
        closure = (
            "with recursive below(id) as (select id from derivations where path = ? "
            "union select input from inputs join below on derivation = below.id limit ?) "
            "select id, path from derivations where id in below order by path"
        )
        paths: dict[int, str] = dict(self._ask(closure, root, most))
        found: dict[str, list[str]] = {path: [] for path in paths.values()}
        for some in _pieces(list(paths)):
            asked = f"select derivation, input from inputs where derivation in ({_marks(some)})"
            for derivation, below in self._ask(asked, *some):
                if below in paths:
                    found[paths[derivation]].append(paths[below])
        return {path: tuple(sorted(below)) for path, below in found.items()}

    def direct_inputs(self, derivations: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Each of these derivations to its direct inputs, those with fixed outputs left out, sorted."""
        found: dict[str, list[str]] = {path: [] for path in derivations}
        for some in _pieces(derivations):
            asked = (
                "select d.path, o.path from inputs i join derivations d on d.id = i.derivation "
                f"join derivations o on o.id = i.input where o.fixed is null and d.path in ({_marks(some)})"
            )
            for derivation, below in self._ask(asked, *some):
                found[derivation].append(below)
        return {path: tuple(sorted(below)) for path, below in found.items()}

    def agreed_outputs(self) -> Iterator[tuple[str, int, datetime]]:
        """Every output on which builders agreed at last: its path, its NAR's size, when a run last had it."""
        asked = (
            "with last(derivation, run) as (select derivation, max(run) from verdicts group by derivation) "
            "select o.path, max(o.nar_size), max(r.started) from last "
            "join verdicts v on v.derivation = last.derivation and v.run = last.run "
            "join builds b on b.derivation = v.derivation join outputs o on o.build = b.id "
            "join runs r on r.id = v.run where v.verdict in (?, ?) group by o.path order by o.path"
        )
        for path, size, started in self._ask(asked, Verdict.AGREED.value, Verdict.VARIED.value):
            with as_written(self._path):
                time = moment(started)
            yield path, size, time

    def outputs_of(self, derivations: Sequence[str]) -> Iterator[str]:
        """The store paths of all that anybody made of these derivations."""
        for some in _pieces(derivations):
            asked = (
                "select distinct o.path from outputs o join builds b on b.id = o.build "
                f"join derivations d on d.id = b.derivation where d.path in ({_marks(some)})"
            )
            yield from (path for (path,) in self._ask(asked, *some))

    def fixed(self, derivations: Sequence[str]) -> set[str]:
        """Those of these derivations whose output a digest fixes."""
        return {
            path
            for some in _pieces(derivations)
            for (path,) in self._ask(
                f"select path from derivations where fixed is not null and path in ({_marks(some)})", *some
            )
        }

    def changed_inputs(self, before: str, after: str) -> tuple[tuple[str, str], ...]:
        """What changed between two derivations' build-time closures: names before and after, sorted.

        Only where the change begins: a derivation that merely stands on a changed one is left out. A name on
        one side alone has an empty text on the other.
        """
        old, new = self.inputs(before), self.inputs(after)
        return changed(old, new)

    def verdicts_on(self, derivation: str) -> tuple[Verdict, ...]:
        """Every verdict on a derivation, the oldest first; a run that could not decide has none."""
        asked = (
            "select v.verdict from verdicts v join derivations d on d.id = v.derivation "
            "where d.path = ? and v.verdict != ? order by v.run"
        )
        with as_written(self._path):
            return tuple(Verdict(each) for (each,) in self._ask(asked, derivation, Verdict.UNDECIDED.value))

    def named_like(self, derivation: str) -> tuple[str, ...]:
        """Derivations for the same system whose names begin as that one's does, the latest first."""
        asked = (
            "select o.path from derivations o join derivations d on d.path = ? and d.system = o.system "
            "where substr(o.name, 1, ?) = substr(d.name, 1, ?) order by o.id desc"
        )
        length = len(stem(derivation))
        return tuple(path for (path,) in self._ask(asked, derivation, length, length))

    def surroundings(self, run: str) -> Mapping[str, Mapping[str, Any]]:
        """Builder name to what a run's builds could see of its machine, of those that showed it."""
        asked = (
            "select w.name, w.surroundings from builders w join runs r on r.id = w.run "
            "where r.name = ? and w.surroundings is not null order by w.name"
        )
        with as_written(self._path):
            return {name: dict(json.loads(text)) for name, text in self._ask(asked, run)}

    def _ask(self, statement: str, *values: object) -> Iterator[tuple[Any, ...]]:
        return iter(self._database.execute(statement, values))

    def _results(self, statement: str, *values: object, whole: bool = True) -> Iterator[Result]:
        for row in self._ask(statement, *values):
            with as_written(self._path):
                result = self._result(row, whole=whole)
            yield result

    def _result(self, row: tuple[Any, ...], *, whole: bool) -> Result:
        *columns, run, _ = row
        culprits = self.culprits(columns[0], columns[3]) if whole else ()
        asked = "select name from builders where run = ? order by name"
        names = self._ask(asked, run) if whole else iter(())
        (name, target, package, drv, pname, version, system, verdict, time, *counts, release, kept, told) = (
            columns
        )
        if not all(each is None or isinstance(each, str) for each in (release, kept, told)):
            raise ValueError("a text of a result is none")
        if not all(isinstance(each, int) for each in counts):
            raise ValueError("a count of a result is none")
        return Result(
            run=name,
            target=target,
            package=package,
            artifact=drv,
            name=pname,
            version=version,
            system=system,
            verdict=Verdict(verdict),
            time=moment(time),
            depth=Depth(*counts),
            release=release,
            kept=kept,
            told=told,
            culprits=culprits,
            builders=tuple(each for (each,) in names),
        )

    def _entries(self, where: str, values: Sequence[str]) -> Iterator[Entry]:
        made: dict[int, dict[str, Made]] = {}
        outputs = (
            "select o.build, o.name, o.path, o.nar_sha256, o.nar_size, o.refs, o.second_sha256 "
            "from outputs o join builds b on b.id = o.build join builders w on w.id = b.builder "
            f"join runs r on r.id = w.run join derivations d on d.id = b.derivation {where}, o.name"
        )
        with as_written(self._path):
            for build, name, path, digest, size, refs, second in self._ask(outputs, *values):
                made.setdefault(build, {})[name] = Made(
                    path,
                    NarHash(digest),
                    size,
                    tuple(json.loads(refs)),
                    None if second is None else NarHash(second),
                )
        for row in self._ask(f"{_ENTRIES} {where}", *values):
            (build, run, name, store, operator, nix, machine, boot, system, proven, drv, how, *rest) = row
            started, finished, log, reason = rest
            with as_written(self._path):
                entry = Entry(
                    run=run,
                    builder=Known(name, store, operator, nix, machine, boot, system, bool(proven)),
                    derivation=drv,
                    how=How(how),
                    outputs=made.get(build, {}),
                    started=_moment(started),
                    finished=_moment(finished),
                    log=log,
                    reason=reason,
                )
            yield entry


@contextmanager
def read(state: State) -> Iterator[Ledger]:
    """The ledger of a state folder. Raises TallyError where there is none, or it cannot be read."""
    with opened(state.ledger) as database:
        database.execute("begin")  # one moment for all that is asked
        yield Ledger(database, state.ledger)


def _judged(row: tuple[Any, ...]) -> Judged:
    path, run, verdict, culprit = row
    return Judged(path, run, Verdict(verdict), bool(culprit))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


def _pieces(values: Sequence[_One]) -> Iterator[list[_One]]:
    for start in range(0, len(values), _TOGETHER):
        yield list(values[start : start + _TOGETHER])


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
