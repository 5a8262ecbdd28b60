"""Programs that we start: an interruption while one is forked waits, since locks are held there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestrator.nix import child

WHILE_FORKING = """
import os, signal, sys, threading, time
from orchestrator.ground.interruption import INTERRUPTION
from orchestrator.nix import child

lock = threading.Lock()  # as that of logging, which its hooks hold around every fork

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)

def before():
    lock.acquire()
    if sys.argv[1] == "before":
        interrupt()

def after():
    if sys.argv[1] == "after":
        interrupt()
    lock.release()

os.register_at_fork(before=before, after_in_parent=after)
signal.signal(signal.SIGINT, INTERRUPTION.hear)
INTERRUPTION.wanted = True
try:
    child.started(["true"])
except KeyboardInterrupt:
    print("interrupted", lock.locked())
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interruption_while_it_is_forked_waits(when: str) -> None:
    command = [sys.executable, "-c", WHILE_FORKING, when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("interrupted False\n", "")


def test_what_it_says_is_given() -> None:
    done = child.finished(["cat"], b"a text", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"a text")


def test_one_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        child.finished(["sleep", "60"], timeout=0.1)


def test_one_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="not-there"):
        child.finished(["not-there"])


def test_it_ends_with_whoever_started_it() -> None:
    script = "from orchestrator.nix import child; import subprocess\n"
    script += "print(child.started(['sleep', '60'], stdout=subprocess.DEVNULL).pid)"
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    waited = subprocess.run(
        ["timeout", "10", "tail", "--sleep-interval=0.05", f"--pid={int(done.stdout)}", "-f", "/dev/null"],
        check=False,
    )
    assert waited.returncode == 0, "it is still there"
