"""Logs of the last run, of one that goes on, of one that was killed, and logs that are gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from reports import HOSTILE, Built, derivation, simple, write_run

from orchestrator.cli.logs import logs
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.entries import Verdict
from orchestrator.stories import logs as story
from orchestrator.stories.logs import Log, lines, logs_of

EARLY, LATE = "20261102T120000-1", "20261103T120000-2"
NOW = "20361201T000000.000001-77"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("TALLY_STATE", str(tmp_path))
    return State(tmp_path)


@contextmanager
def going_on(state: State, run: str = NOW, target: str = "slow") -> Iterator[Path]:
    """A run that goes on: its journal, and the folder of its logs."""
    folder = state.folder("logs", run)
    planned = {"event": "planned", "targets": [target], "derivations": ["/nix/store/x-slow.drv"]}
    with state.scratch(run):
        (folder / "journal.jsonl").write_text(json.dumps(planned) + "\n")
        yield folder
        with (folder / "journal.jsonl").open("a") as stream:
            stream.write('{"event": "ended", "error": null}\n')


def test_where_nothing_was_built_there_is_no_log(state: State) -> None:
    for target in (None, "hello"):
        with pytest.raises(TallyError, match=r"nothing .*was built here") as error:
            logs_of(state, target)
        assert error.value.hint is not None
        assert "tally build" in error.value.hint
    assert not state.ledger.exists()


def test_the_last_run_of_a_target_is_shown(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(state, 1, [Built("hello", simple("hello").graph, log="early\n")])
    write_run(state, 2, [Built("hello", simple("hello").graph, log="late\n"), simple("other")])
    logs("hello")
    out, err = capsys.readouterr()
    assert out == "late\n"
    assert err.startswith(f"hello-1.0 by builder a in the run {LATE}, built: ")
    assert "its log by b: --builder" in err
    logs("hello", run=EARLY)
    assert capsys.readouterr().out == "early\n"
    assert {each.name for each in logs_of(state, "hello").logs} == {"hello-1.0"}
    assert logs_of(state, "recipes/hello.toml") == logs_of(state, "hello")
    assert logs_of(state, simple("hello").package.path).run == LATE
    with pytest.raises(TallyError, match="nothing that was built here is called 'hallo'"):
        logs_of(state, "hallo")


def test_what_failed_comes_first(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    failed = Built("hello", simple("hello").graph, Verdict.FAILED, log="cc: error\nmake: stop\n")
    write_run(state, 1, [simple("aaa"), failed])
    logs()
    out, err = capsys.readouterr()
    assert out == "cc: error\nmake: stop\n"
    assert ", failed: " in err
    logs("hello", builder="b", lines=1)
    assert capsys.readouterr().out == "make: stop\n"


def test_a_derivation_is_chosen_by_its_name_or_path(state: State) -> None:
    one = simple("hello")
    write_run(state, 1, [one])
    found = logs_of(state, "hello")
    for said in ("hello-1.0", "hello-1.0.drv", one.package.path):
        assert [each.builder for each in found.of(None, said).logs] == ["a", "b"]
    assert [each.builder for each in found.of("b", "hello-1.0").logs] == ["b"]
    with pytest.raises(TallyError, match="has no log of 'hello-1'") as error:
        found.of(None, "hello-1")
    assert error.value.hint == "did you mean 'hello-1.0'? it has hello-1.0"
    with pytest.raises(TallyError, match="builder 'c' has no log") as error:
        found.of("c", None)
    assert error.value.hint == "those that have are a, b"


def test_what_a_store_held_has_the_log_of_the_run_that_built_it(state: State) -> None:
    graph = simple("hello").graph
    write_run(state, 1, [Built("hello", graph, log="built then\n")])
    write_run(state, 2, [Built("hello", graph, log="")])
    found = logs_of(state, "hello")
    assert found.run == LATE
    assert found.foremost is not None
    assert found.foremost.run == EARLY
    assert list(lines(found.foremost)) == [b"built then"]


def test_an_input_is_asked_for_by_its_derivation(state: State) -> None:
    write_run(state, 1, [simple("zlib")])
    library = simple("zlib").package
    write_run(
        state, 2, [Built("app", (derivation("source", fixed=True), library, derivation("app-1", library)))]
    )
    assert logs_of(state, "app").of(None, "app-1").run == LATE
    assert logs_of(state, library.path).run == EARLY


def test_a_log_that_is_gone_says_why(state: State) -> None:
    write_run(state, 1, [simple("hello")])
    for each in logs_of(state, "hello").logs:
        each.path.unlink()
    with pytest.raises(TallyError, match="cannot be read: No such file") as error:
        logs("hello")
    assert error.value.hint is not None
    assert "tally clean" in error.value.hint
    assert {each.size for each in logs_of(state, "hello").logs} == {None}
    logs("hello", list_them=True)


def test_what_steers_a_terminal_is_shown_and_not_done(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(state, 1, [Built("hello", simple("hello").graph, log=f"10%\r20%\n{HOSTILE}\n\udcff\n")])
    logs("hello")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert out.startswith("20%\n")


def test_the_list_has_outcome_and_size(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(state, 1, [simple("hello")])
    logs("hello", list_them=True)
    out = capsys.readouterr().out.splitlines()
    assert out == [f"run {EARLY}", *(f"  {each}        built           14 B  hello-1.0" for each in "ab")]
    logs("hello", json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["run"], document["goesOn"]) == (EARLY, False)
    assert [each["builder"] for each in document["logs"]] == ["a", "b"]
    assert document["logs"][0]["outcome"] == "built"


def test_a_run_without_a_result_is_found_by_its_journal(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was killed: nobody wrote down what became of it."""
    write_run(state, 1, [simple("slow")])
    with going_on(state) as folder:
        (folder / "a").mkdir()
        (folder / "a" / "slow-1.log").write_text("half\n")
        (folder / "journal.jsonl").open("a").write('{"event": "torn')
        assert logs_of(state, "slow").goes_on
    found = logs_of(state, "slow")
    assert (found.run, found.goes_on) == (NOW, False)
    logs("slow")
    assert capsys.readouterr().out == "half\n"
    assert logs_of(state, None).run == NOW
    assert logs_of(state, "slow", EARLY).run == EARLY


def test_a_run_that_goes_on_is_followed_to_its_end(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "_POLL", 0.01)
    write_run(state, 1, [simple("hello")])
    begun, seen = threading.Event(), threading.Event()

    def build() -> None:
        with going_on(state) as folder:
            (folder / "a").mkdir()
            with (folder / "a" / "slow-1.log").open("w", 1) as stream:
                stream.write("one\ntw")
                begun.set()
                seen.wait(20)
                stream.write("o\n")
                (folder / "b").mkdir()
                (folder / "b" / "slow-1.log").write_text("begun late\nunended")

    thread = threading.Thread(target=build)
    thread.start()
    begun.wait(20)
    whole = logs_of(state, "slow")
    assert whole.goes_on
    told: list[tuple[str, bytes]] = []
    for log, line in story.follow(state, whole, None, None):
        told.append((log.builder, line))
        seen.set()
    thread.join()
    assert told[0] == ("a", b"one")
    assert set(told[1:]) == {("a", b"two"), ("b", b"begun late"), ("b", b"unended")}
    assert story.outcome_of(state, NOW) == "it ended"


def test_nothing_can_be_followed_where_no_run_goes_on(state: State) -> None:
    write_run(state, 1, [simple("hello")])
    with pytest.raises(TallyError, match="no run goes on: the last one is"):
        logs("hello", follow=True)
    with pytest.raises(TallyError, match="--follow prints as it comes"):
        logs("hello", follow=True, json=True)


@pytest.mark.parametrize(
    "text", ["", "a", "a\n", "a\nb\nc", "a\nb\nc\n", "\n\n\n", "x" * 70000 + "\ny\n" * 3]
)
def test_the_last_lines_of_a_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    every = list(lines(Log("run", "a", "x", path)))
    for number in (1, 2, 3, 100):
        assert list(lines(Log("run", "a", "x", path), number)) == every[-number:]


def test_a_log_is_on_the_disk_while_it_is_written(tmp_path: Path) -> None:
    from orchestrator.builders.recording import Recording
    from orchestrator.nix.events import BuildStarted, LogLine

    drv = simple("hello").package.path
    recording = Recording(tmp_path, lambda _: None)
    recording.take(BuildStarted(drv, False))
    recording.take(LogLine(drv, "checking for gcc"))
    assert [each.read_text() for each in tmp_path.iterdir()] == ["checking for gcc\n"]
    recording.close()
