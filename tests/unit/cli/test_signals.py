"""An interruption is heard whichever thread the kernel hands it to, while the main one waits for a lock."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys, threading, time
from orchestrator.cli import signals

def handler(number, frame):
    raise KeyboardInterrupt

signals.hear(handler)
other = threading.Thread(target=time.sleep, args=(60,), daemon=True)
other.start()
number = int(sys.argv[1])
threading.Timer(0.3, lambda: signal.pthread_kill(other.ident, number)).start()
try:
    threading.Event().wait()
except KeyboardInterrupt:
    print("heard", flush=True)
    os._exit(0)
"""


IN_A_CALLBACK = """
import os, signal, sys, time, types
from orchestrator.cli import main

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)

def app(standalone_mode):
    Dying()
    time.sleep(600)

sys.modules["orchestrator.cli.app"] = types.SimpleNamespace(app=app)
main.run()
"""


def test_a_signal_where_nothing_can_be_raised_is_heard_a_little_later() -> None:
    """As within an import, whose locks go in a weak reference's callback; Python drops what that raises."""
    command = [sys.executable, "-c", IN_A_CALLBACK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130, done.stderr
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr


KEPT_FROM_US = """
import os, signal, sys, time, types
from orchestrator.cli import main

def app(standalone_mode):
    os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(0.3)
    print("done")

sys.modules["orchestrator.cli.app"] = types.SimpleNamespace(app=app)
main.run()
"""


@pytest.mark.parametrize(
    ("number", "kept", "code"),
    [
        (signal.SIGHUP, "HUP", 0),
        (signal.SIGINT, "INT", 0),
        (signal.SIGTERM, "TERM", 130),
        (signal.SIGINT, "HUP", 130),
        (signal.SIGHUP, "INT", 130),
        (signal.SIGHUP, "USR1", 130),
    ],
)
def test_what_is_kept_from_us_is_not_heard(number: signal.Signals, kept: str, code: int) -> None:
    """`nohup` ignores SIGHUP, and a shell SIGINT for what its scripts start with `&`."""
    shell = ["sh", "-c", f'trap "" {kept}; exec "$@"', "sh"]
    command = [*shell, sys.executable, "-c", KEPT_FROM_US, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, "" if code else "done\n"), done.stderr


BEFORE_AND_AFTER = """
import atexit, os, signal, sys, time, types
from orchestrator.cli import main, signals

def interrupt():
    os.kill(os.getpid(), int(sys.argv[2]))
    time.sleep(0.2)

class Late:
    def __del__(self, kill=os.kill, own=os.getpid(), number=int(sys.argv[2])):  # names are gone by then
        kill(own, number)

hear = signals.hear

def heard_at_once(handler):
    hear(handler)
    if sys.argv[1] == "before":
        interrupt()

def app(standalone_mode):
    print("done", flush=True)
    if sys.argv[1] == "within":
        interrupt()
    return 1

signals.hear = heard_at_once
sys.modules["orchestrator.cli.app"] = types.SimpleNamespace(app=app)
if sys.argv[1] == "at exit":
    atexit.register(time.sleep, 0.2)
    atexit.register(interrupt)  # runs after what main.run registers, and before the sleep
if sys.argv[1] == "last":
    late = Late()  # goes when the interpreter does
main.run()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("when", "code", "out"),
    [("before", 130, ""), ("within", 130, "done\n"), ("at exit", 1, "done\n"), ("last", 1, "done\n")],
)
def test_a_signal_before_a_command_stops_it_and_one_after_it_changes_nothing(
    when: str, code: int, out: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", BEFORE_AND_AFTER, when, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, out), done.stderr
    said = "tally: interrupted; what was finished stays, and a rerun finds it there\n"
    assert done.stderr == (said if code == 130 else ""), "it does not know what was signed by then"


def test_a_signal_at_a_prompt_begins_a_line_and_promises_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orchestrator.cli", "keys", "generate", "x", "--passphrase"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while not seen.endswith(b": "):
                seen += os.read(ours, 4096)
            process.send_signal(signal.SIGINT)
            while data := os.read(ours, 4096):
                seen += data
        except OSError:  # how a terminal ends on Linux
            process.wait(60)
        finally:
            process.kill()
            os.close(ours)
    said = "New passphrase for x: \r\ntally: interrupted before the question was answered\r\n"
    assert seen.decode().endswith(said), "a prompt that is interrupted while it is written may be there twice"
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_another_thread_ends_the_main_ones_waiting(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SCRIPT, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("heard\n", 0), done.stderr


STUCK = """
import ctypes, signal
from orchestrator.cli import signals

def handler(number, frame):
    raise KeyboardInterrupt

signals._PATIENCE = 1.0
signals.hear(handler)
print("begun", flush=True)
lock = (ctypes.c_byte * 64)()  # a mutex of C's, locked twice: foreign code that no signal makes return
libc = ctypes.CDLL(None)
libc.pthread_mutex_lock(lock)
libc.pthread_mutex_lock(lock)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_main_thread_that_never_looks_is_not_waited_for(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(0.3)
            os.kill(process.pid, number)
            time.sleep(0.2)
            os.kill(process.pid, number)  # a shaking hand's
            time.sleep(1)
            assert process.poll() is None
            os.kill(process.pid, number)
            assert process.wait(5) == 130
        finally:
            process.kill()
