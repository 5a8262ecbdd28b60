"""Writes runs into the ledger: each builder, each build as it ends, each verdict, each result."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.builders.build import Identity, SandboxProof, Surroundings
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown
from orchestrator.ground.state import State
from orchestrator.ledger.entries import How, Made, Result, Verdict, written
from orchestrator.ledger.file import opened, transaction
from orchestrator.nix.derivation import Derivation, DerivationGraph

if TYPE_CHECKING:
    from sqlite3 import Connection


@dataclass(frozen=True, slots=True)
class Row:
    """What one builder has of one derivation, in this run."""

    derivation: str
    how: How
    outputs: Mapping[str, Made]
    started: datetime | None = None
    finished: datetime | None = None
    log: Path | None = None
    reason: str | None = None


class Pen:
    """The writing side, for one run. Every call is a transaction, and raises TallyError.

    Used from the threads of all builders, one at a time. Each call opens the file anew: SQLite's connections
    belong to their threads, and a run of hours must not keep others waiting.
    """

    def __init__(self, state: State, run: str) -> None:
        self._path, self._root, self._name = state.ledger, state.root, run
        self._mutex = threading.Lock()

    def begin(self, quorum: int | None, vote: str) -> None:
        """The run has begun, or builds once more; the whole file is looked at first. Raises Damaged."""
        with self._transaction(check=True) as database:
            database.execute(
                "insert into runs (name, started, quorum, vote) values (?, ?, ?, ?) "
                "on conflict (name) do nothing",
                (self._name, written(datetime.now(UTC)), quorum or 0, vote),
            )

    def end(self) -> None:
        """The run has come to its end."""
        with self._transaction() as database:
            database.execute(
                "update runs set ended = ? where name = ?", (written(datetime.now(UTC)), self._name)
            )

    def graph(self, graph: DerivationGraph) -> None:
        """Derivations with their direct inputs; those that are known stay as they are."""
        every = list(graph.derivations.values())
        with self._transaction() as database:
            before = {path for (path,) in database.execute("select path from derivations")}
            new = [each for each in every if each.path not in before]
            database.executemany(
                "insert into derivations (path, name, system, fixed) values (?, ?, ?, ?)", map(_row, new)
            )
            edges = ((each.path, below) for each in new for below in each.input_derivations)
            database.executemany(
                "insert or ignore into inputs select a.id, b.id from derivations a, derivations b "
                "where a.path = ? and b.path = ?",
                edges,
            )

    def builder(
        self, identity: Identity, sandbox: SandboxProof | None, surroundings: Surroundings | None
    ) -> None:
        """Who a builder is, as far as it is known by now; called again when more is."""
        columns = {
            "store": identity.store,
            "operator": identity.operator,
            "nix_version": identity.nix_version,
            "machine_id": identity.machine_id,
            "boot_id": identity.boot_id,
            "kernel": identity.kernel,
            "cpu_model": identity.cpu_model,
            "system": identity.system,
            "sandbox": None if sandbox is None else json.dumps(asdict(sandbox)),
            "surroundings": None
            if surroundings is None
            else json.dumps(asdict(surroundings), default=_json_time),
        }
        names = ", ".join(columns)
        sets = ", ".join(f"{name} = excluded.{name}" for name in columns)
        with self._transaction() as database:
            database.execute(
                f"insert into builders (run, name, {names}) values "
                f"((select id from runs where name = ?), ?, {', '.join('?' * len(columns))}) "
                f"on conflict (run, name) do update set {sets}",
                (self._name, identity.name, *columns.values()),
            )

    def builds(self, builder: str, rows: Iterable[Row]) -> None:
        """What a builder made of derivations of `graph`; a later word on one of them replaces it."""
        with self._transaction() as database:
            found = database.execute(
                "select w.id from builders w join runs r on r.id = w.run where r.name = ? and w.name = ?",
                (self._name, builder),
            ).fetchone()
            if found is None:
                raise TallyError(
                    f"the ledger {shown(self._path)} is another one than when this run began",
                    hint="move or remove it between two runs",
                )
            for row in rows:
                self._build(database, found[0], row)

    def looked(self, builder: str, derivations: Iterable[str] | None = None) -> None:
        """Nothing that a builder's builds were made from is altered: of these, or of all until now."""
        mine = (
            "update builds set looked = 1 where builder = (select w.id from builders w "
            "join runs r on r.id = w.run where r.name = ? and w.name = ?)"
        )
        with self._transaction() as database:
            if derivations is None:
                database.execute(mine, (self._name, builder))
                return
            database.executemany(
                f"{mine} and derivation = (select id from derivations where path = ?)",
                ((self._name, builder, path) for path in derivations),
            )

    def verdicts(self, verdicts: Mapping[str, Verdict], culprits: Iterable[str]) -> None:
        """`.drv` path to what became of it in this run; `culprits` are some of them."""
        blamed = set(culprits)
        with self._transaction() as database:
            database.executemany(
                "insert or replace into verdicts (run, derivation, verdict, culprit) values "
                "((select id from runs where name = ?), (select id from derivations where path = ?), ?, ?)",
                ((self._name, path, each.value, path in blamed) for path, each in verdicts.items()),
            )

    def result(self, result: Result) -> None:
        """What a target came to in this run."""
        depth = result.depth
        columns = {
            "target": result.target,
            "name": result.name,
            "version": result.version,
            "system": result.system,
            "verdict": result.verdict.value,
            "time": written(result.time),
            "derivations": depth.derivations,
            "built": depth.built,
            "known": depth.known,
            "believed": depth.believed,
            "release": result.release,
            "kept": result.kept,
            "told": result.told,
        }
        with self._transaction() as database:
            database.execute(
                f"insert or replace into results (run, package, artifact, {', '.join(columns)}) values "
                "((select id from runs where name = ?), (select id from derivations where path = ?), "
                f"(select id from derivations where path = ?), {', '.join('?' * len(columns))})",
                (self._name, result.package, result.artifact, *columns.values()),
            )

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While many calls follow each other: SQLite folds its log into the file when the last one closes it.

        What cannot be opened is told by the calls.
        """
        with ExitStack() as stack:
            with suppress(TallyError):
                stack.enter_context(opened(self._path))
            yield

    def _build(self, database: Connection, builder: int, row: Row) -> None:
        database.execute(
            "delete from builds where builder = ? and derivation = "
            "(select id from derivations where path = ?)",
            (builder, row.derivation),
        )
        made = database.execute(
            "insert into builds (builder, derivation, outcome, started, finished, log, reason) values "
            "(?, (select id from derivations where path = ?), ?, ?, ?, ?, ?)",
            (
                builder,
                row.derivation,
                row.how.value,
                _written(row.started),
                _written(row.finished),
                None if row.log is None else self._below(row.log),
                row.reason,
            ),
        )
        database.executemany(
            "insert into outputs (build, name, path, nar_sha256, nar_size, refs, second_sha256) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    made.lastrowid,
                    name,
                    one.path,
                    one.nar_hash.hex,
                    one.nar_size,
                    json.dumps(list(one.references)),
                    None if one.second is None else one.second.hex,
                )
                for name, one in row.outputs.items()
            ),
        )

    def _below(self, log: Path) -> str:
        return str(log.relative_to(self._root)) if log.is_relative_to(self._root) else str(log)

    @contextmanager
    def _transaction(self, *, check: bool = False) -> Iterator[Connection]:
        with self._mutex, opened(self._path, write=True, check=check) as database, transaction(database):
            yield database


def _row(derivation: Derivation) -> tuple[str, str, str, str | None]:
    return derivation.path, derivation.name, derivation.system, _digest(derivation)


def _digest(derivation: Derivation) -> str | None:
    """The digest that fixes a derivation's output, as `sha256:…`, or `nar-sha256:…` where it is of a NAR."""
    if derivation.fixed is None:
        return None
    match derivation.fixed.digest:
        case OtherDigest(algorithm, hexadecimal, nar=nar):
            return f"{'nar-' if nar else ''}{algorithm}:{hexadecimal}"
        case NarHash(hexadecimal):
            return f"nar-sha256:{hexadecimal}"
        case Sha256(hexadecimal):
            return f"sha256:{hexadecimal}"


def _written(time: datetime | None) -> str | None:
    return None if time is None else written(time)


def _json_time(value: object) -> str:
    assert isinstance(value, datetime)
    return written(value)
