"""An ephemeral virtual machine as a builder's host: started from an image, reached on loopback alone.

Each start has a disk, keys and a name of its own. Nothing of it is left, and nothing of it can reach anything
but the port that we connect to.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.builders import ssh
from orchestrator.builders.hardware import Hardware
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.nix import child

_LOOPBACK = "127.0.0.1"
_STARTED = "tallystick: started"
"""What the machine's first program says on its console."""
_SIGN_OF_LIFE = 15.0  # seconds in which a machine that the kernel runs has come to that, many times over
_UP = 300.0  # seconds in which an emulated one answers, also where others want the processor
_POLL = 0.1
_CONNECTED = 30.0  # seconds
_FULL = 4 << 20  # bytes free: then that is why
_SOCKET_NAME = 80  # bytes: of 108, less what ssh appends

Notify = Callable[[str], None]


class Machine:
    """One builder's. `start` and `stop` are called from any thread, not from two at once."""

    def __init__(self, folder: Path, logs: Path, hardware: Hardware, image: Callable[[], Path]) -> None:
        """`folder` is for its disks and keys, `logs` for its console; `image` gives its image's folder."""
        self._folder, self._logs, self._hardware, self._image = folder, logs, hardware, image
        self._port = _Reserved()
        self._interrupted = threading.Event()
        self._sockets = _short_folder(folder)
        self._qemu: subprocess.Popen[bytes] | None = None
        self._shared: _Shared | None = None
        self.destination = ssh.Destination(
            _LOOPBACK,
            user="root",
            port=self._port.number,
            identity=folder / "key",
            known_hosts=folder / "known_hosts",
            control=self._sockets / "ssh",
            alone=True,
        )

    @property
    def kvm(self) -> bool:
        """Whether the kernel runs it, or is to; it is emulated otherwise."""
        return self._hardware.kvm

    @property
    def emulated(self) -> bool:
        return not self._hardware.kvm

    def check(self) -> None:
        """Whether it could be started, before anything else is begun. Raises TallyError."""
        platform = self._hardware.platform
        if shutil.which(platform.qemu) is None:
            raise TallyError(
                f"a vm builder needs QEMU, and {platform.qemu} is not on PATH", hint=platform.install
            )
        self._image()

    def start(self, notify: Notify) -> None:
        """A new machine, whatever was before; it answers over ssh. Raises TallyError."""
        self.check()
        self.stop()
        self._lay_out()
        if self.kvm and not self._comes_up(kvm=True):
            if not self._hardware.emulate:
                raise TallyError(
                    "KVM does not run the virtual machine",
                    hint="take `kvm = true` out of tally.toml to emulate it",
                )
            notify("KVM is there and does not run its machine")
            self._hardware = replace(self._hardware, kvm=False)
        if not self.kvm:
            notify(emulation(self._hardware))
            self._comes_up(kvm=False)
        self._shared = _Shared(self.destination)

    def stop(self) -> None:
        """The machine is gone, at once; its disk goes too."""
        if self._shared is not None:
            self._shared.end()
            self._shared = None
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
            self._qemu = None
        for name in ("disk", "swap"):
            (self._folder / name).unlink(missing_ok=True)

    def interrupt(self) -> None:
        """Let a `start` in another thread end, with an error."""
        self._interrupted.set()

    def close(self) -> None:
        """For good: its port is anybody's again."""
        self.stop()
        self._port.close()
        if self._sockets != self._folder:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _lay_out(self) -> None:
        """New disks, and the tar that the machine unpacks over its root: keys, name, settings."""
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            for name in ("disk", "swap"):
                with open(self._folder / name, "wb", opener=_for_us_alone) as stream:
                    stream.truncate(self._hardware.disk << 30)
            keys = {name: _new_key(self._folder / name) for name in ("key", "host_key")}
            (self._folder / "known_hosts").write_text(
                ssh.known_hosts_line(self.destination, keys["host_key"])
            )
            identity = uuid.uuid4().hex
            files = {
                "etc/hostname": f"vm-{identity[:8]}\n",
                "etc/machine-id": f"{identity}\n",
                "tallystick/authorized_keys": f"{keys['key']}\n",
                "tallystick/host_key": (self._folder / "host_key").read_text(),
                "tallystick/settings": f"UPTIME={self._hardware.up_for_longer}\n",
            }
            with (
                open(self._folder / "seed", "wb", opener=_for_us_alone) as stream,
                tarfile.open(fileobj=stream, mode="w") as archive,
            ):
                for name, text in files.items():
                    member = tarfile.TarInfo(name)
                    member.mode, member.size = 0o600 if name.startswith("tally") else 0o644, len(text)
                    archive.addfile(member, io.BytesIO(text.encode()))
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def _comes_up(self, *, kvm: bool) -> bool:
        """Start QEMU, and wait until an ssh server answers. False where KVM does not run it at all."""
        console = self._logs / "console.log"
        console.unlink(missing_ok=True)
        said = self._logs / "qemu.log"
        self._qemu = _kept(self._command(console, kvm=kvm), said)
        begun = time.monotonic()
        with contextlib.closing(_Door(self._port.number)) as door:
            while self._qemu.poll() is not None or not door.opens():
                if self._interrupted.wait(_POLL):
                    raise TallyError("interrupted")
                waited = time.monotonic() - begun
                ended = self._qemu.poll() is not None
                if kvm and (ended or waited > _SIGN_OF_LIFE) and _STARTED not in _text(console):
                    self._qemu.kill()
                    self._qemu.wait()
                    return False
                if ended or waited > _UP:
                    raise self._gone(ended, said, console)
        return True

    def _gone(self, ended: bool, said: Path, console: Path) -> TallyError:
        """Why it is not there, as far as it was told."""
        assert self._qemu is not None
        status = self._qemu.returncode
        how = f"was killed by signal {-status}" if ended and status < 0 else f"ended with status {status}"
        lines = [*_text(said).splitlines()[-3:], *_text(console).splitlines()[-5:]]
        text = "\n".join(
            [f"the virtual machine {how if ended else f'does not answer after {_UP:.0f} s'}", *lines]
        )
        if "Cannot allocate memory" in text:
            return TallyError(text, hint="give it less `memory` in tally.toml")
        if shutil.disk_usage(self._folder).free < _FULL:
            return TallyError(
                text, hint=f"free some space on the disk of {self._folder}, and run the command again"
            )
        kept = [str(file) for file in (said, console) if file.exists()]
        return TallyError(text, hint=f"what it said is kept: {', '.join(kept)}" if kept else None)

    def _command(self, console: Path, *, kvm: bool) -> list[str]:
        image, hardware = self._image(), self._hardware
        platform = hardware.platform
        model = (kvm and platform.native_model) or hardware.cpu_model
        clock = (datetime.now(UTC) + hardware.ahead).strftime("%Y-%m-%dT%H:%M:%S")
        drives = [
            (image / "root.squashfs", "readonly=on"),
            (self._folder / "disk", "cache=unsafe,discard=unmap"),
            (self._folder / "seed", "readonly=on"),
            (self._folder / "swap", "cache=unsafe,discard=unmap"),
        ]
        # no guards against a processor that guesses ahead, as an emulated one does not: they cost a sixth
        unguarded = "" if kvm else " mitigations=off"
        forward = f"hostfwd=tcp:{_LOOPBACK}:{self._port.number}-:22"
        return [
            platform.qemu,
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none"),
            *("-chardev", f"file,id=console,path={_quoted(console)}", "-serial", "chardev:console"),
            *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
            *("-machine", platform.machine, "-accel", "kvm" if kvm else "tcg", "-cpu", model),
            *("-smp", str(hardware.cpus), "-m", f"{hardware.memory}M"),
            *("-rtc", f"base={clock},clock=vm"),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")),
            *("-append", f"console={platform.console} quiet panic=-1 random.trust_cpu=on{unguarded}"),
            # a full disk here is an error there, and not a machine that stands still
            *(
                word
                for place, more in drives
                for word in ("-drive", f"file={_quoted(place)},format=raw,if=virtio,werror=report,{more}")
            ),
            *("-device", "virtio-rng-pci"),
            # nothing leads out of it but this one port of ours
            *("-netdev", f"user,id=n,restrict=on,{forward}", "-device", "virtio-net-pci,netdev=n,romfile="),
        ]


def emulation(hardware: Hardware) -> str:
    """What is said of a machine that no kernel runs."""
    of = f" an {hardware.system} one," if hardware.foreign else ""
    return f"its machine is{of} emulated, which is slow"


class _Reserved:
    """A port on loopback that nobody else is given: bound here, and listened on by QEMU alone."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_LOOPBACK, 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


class _Shared:
    """One ssh connection that all others go through, which spares an emulated machine most of its work.

    Where it cannot be had, each has one of its own: only slower.
    """

    def __init__(self, destination: ssh.Destination) -> None:
        assert destination.control is not None
        destination.control.unlink(missing_ok=True)  # an earlier machine's
        command = ["ssh", *destination.options, "-M", "-N", "-T", destination.login]
        self._ssh = _kept(command, None)
        until = time.monotonic() + _CONNECTED
        while not destination.control.exists() and time.monotonic() < until and self._ssh.poll() is None:
            time.sleep(_POLL)

    def end(self) -> None:
        self._ssh.kill()
        self._ssh.wait()


def _short_folder(folder: Path) -> Path:
    """A folder for a socket of ssh's: that one, unless the kernel would find its name too long (unix(7))."""
    if len(str(folder)) < _SOCKET_NAME:
        return folder
    return Path(tempfile.mkdtemp(prefix="tally-"))


def _for_us_alone(path: str, flags: int) -> int:
    """A new file that nobody else reads, whatever was there."""
    with contextlib.suppress(FileNotFoundError):
        Path(path).unlink()
    return os.open(path, flags, 0o600)


def _kept(command: list[str], said: Path | None) -> subprocess.Popen[bytes]:
    """A process that is killed when ours ends, and only then: a thread of its own is its parent.

    The kernel ends a child of this kind with the thread that started it. Raises TallyError.
    """
    started: list[subprocess.Popen[bytes] | OSError] = []
    ready = threading.Event()

    def keep() -> None:
        try:
            with (said or Path("/dev/null")).open("wb") as stream:
                process = child.started(
                    command,
                    signal.SIGKILL,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                )
        except OSError as error:
            started.append(error)
            ready.set()
            return
        started.append(process)
        ready.set()
        process.wait()

    threading.Thread(target=keep, name=command[0], daemon=True).start()
    ready.wait()
    [process] = started
    if isinstance(process, OSError):
        raise TallyError(
            f"cannot run {command[0]}: {process.strerror or process}", hint=f"install {command[0]}"
        )
    return process


class _Door:
    """Whether an ssh server speaks at a port: QEMU takes connections long before one does.

    Each knock makes the server there start a process, which takes a machine that has little of a processor
    longer than a moment: so each waits longer for its answer than the one before.
    """

    def __init__(self, port: int) -> None:
        self._port, self._patience = port, 1.0
        self._knock: socket.socket | None = None
        self._until = 0.0

    def opens(self) -> bool:
        try:
            if self._knock is None:
                self._knock = socket.create_connection((_LOOPBACK, self._port), timeout=1)
                self._knock.settimeout(_POLL)
                self._until = time.monotonic() + self._patience
            said = self._knock.recv(4)
        except TimeoutError:
            if time.monotonic() > self._until:
                self._patience *= 1.5
                self.close()
            return False
        except OSError:
            self.close()
            return False
        self.close()
        return said == b"SSH-"

    def close(self) -> None:
        if self._knock is not None:
            self._knock.close()
            self._knock = None


def _new_key(file: Path) -> str:
    """A new key pair at `file`; its public half. Raises TallyError."""
    for old in (file, file.with_name(f"{file.name}.pub")):
        old.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise TallyError(
            f"cannot run ssh-keygen: {error.strerror}", hint="install an ssh client: openssh-client"
        ) from error
    if done.returncode != 0:
        raise TallyError(f"ssh-keygen failed: {done.stderr.strip()}")
    return file.with_name(f"{file.name}.pub").read_text().strip()


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _quoted(path: Path) -> str:
    """As a value among QEMU's options, which commas part."""
    return str(path).replace(",", ",,")
