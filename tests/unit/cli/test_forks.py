"""Many releases at once: in order, each once, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli import forks
from orchestrator.ground.errors import TallyError
from orchestrator.policy.verdict import Code, Failed, Reason, Verdict

HERE = os.getpid()
TARGETS = [Path(str(number)) for number in range(300)]


def said(verdict: Verdict | TallyError) -> str:
    assert isinstance(verdict, Failed)
    return verdict.reasons[0].sentence


def judge(target: Path) -> Verdict | TallyError:
    return Failed((Reason(Code.MALFORMED, f"{target} {os.getpid() == HERE}"),))


def children() -> set[str]:
    """The processes that this one started and that are there still, those that ended unheard among them."""
    return {
        pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    }


@pytest.fixture(autouse=True)
def no_child_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    before = children()
    yield
    assert children() == before


def test_in_order_and_by_workers() -> None:
    assert [said(each) for each in forks.judged(TARGETS, judge)] == [f"{each} False" for each in TARGETS]


def test_one_cpu_needs_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    assert [said(each) for each in forks.judged(TARGETS, judge)] == [f"{each} True" for each in TARGETS]


def test_an_error_comes_back_with_its_hint() -> None:
    (found,) = forks.judged([Path("x")], lambda target: TallyError(f"no {target}", hint="the way out"))
    assert isinstance(found, TallyError)
    assert (found.message, found.hint) == ("no x", "the way out")


@pytest.mark.parametrize("fatal", [0, 1, 7, 299])
def test_what_a_killed_worker_leaves_is_judged_here(fatal: int) -> None:
    def dying(target: Path) -> Verdict | TallyError:
        if target == TARGETS[fatal] and os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return judge(target)

    found = [said(each) for each in forks.judged(TARGETS, dying)]
    assert [each.split()[0] for each in found] == [str(each) for each in TARGETS]
    assert [each for each in found if "True" in each] == [f"{each} True" for each in TARGETS[fatal::3]]


def test_a_machine_without_room_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", none)
    assert [said(each) for each in forks.judged(TARGETS, judge)] == [f"{each} True" for each in TARGETS]


def test_what_a_judge_raises_is_raised_in_its_turn() -> None:
    def raising(target: Path) -> Verdict | TallyError:
        if target == TARGETS[4]:
            raise RuntimeError("a mistake of ours")
        return judge(target)

    found = forks.judged(TARGETS, raising)
    assert [said(next(found)).split()[0] for _ in range(4)] == ["0", "1", "2", "3"]
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        next(found)


def test_a_reader_that_leaves_leaves_no_worker() -> None:
    found = forks.judged(TARGETS, judge)
    next(found)
    found.close()  # type: ignore[attr-defined]
