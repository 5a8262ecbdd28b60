"""The ledger: what is written is read again, and every harm to its file has its words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest
import reports

from orchestrator.builders.build import Identity, SandboxProof
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.entries import Depth, How, Made, Result, Verdict
from orchestrator.ledger.file import Damaged, opened, set_aside, transaction
from orchestrator.ledger.reading import Ledger, read
from orchestrator.ledger.schema import VERSION
from orchestrator.ledger.writing import Pen, Row
from orchestrator.nix.derivation import Derivation, DerivationGraph, FixedOutput

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SANDBOX = SandboxProof(("lo",), 1000, "/build", "localhost", ("build", "nix"), (), host_file_visible=False)


def path_of(name: str) -> str:
    return f"/nix/store/{'0' * 32}-{name}"


def derivation(name: str, *inputs: str, fixed: bool = False) -> Derivation:
    out = path_of(name)
    return Derivation(
        path=path_of(f"{name}.drv"),
        system="x86_64-linux",
        builder_executable="/bin/sh",
        args=(),
        env={},
        outputs={"out": out},
        fixed=FixedOutput(out, Sha256("a" * 64)) if fixed else None,
        input_derivations={path_of(f"{below}.drv"): ("out",) for below in inputs},
        input_sources=(),
    )


GRAPH = DerivationGraph(
    {
        each.path: each
        for each in (derivation("source", fixed=True), derivation("lib", "source"), derivation("app", "lib"))
    },
    (path_of("app.drv"),),
)


def made(name: str, content: str = "same") -> Made:
    return Made(path_of(name), NarHash.of(content.encode()), 120, (path_of("lib"),))


def result(run: str, verdict: Verdict = Verdict.AGREED, target: str = "app") -> Result:
    app = path_of("app.drv")
    depth = Depth(2, built=1)
    return Result(run, target, app, app, "app", "1.0", "x86_64-linux", verdict, NOON, depth)


def a_run(state: State, name: str, verdict: Verdict = Verdict.AGREED, second: str = "same") -> None:
    pen = Pen(state, name)
    pen.begin(2, "same-host")
    pen.graph(GRAPH)
    for builder, content in (("a", "same"), ("b", second)):
        pen.builder(Identity(builder, "local", nix_version="2.8.0"), SANDBOX, None)
        log = state.logs(name, builder) / "app.log"
        rows = [
            Row(path_of("lib.drv"), How.HELD, {"out": made("lib")}),
            Row(path_of("app.drv"), How.BUILT, {"out": made("app", content)}, NOON, NOON, log),
        ]
        pen.builds(builder, rows)
        pen.looked(builder)
    verdicts = {path_of("lib.drv"): Verdict.AGREED, path_of("app.drv"): verdict}
    pen.verdicts(verdicts, [path_of("app.drv")] if verdict is Verdict.DIFFERS else [])
    pen.result(result(name, verdict))
    pen.end()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


@contextmanager
def reading(state: State) -> Iterator[Ledger]:
    with read(state) as ledger:
        yield ledger


def test_what_is_written_is_read_again(state: State) -> None:
    a_run(state, "20260101-1")
    a_run(state, "20260102-1", Verdict.DIFFERS, second="other")
    with reading(state) as ledger:
        first, last = ledger.history("app")
        assert (first.verdict, last.verdict) == (Verdict.AGREED, Verdict.DIFFERS)
        assert (last.culprits, last.builders) == ((path_of("app.drv"),), ("a", "b"))
        assert (last.depth.built, last.depth.held, last.depth.deep) == (1, 1, False)
        assert list(ledger.latest()) == [last]
        entries = list(ledger.entries([path_of("app.drv")]))
        assert [(each.run, each.builder.name) for each in entries] == [
            ("20260101-1", "a"),
            ("20260101-1", "b"),
            ("20260102-1", "a"),
            ("20260102-1", "b"),
        ]
        assert entries[3].outputs == {"out": made("app", "other")}
        assert entries[0].builder.proven
        assert entries[0].log == "logs/20260101-1/a/app.log"
        assert [e.how for e in ledger.entries_of("20260102-1")] == [How.HELD, How.BUILT] * 2
        assert ledger.latest_verdicts([path_of("app.drv")])[path_of("app.drv")].culprit
        assert ledger.inputs(path_of("app.drv")) == {
            path_of("app.drv"): (path_of("lib.drv"),),
            path_of("lib.drv"): (path_of("source.drv"),),
            path_of("source.drv"): (),
        }
        assert ledger.fixed(list(GRAPH.derivations)) == {path_of("source.drv")}


def test_what_nobody_looked_at_proves_nothing(state: State) -> None:
    a_run(state, "1")
    app, lib = path_of("app.drv"), path_of("lib.drv")
    pen = Pen(state, "1")
    pen.builds("a", [Row(each, How.BUILT, {"out": made("app")}) for each in (app, lib)])

    def proven() -> dict[tuple[str, str], bool]:
        with reading(state) as ledger:
            return {(e.builder.name, e.derivation): e.builder.proven for e in ledger.entries([app, lib])}

    assert proven() == {("a", app): False, ("a", lib): False, ("b", app): True, ("b", lib): True}
    pen.looked("a", [lib])
    assert proven() == {("a", app): False, ("a", lib): True, ("b", app): True, ("b", lib): True}


def test_a_ledger_of_the_first_version_counts_what_runs_looked_at(state: State) -> None:
    """A run that ended had looked; one that was killed may not have."""
    a_run(state, "1")
    a_run(state, "2")
    with closing(sqlite3.connect(state.ledger)) as database, database:
        database.execute("alter table builds drop column looked")
        database.execute("update runs set ended = null where name = '2'")
        database.execute("pragma user_version = 1")
    with reading(state) as ledger:
        entries = list(ledger.entries([path_of("app.drv")]))
    assert {each.run: each.builder.proven for each in entries} == {"1": True, "2": False}


def test_a_later_word_on_a_build_replaces_the_earlier_one(state: State) -> None:
    a_run(state, "1")
    Pen(state, "1").builds("a", [Row(path_of("app.drv"), How.FAILED, {}, reason="it has no space")])
    with reading(state) as ledger:
        mine = [e for e in ledger.entries([path_of("app.drv")]) if e.builder.name == "a"]
    assert [(each.how, each.reason, dict(each.outputs)) for each in mine] == [
        (How.FAILED, "it has no space", {})
    ]


def test_there_is_none_yet(state: State) -> None:
    with pytest.raises(TallyError, match="there is no ledger yet"), reading(state):
        pass
    assert not state.ledger.exists()


def test_one_of_a_newer_version_is_left_as_it_is(state: State) -> None:
    a_run(state, "1")
    with sqlite3.connect(state.ledger) as database:
        database.execute(f"pragma user_version = {VERSION + 1}")
    for write in (False, True):
        with pytest.raises(TallyError, match="is of version") as refused, opened(state.ledger, write=write):
            pass
        assert "newer tally" in str(refused.value.hint)


def test_another_programs_database_is_not_written_to(state: State) -> None:
    with sqlite3.connect(state.ledger) as database:
        database.execute("create table theirs (x)")
    before = state.ledger.read_bytes()
    with pytest.raises(TallyError, match="is no ledger of ours"):
        Pen(state, "1").begin(None, "same-host")
    assert state.ledger.read_bytes() == before


def test_one_that_another_process_locks_is_told(state: State) -> None:
    a_run(state, "1")
    taken, free = Event(), Event()

    def hold() -> None:
        with opened(state.ledger, write=True) as database, transaction(database):
            taken.set()
            free.wait(30)

    holder = Thread(target=hold)
    holder.start()
    try:
        assert taken.wait(30)
        with reading(state) as ledger:  # who reads does not wait
            assert ledger.targets() == ("app",)
        with (
            pytest.raises(TallyError, match="another process has the ledger") as refused,
            opened(state.ledger, write=True, wait=0.05) as database,
            transaction(database),
        ):
            pass
        assert "fuser" in str(refused.value.hint)
    finally:
        free.set()
        holder.join()


@pytest.mark.parametrize("harm", ["text", "cut", "page", "table"])
def test_a_damaged_one_is_told_and_can_be_moved_aside(state: State, harm: str) -> None:
    a_run(state, "1")
    with opened(state.ledger, write=True) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    data = bytearray(state.ledger.read_bytes())
    match harm:
        case "text":
            state.ledger.write_bytes(b"no database at all\n" * 100)
        case "cut":
            state.ledger.write_bytes(data[: len(data) // 2])
        case "page":
            data[4096:] = b"\xff" * (len(data) - 4096)
            state.ledger.write_bytes(data)
        case "table":
            with sqlite3.connect(state.ledger) as database:
                database.execute("drop table results")
    harmed = state.ledger.read_bytes()
    with pytest.raises(Damaged) as told, opened(state.ledger, check=True) as database:
        Ledger(database, state.ledger).targets()
    assert "tally ledger repair" in str(told.value.hint)
    aside = set_aside(state.ledger)
    assert aside.read_bytes() == harmed
    assert not state.ledger.exists()
    a_run(state, "2")
    with reading(state) as ledger:
        assert ledger.targets() == ("app",)


@pytest.mark.parametrize(
    "change",
    [
        "update results set verdict = 'maybe'",
        "update results set time = 'yesterday'",
        "update results set kept = x'00'",
        "update results set built = 'many'",
        "update verdicts set verdict = ''",
        "update outputs set refs = 'none'",
        "update outputs set refs = '1'",
        "update outputs set nar_sha256 = 'zz'",
        "update builds set started = 'x'",
        "update builders set surroundings = 'x'",
        "update builders set surroundings = '1'",
        "update runs set started = 'x'",
    ],
)
def test_a_value_that_nobody_wrote_is_damage(state: State, change: str) -> None:
    a_run(state, "1")
    with reading(state) as ledger:
        ledger.check()
    with sqlite3.connect(state.ledger) as database:
        database.execute(change)
    with pytest.raises(Damaged, match="none of ours"), reading(state) as ledger:
        ledger.check()


@pytest.mark.parametrize("seen", ["'x'", "'1'", "9e999"])
def test_machines_that_nobody_wrote_are_damage(state: State, seen: str) -> None:
    a_run(state, "1")
    with reading(state) as ledger:
        ledger.machines()
    with sqlite3.connect(state.ledger) as database:
        database.execute(f"update builders set surroundings = {seen}")
    with pytest.raises(Damaged, match="none of ours"), reading(state) as ledger:
        ledger.machines()


def test_what_was_written_before_a_kill_is_there(state: State) -> None:
    pen = Pen(state, "1")
    pen.begin(None, "same-host")
    pen.graph(GRAPH)
    pen.builder(Identity("a", "local"), None, None)
    with suppress(RuntimeError), opened(state.ledger, write=True) as database, transaction(database):
        database.execute("delete from runs")
        raise RuntimeError  # as a process that ends in the midst of it
    pen.builds("a", [Row(path_of("lib.drv"), How.BUILT, {"out": made("lib")}, NOON, NOON)])
    with reading(state) as ledger:
        (entry,) = ledger.entries_of("1")
        assert ledger.built([path_of("lib.drv"), path_of("app.drv")]) == {path_of("lib.drv"): NOON}
    assert (entry.how, entry.builder.proven) == (How.BUILT, False)


def test_the_last_times_of_what_has_that_name(tmp_path: Path) -> None:
    state = State(tmp_path)
    reports.write_run(state, 1, [reports.simple("hello")])
    reports.write_run(state, 2, [reports.simple("hello"), reports.simple("broken", Verdict.FAILED)])
    with read(state) as ledger:
        assert ledger.times(["hello-1.0", "broken-1.0", "unknown-1"]) == {
            ("a", "hello-1.0"): 3.0,
            ("b", "hello-1.0"): 3.0,
        }
        assert ledger.times([]) == {}


@pytest.mark.parametrize("held", [False, True])
def test_a_file_that_is_removed_while_a_run_goes_on(state: State, held: bool) -> None:
    """It is told, and costs no more than what the ledger had of the run."""
    pen = Pen(state, "1")
    pen.begin(2, "same-host")
    pen.graph(GRAPH)
    pen.builder(Identity("a", "store"), None, None)
    with pen.kept_open() if held else nullcontext():
        for end in ("", "-wal", "-shm"):
            state.ledger.with_name(state.ledger.name + end).unlink(missing_ok=True)
        with pytest.raises(TallyError, match="another one than when this run began"):
            pen.builds("a", [Row(path_of("app.drv"), How.BUILT, {"out": made("app")})])
