"""What `tally clean` finds in a state folder, and what it must not."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
import reports

from orchestrator.cli.clean import _bytes, _kinds
from orchestrator.cli.clean import clean as command
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.reading import read
from orchestrator.signing.gate import DISAGREEMENT
from orchestrator.stories import cleaning
from orchestrator.stories.cleaning import KINDS, Cleaning, Kind, _needed, found, remove

NOW = datetime(2026, 11, 30, tzinfo=UTC)
MONTH = timedelta(days=30)


def put(state: State, *names: str, days: int, size: int = 10) -> Path:
    """A file of so many bytes that was last written so many days ago, and so were its folders."""
    file = state.root.joinpath(*names)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    time = (NOW - timedelta(days=days)).timestamp()
    for path in (file, *list(file.parents)[: len(names) - 1]):
        os.utime(path, (time, time))
    return file


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def clean(state: State, *kinds: Kind, quota: int | None = None, older_than: timedelta = MONTH) -> Cleaning:
    return found(state, older_than=older_than, quota=quota, kinds=kinds or KINDS, now=NOW)


def names(cleaning: Cleaning) -> list[str]:
    return [each.name for each in cleaning.pieces]


def test_an_empty_state_has_nothing_to_clean(state: State) -> None:
    assert clean(state) == Cleaning((), ())


def test_what_is_old_can_go_and_nothing_goes_by_being_looked_at(state: State) -> None:
    put(state, "logs", "old", "a", "x.log", days=40)
    young = put(state, "logs", "young", "a", "x.log", days=2)
    put(state, "sources", "0" * 64, "hello.tar.gz", days=31, size=1000)
    one = clean(state)
    assert names(one) == ["logs/old", f"sources/{'0' * 64}"]
    assert one.size == 1010
    assert (state.root / "logs" / "old").is_dir()
    said: list[str] = []
    assert remove(state, one, said.append) == one.pieces
    assert not (state.root / "logs" / "old").exists()
    assert young.is_file()
    assert said == []


def test_a_quota_takes_the_oldest_first_and_no_more_than_it_must(state: State) -> None:
    for number in range(5):
        put(state, "sources", f"{number}", "file", days=5 - number, size=100)
    assert names(clean(state, quota=250)) == ["sources/0", "sources/1", "sources/2"]
    assert names(clean(state, quota=500)) == []
    assert len(names(clean(state, quota=0))) == 5


def test_a_run_that_goes_on_keeps_what_it_may_use(state: State) -> None:
    put(state, "logs", "going-on", "a", "x.log", days=40)
    put(state, "logs", "ended", "a", "x.log", days=40)
    put(state, "sources", "0", "file", days=40)
    with state.scratch("going-on"):
        one = clean(state)
    assert names(one) == ["logs/ended"]
    assert [each.partition(":")[0] for each in one.stays] == ["all downloads stay", "all outputs stay"]
    assert set(names(clean(state))) == {"logs/ended", "logs/going-on", "sources/0"}


def test_a_run_that_began_after_the_list_was_made_loses_nothing(state: State) -> None:
    """What is removed is looked for again, while nobody else begins."""
    put(state, "sources", "0", "file", days=40)
    put(state, "logs", "ended", "a", "x.log", days=40)
    assert len(names(clean(state))) == 2
    with state.scratch("begun-since"):
        there, gone = cleaning.clean(state, pytest.fail, older_than=MONTH)
    assert [each.name for each in gone] == names(there) == ["logs/ended"]
    assert (state.root / "sources" / "0" / "file").is_file()
    _, gone = cleaning.clean(state, pytest.fail, older_than=MONTH)
    assert [each.name for each in gone] == ["sources/0"]


def test_a_run_that_is_begun_meanwhile_waits(state: State) -> None:
    waits, begun, go_on = Event(), Event(), Event()

    def run() -> None:
        with state.scratch("new", waits.set):
            begun.set()
            go_on.wait(60)

    with ThreadPoolExecutor(1) as threads:
        with state.cleaned() as alone:
            assert alone
            running = threads.submit(run)
            assert waits.wait(60)
            assert not begun.is_set()
            assert state.running() == ()
        assert begun.wait(60)
        with state.cleaned() as alone:
            assert not alone
        go_on.set()
        running.result()
    with state.cleaned() as alone:
        assert alone


def test_two_at_once_and_runs_between_lose_nothing_that_is_needed(state: State) -> None:
    for number in range(40):
        put(state, "sources", str(number), "file", days=40)
        put(state, "logs", str(number), "a", "x.log", days=40)
    said: list[str] = []

    def build(number: int) -> None:
        with state.scratch(f"run-{number}"):
            there = sorted((state.root / "sources").iterdir())
            time.sleep(0.002)
            assert all((each / "file").is_file() for each in there), "what it saw is there until it ends"

    def remove_all(_: int) -> None:
        cleaning.clean(state, said.append, older_than=MONTH)

    with ThreadPoolExecutor(6) as threads:
        each = [threads.submit(build if n % 3 else remove_all, n) for n in range(60)]
        for one in each:
            one.result()
    remove_all(0)
    assert said == []
    assert not list((state.root / "sources").iterdir())
    assert not list((state.root / "logs").iterdir())


def test_a_disagreement_stays_until_its_evidence_is_signed(state: State) -> None:
    put(state, "disagreements", "hello-1", "a", "hello", days=100)
    put(state, "disagreements", "hello-2", "a", "hello", days=100)
    put(state, "disagreements", "hello-2", DISAGREEMENT, days=100)
    put(state, "disagreements", ".hello-3.tmp", "a", "hello", days=100)
    one = clean(state)
    assert names(one) == ["disagreements/hello-2"]
    assert len(one.stays) == 1
    assert "hello-1" in one.stays[0]
    remove(state, one, lambda _: None)
    left = [path for path in state.disagreements.rglob("*") if path.is_file()]
    assert {str(path.relative_to(state.disagreements)) for path in left} == {
        "hello-1/a/hello",
        f"hello-2/{DISAGREEMENT}",
        ".hello-3.tmp/a/hello",
    }, "the results go, and what is signed of them stays"
    assert names(clean(state)) == []


def test_a_disagreement_without_evidence_goes_only_by_its_whole_name(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TALLY_STATE", str(state.root))
    for name in ("hello-1", "hello-2", "signed-1"):
        put(state, "disagreements", name, "a", "hello", days=1)
        put(state, "disagreements", name, "kept.json", days=1)
    put(state, "disagreements", "signed-1", DISAGREEMENT, days=1)
    put(state, "logs", "old", "a", "x.log", days=100)
    (stays, _) = clean(state, older_than=timedelta(0)).stays
    assert "`tally clean --disagreement hello-1`" in stays
    command(disagreement=["hello-1"])
    out, err = capsys.readouterr()
    assert out == "disagreements: 1, 20 B\n        20 B  2026-11-29  disagreements/hello-1\n20 B can go\n"
    assert err == "nothing was removed: give --yes for that; nobody else may have these results\n"
    assert (state.disagreements / "hello-1").is_dir()
    with state.scratch("going-on"):
        command(disagreement=["hello-1"], yes=True)
        assert "hello-1 stays: the run going-on goes on and may use it" in capsys.readouterr().err
    for name in ("hello", "hello-*", ".", "../logs/old", "", "logs/hello-1", "hello-1/a"):
        with pytest.raises(TallyError, match="no disagreement is kept in a folder"):
            command(disagreement=[name], yes=True)
    with pytest.raises(TallyError) as error:
        command(disagreement=["hallo-1"], yes=True)
    assert str(error.value.hint).startswith("did you mean 'hello-1'? ")
    with pytest.raises(TallyError, match="--disagreement names what is to go"):
        command(disagreement=["hello-1"], older_than=0, yes=True)
    command(disagreement=["hello-1", str(state.disagreements / "signed-1")], yes=True)
    left = {str(path.relative_to(state.root)) for path in state.root.rglob("*") if path.is_file()}
    assert {each for each in left if each.startswith(("disagreements", "logs"))} == {
        "disagreements/hello-2/a/hello",
        "disagreements/hello-2/kept.json",
        f"disagreements/signed-1/{DISAGREEMENT}",
        "disagreements/signed-1/kept.json",
        "logs/old/a/x.log",
    }
    assert not (state.disagreements / "hello-1").exists()


def test_of_a_signed_disagreement_the_results_alone_are_counted_and_go_once(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TALLY_STATE", str(state.root))
    put(state, "disagreements", "signed-1", "a", "hello", days=100)
    put(state, "disagreements", "signed-1", "kept.json", days=100, size=500)
    put(state, "disagreements", "signed-1", DISAGREEMENT, days=100, size=7000)
    (listed,) = clean(state, "disagreements").pieces
    assert (listed.size, cleaning.named(state, ["signed-1"]).pieces) == (10, (listed,))
    command(disagreement=["signed-1"], yes=True)
    assert capsys.readouterr().out.endswith("10 B removed\n")
    command(disagreement=["signed-1"], yes=True)
    assert capsys.readouterr().out == "disagreements: 0, 0 B\n0 B removed\n"
    left = {path.name for path in (state.disagreements / "signed-1").iterdir()}
    assert left == {"kept.json", DISAGREEMENT}


def test_a_link_is_not_followed(state: State, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").write_text("x")
    (state.root / "logs").mkdir()
    (state.root / "logs" / "link").symlink_to(outside)
    assert names(clean(state, older_than=timedelta(0))) == []


@pytest.mark.parametrize(
    ("said", "size"), [("0", 0), ("10", 10), ("2k", 2048), ("20G", 20 << 30), ("1TiB", 1 << 40)]
)
def test_sizes(said: str, size: int) -> None:
    assert _bytes(said) == size


@pytest.mark.parametrize("said", ["", "G", "-1", "1.5G", "10 GB", "10X"])
def test_what_is_no_size(said: str) -> None:
    with pytest.raises(TallyError, match="is no size"):
        _bytes(said)


def test_kinds() -> None:
    assert list(_kinds([])) == list(KINDS)
    with pytest.raises(TallyError, match="no kind 'stores'") as refused:
        _kinds(["stores"])
    assert "logs" in str(refused.value.hint)


def test_what_an_earlier_disagreement_was_made_with_stays(state: State) -> None:
    one = reports.chain("pigz")
    reports.write_run(state, 0, [one])
    with read(state) as ledger:
        first = set(_needed(ledger))
    assert {each.outputs["out"] for each in one.graph if each.fixed is None} <= first
    reports.write_run(state, 1, [reports.simple("pigz")])
    with read(state) as ledger:
        assert set(_needed(ledger)) == first
