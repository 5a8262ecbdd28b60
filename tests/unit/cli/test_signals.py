"""An interruption is heard whichever thread the kernel hands it to, while the main one waits for a lock."""

from __future__ import annotations

import signal
import subprocess
import sys

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
begun = time.monotonic()
try:
    threading.Event().wait(15)
except KeyboardInterrupt:
    print("heard" if time.monotonic() - begun < 10 else "late", flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_another_thread_ends_the_main_ones_waiting(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SCRIPT, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("heard\n", 0), done.stderr
