"""Targets by whatever a user calls them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reports import Built, simple, write_run

from orchestrator.cli.explain import explain
from orchestrator.cli.history import history
from orchestrator.evidence.kept import KEPT
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.course import courses
from orchestrator.ledger.file import opened
from orchestrator.ledger.named import of_name, result_of, words_of
from orchestrator.ledger.reading import read
from orchestrator.run.disagreements import chosen
from orchestrator.stories.logs import logs_of
from orchestrator.stories.showing import last_release


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("TALLY_STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return State(tmp_path)


@pytest.mark.parametrize(
    ("said", "also"),
    [
        ("recipes/hello.toml", "hello"),
        ("hello.toml", "hello"),
        (".#hello", "#hello"),
        ("../there#", "#default"),
        ("#hello", None),
        ("hello", None),
        ("/nix/store/x.drv", None),
    ],
)
def test_what_a_target_is_called(said: str, also: str | None) -> None:
    assert words_of(said) == {said, *([also] if also else [])}


def test_every_command_takes_the_same_names(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    release = state.root / "release"
    release.mkdir()
    other = replace(simple("other"), culprit=simple("other").package)
    write_run(
        state,
        1,
        [
            Built("hello", simple("hello").graph, release=release),
            replace(other, target="#other", release=release, files=({"x": b"1"}, {"x": b"2"})),
        ],
    )
    for kept in ("hello", "other"):
        for folder in state.disagreements.glob(f"{kept}-*") or ():
            (folder / KEPT).touch()
    folder = state.disagreements / "hello-20261130T050000Z"
    folder.mkdir(parents=True)
    (folder / KEPT).touch()
    for name in ("recipes/hello.toml", "hello", simple("hello").package.path):
        with read(state) as ledger:
            (course,) = of_name(courses(ledger.results()), name)
            assert course.target == result_of(ledger, name).target == "hello"
        history(name)
        assert capsys.readouterr().out.startswith("hello: agreed")
        assert logs_of(state, name).package == simple("hello").package.path
        assert last_release(state, name) == release
        if not name.endswith(".drv"):
            assert chosen(state, name) == folder
    history(".#other")
    assert capsys.readouterr().out.startswith("#other: agreed")
    assert chosen(state, ".#other").name.startswith("other-"), "by what the ledger says of the target"


@pytest.mark.parametrize("said", ["hallo", "recipes/hallo.toml"])
def test_a_slip_is_told_the_nearest_name(state: State, said: str) -> None:
    write_run(state, 1, [simple("hello")])
    (state.disagreements / "hello-20261130T050000Z").mkdir(parents=True)
    (state.disagreements / "hello-20261130T050000Z" / KEPT).touch()
    for asked in (history, lambda name: logs_of(state, name), lambda name: chosen(state, name)):
        with pytest.raises(TallyError) as error:
            asked(said)
        assert "did you mean 'hello'? " in str(error.value.hint)
        assert "`tally history" in str(error.value.hint)
    assert last_release(state, said) is None


def test_what_was_built_and_not_released_is_told(state: State) -> None:
    write_run(state, 1, [simple("hello")])
    with pytest.raises(TallyError, match="there is no release of hello: its last run here came to 'agreed'"):
        last_release(state, "hello")


def test_where_nothing_was_built_that_is_said(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    assert last_release(state, "hello") is None
    with opened(state.ledger, write=True):
        pass
    history(None)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "nothing was built here yet: `tally build` builds a target\n")
    history(None, json=True)
    assert capsys.readouterr().out == '{\n  "targets": []\n}\n'
    with pytest.raises(TallyError, match="nothing was built here yet"):
        history("hello")


def test_a_target_is_no_code(state: State) -> None:
    with pytest.raises(TallyError) as error:
        explain(["recipes/hello.toml"])
    assert "`tally history`" in str(error.value.hint)
