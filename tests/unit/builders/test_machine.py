"""A virtual machine is started, waited for, and ended: with a stand-in for QEMU. Real ones prove the rest."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import wait_for

from orchestrator.builders import machine as machines
from orchestrator.builders.hardware import Hardware
from orchestrator.builders.machine import Machine
from orchestrator.ground.errors import TallyError

HARDWARE = Hardware(cpus=1, cpu_model="Nehalem", memory=1024, disk=4, kvm=False)
QEMU = """\
#!{python}
import re, socket, sys, time
words = " ".join(sys.argv)
with open("{folder}/started", "a") as stream:
    stream.write(words + "\\n")
console = re.search(r"path=(\\S+console\\.log)", words)[1]
port = int(re.search(r"hostfwd=tcp:127\\.0\\.0\\.1:(\\d+)", words)[1])
{body}
"""
SERVES = """\
open(console, "w").write("tallystick: started\\n")
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", port))
server.listen()
while True:
    connection, _ = server.accept()
    connection.sendall(b"SSH-2.0-stand-in\\r\\n")
    connection.close()
"""

Make = Callable[..., Machine]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A machine that is run by a stand-in for QEMU with that body."""
    monkeypatch.setattr(machines, "_SIGN_OF_LIFE", 1.5)
    monkeypatch.setattr(machines, "_CONNECTED", 0.1)
    made: list[Machine] = []

    def of(
        body: str,
        *,
        kvm: bool = False,
        emulate: bool = True,
        image: Callable[[], Path] = lambda: tmp_path,
    ) -> Machine:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "qemu-system-x86_64").write_text(
            QEMU.format(python=sys.executable, folder=tmp_path, body=body)
        )
        (folder / "qemu-system-x86_64").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        (tmp_path / "scratch").mkdir(exist_ok=True)
        hardware = replace(HARDWARE, kvm=kvm, emulate=emulate)
        made.append(Machine(tmp_path / "scratch", tmp_path / "logs", hardware, image))
        return made[-1]

    yield of
    for each in made:
        each.close()


def started(folder: Path) -> list[str]:
    return (folder / "started").read_text().splitlines()


def test_it_is_there_once_an_ssh_server_answers_and_gone_when_it_is_stopped(
    make: Make, tmp_path: Path
) -> None:
    machine = make(SERVES)
    said: list[str] = []
    machine.start(said.append)
    assert said == ["its machine is emulated, which is slow"]
    assert machine.destination.port is not None
    assert banner(machine.destination.port) == b"SSH-"
    assert (tmp_path / "scratch" / "disk").stat().st_size == 4 << 30
    machine.stop()
    with pytest.raises(OSError, match="refused"):
        banner(machine.destination.port)
    assert not (tmp_path / "scratch" / "disk").exists()


def test_nothing_leads_out_of_it_but_one_port_on_loopback(make: Make, tmp_path: Path) -> None:
    machine = make(SERVES)
    machine.start(lambda _: None)
    [words] = started(tmp_path)
    network = f"-netdev user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{machine.destination.port}-:22 "
    assert network in words
    assert words.count("-netdev") == words.count("hostfwd") == 1
    assert "-nodefaults" in words
    assert "-accel tcg" in words


def test_only_an_emulated_kernel_is_without_guards_against_guessing_ahead(make: Make, tmp_path: Path) -> None:
    for kvm in (False, True):
        make(SERVES, kvm=kvm).start(lambda _: None)
    assert ["mitigations=off" in words for words in started(tmp_path)] == [True, False]


def test_each_start_has_keys_and_a_name_of_its_own(make: Make, tmp_path: Path) -> None:
    machine = make(SERVES)
    seen = []
    for _ in range(2):
        machine.start(lambda _: None)
        with tarfile.open(tmp_path / "scratch" / "seed") as archive:
            names = ("etc/machine-id", "tallystick/host_key", "tallystick/authorized_keys")
            seen.append([archive.extractfile(name).read() for name in names])  # type: ignore[union-attr]
        public = (tmp_path / "scratch" / "host_key.pub").read_text().strip()
        assert public in (tmp_path / "scratch" / "known_hosts").read_text()
    assert all(one != other for one, other in zip(*seen, strict=True))
    for name in ("seed", "key", "host_key"):
        assert (tmp_path / "scratch" / name).stat().st_mode & 0o077 == 0, "nobody else reads a key"


def test_a_kernel_that_does_not_run_it_is_not_waited_for(make: Make, tmp_path: Path) -> None:
    machine = make(f'if "-accel kvm" in words: time.sleep(600)\n{SERVES}', kvm=True)
    said: list[str] = []
    machine.start(said.append)
    assert "does not run its machine" in said[0]
    assert ["-accel kvm" in words for words in started(tmp_path)] == [True, False]
    assert not machine.kvm
    machine.start(said.append)
    assert len(started(tmp_path)) == 3, "it is not tried again"


def test_a_kernel_that_was_asked_for_is_not_replaced(make: Make, tmp_path: Path) -> None:
    machine = make(f'if "-accel kvm" in words: sys.exit("no KVM")\n{SERVES}', kvm=True, emulate=False)
    with pytest.raises(TallyError, match="KVM does not run") as caught:
        machine.start(lambda _: None)
    assert "`kvm = true`" in (caught.value.hint or "")
    assert len(started(tmp_path)) == 1


def test_a_memory_that_is_too_large_is_named(make: Make) -> None:
    machine = make("sys.exit(\"cannot set up guest memory 'pc.ram': Cannot allocate memory\")")
    with pytest.raises(TallyError, match=r"pc\.ram") as caught:
        machine.start(lambda _: None)
    assert "`memory`" in (caught.value.hint or "")


def test_a_kernel_that_runs_it_says_nothing(make: Make, tmp_path: Path) -> None:
    machine = make(SERVES, kvm=True)
    said: list[str] = []
    machine.start(said.append)
    assert said == []
    assert machine.kvm


def test_one_that_ends_says_why_and_where_more_is_kept(make: Make, tmp_path: Path) -> None:
    machine = make('sys.exit("qemu: there is no such CPU")')
    with pytest.raises(TallyError, match="no such CPU") as caught:
        machine.start(lambda _: None)
    assert str(tmp_path / "logs" / "qemu.log") in (caught.value.hint or "")
    assert "ended with status 1" in caught.value.message


def test_one_that_never_answers_is_given_up(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machines, "_UP", 0.5)
    machine = make('open(console, "w").write("kernel panic")\ntime.sleep(600)')
    with pytest.raises(TallyError, match="does not answer") as caught:
        machine.start(lambda _: None)
    assert "kernel panic" in caught.value.message


def test_an_interruption_ends_the_waiting(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "_UP", 100_000.0)
    machine = make("time.sleep(600)")
    timer = threading.Timer(0.3, machine.interrupt)
    timer.start()
    with pytest.raises(TallyError, match="interrupted"):
        machine.start(lambda _: None)
    timer.join()


def test_without_qemu_or_an_image_nothing_is_begun(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_image() -> Path:
        raise TallyError("no image")

    with pytest.raises(TallyError, match="no image"):
        make(SERVES, image=no_image).check()
    machine = make(SERVES)
    machine.check()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(TallyError, match="needs QEMU") as caught:
        machine.check()
    assert "apt-get install" in (caught.value.hint or "")
    assert not (tmp_path / "started").exists()


def test_it_ends_with_us_however_we_end(tmp_path: Path, make: Make) -> None:
    make(SERVES)  # lays out the stand-in, and PATH
    script = f"""
import datetime, os, signal
from pathlib import Path
from orchestrator.builders.hardware import Hardware
from orchestrator.builders.machine import Machine
top = Path({str(tmp_path)!r})
machine = Machine(top / "scratch", top / "logs", {HARDWARE!r}, lambda: top)
machine.start(lambda _: None)
print(machine.destination.port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    port = int(done.stdout)

    def gone() -> bool:
        try:
            banner(port)
        except OSError:
            return True
        return False

    wait_for(gone, "it outlived us")


def test_a_comma_in_a_folder_is_no_option_of_qemu(make: Make, tmp_path: Path) -> None:
    machine = make(SERVES, image=lambda: tmp_path / "a,readonly=off")
    machine.start(lambda _: None)
    [words] = started(tmp_path)
    assert f"file={tmp_path}/a,,readonly=off/root.squashfs,format=raw" in words


def banner(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(4)
