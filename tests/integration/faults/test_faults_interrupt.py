"""Ctrl-C at every stage: 130, said in one line, children ended, and a rerun goes on."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from faulty import Place, Project, ended
from warm import Running

LONG = """
for number in $(seq 3000); do echo "step $number"; sleep 0.1; done
mkdir -p $out; echo done > $out/file
"""
CAUGHT = 1 << (signal.SIGTERM - 1)


def up(running: Running) -> Running:
    """The process, once it minds signals: before that it dies as any program does."""
    while running.poll() is None:
        status = Path(f"/proc/{running.pid}/status").read_text()
        if int(status.split("SigCgt:")[1].split()[0], 16) & CAUGHT:
            return running
        time.sleep(0.01)
    raise AssertionError("it ended before it was interrupted")


WORDS = ("build", "recipes/killed.toml", "--no-sign")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.6, 1.5, 3.0])
def test_ctrl_c(place: Place, project: Project, delay: float, number: signal.Signals) -> None:
    project.recipe("killed", script=LONG, seed=int(delay * 10))
    running = up(place.start(*WORDS))
    time.sleep(delay)
    running.send_signal(number)
    done = ended(running, 60)  # what it builds would take longer
    assert done.code == 130, done.err
    assert "interrupted" in done.err.splitlines()[-1]
    assert done.out == ""
    place.wait_until_quiet()
    assert project.releases == project.drafts == []
    assert place.mounts() == []


def test_ctrl_c_twice_is_no_traceback_either(place: Place, project: Project) -> None:
    project.recipe("killed", script=LONG, seed=1000)
    running = up(place.start(*WORDS))
    time.sleep(2.5)
    for _ in range(3):
        running.send_signal(signal.SIGINT)
        time.sleep(0.05)
    done = ended(running, 60)
    assert done.code == 130, done.err
    place.wait_until_quiet()


def test_a_build_after_ctrl_c_goes_on(place: Place, project: Project) -> None:
    project.recipe("killed", seed=2000)
    running = up(place.start(*WORDS))
    time.sleep(2.0)
    running.send_signal(signal.SIGINT)
    ended(running, 60)
    done = place.tally("build", "recipes/killed.toml", "--key", "release.key")
    assert done.code == 0, done.err
    assert project.releases == ["killed-1-x86_64-linux"]


@pytest.mark.parametrize("words", [("plan", "recipes/killed.toml"), ("doctor",), ("lock",)])
def test_other_commands(place: Place, words: tuple[str, ...]) -> None:
    for delay in (0.0, 0.1, 0.25):
        running = up(place.start(*words))
        time.sleep(delay)
        running.send_signal(signal.SIGINT)
        done = ended(running, 60)
        came_to_its_end = (0, 2) if words == ("doctor",) else (0,)  # it may lack something, as room on a disk
        assert done.code in (130, *came_to_its_end), done.out + done.err
    place.wait_until_quiet()
