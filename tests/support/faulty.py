"""A place to break things: the tests' warm state folder seen through an overlay of its own.

Whatever is killed, filled or corrupted there, the shared state folder stays as it is. The overlay lies in a
mount namespace of its own on a small memory disk, which is how a disk gets full here.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from waiting import wait_for
from warm import WARM, Ended, Running


@dataclass
class Place:
    """One overlay. Commands run inside its mount namespace; `state` is a path that nothing else has."""

    holder: subprocess.Popen[bytes]
    state: Path
    project: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, words: Sequence[str | Path]) -> list[str]:
        enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", f"--wdns={self.project}", "--"]
        return [*enter, *map(str, words)]

    def start(self, *arguments: str | Path, **environment: str) -> Running:
        """Start `tally`, which begins warm."""
        whole = {**os.environ, "TALLY_STATE": str(self.state), **self.environment, **environment}
        running = WARM.start([*map(str, arguments)], self.project, whole, mounts=self.holder.pid)
        assert running is not None, "only a process of its own can have that environment"
        return running

    def tally(self, *arguments: str | Path, timeout: float = 600, **environment: str) -> Ended:
        """Run `tally` to its end."""
        return ended(self.start(*arguments, **environment), timeout)

    def sh(self, script: str) -> str:
        """Run a shell script in the namespace, as root."""
        done = subprocess.run(
            self.command(["sh", "-euc", script]), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout

    def resize(self, size: str) -> None:
        """Give the disk under the state folder another size, e.g. `512k`."""
        self.sh(f"mount -o remount,size={size} {shlex.quote(str(self.state.parent))}")

    def free(self) -> int:
        """Bytes left on that disk."""
        return int(self.sh(f"df --output=avail -B1 {shlex.quote(str(self.state.parent))} | tail -1"))

    def used(self) -> int:
        return int(self.sh(f"df --output=used -B1 {shlex.quote(str(self.state.parent))} | tail -1"))

    def processes(self) -> list[str]:
        """Those that see its mounts, or whose command line, environment or root has its state folder."""
        return [f"{pid}: {_said(pid)}" for pid in self.pids()]

    def pids(self) -> list[int]:
        needles = os.fsencode(str(self.state)), _mounts(Path(f"/proc/{self.holder.pid}"))
        found = []
        for entry in Path("/proc").iterdir():
            theirs = entry.name.isdigit() and int(entry.name) not in (os.getpid(), self.holder.pid)
            if theirs and any(needle in each for needle in needles for each in _facts(entry)):
                found.append(int(entry.name))
        return found

    def wait_until_quiet(self) -> None:
        """Fails when something of ours goes on running."""
        wait_for(lambda: not self.pids(), lambda: f"left running: {self.processes()}")

    def kill_everything(self) -> None:
        """What a power cut does to processes, builds among them, which outlive a killed Nix."""
        for pid in _with_children(self.pids()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def mounts(self) -> list[str]:
        """Mount points below the state folder in the namespace that `tally` was started in."""
        text = Path(f"/proc/{self.holder.pid}/mountinfo").read_text()
        points = [line.split()[4] for line in text.splitlines()]
        return [point for point in points if point.startswith(f"{self.state}/")]


def ended(process: Running, timeout: float = 600) -> Ended:
    """How it ended; never with a traceback.

    Fails when it does not end in `timeout` seconds, and tells what each of its threads was at.
    """
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        out, err = process.communicate(timeout=timeout)
        raise AssertionError(f"still there after {timeout} s ({process.returncode}):\n{out}\n{err}") from None
    assert "Traceback" not in err, err
    return Ended(process.wait(), out, err)


def can_overlay() -> bool:
    """Whether this machine lets us mount: root can, mostly."""
    script = """
        mount -t tmpfs t /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m
        mount -t overlay o -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w /mnt/m
    """
    tried = subprocess.run(["unshare", "-m", "sh", "-euc", script], capture_output=True, check=False)
    return tried.returncode == 0


@contextmanager
def overlay(lower: Path, folder: Path, project: Path, size: str = "1g") -> Iterator[Place]:
    """A place whose state folder begins as `lower` has it; `size` is that of the disk for what changes."""
    disk = folder / "disk"
    disk.mkdir()
    script = f"""
        mount -t tmpfs -o size={size} disk {shlex.quote(str(disk))}
        cd {shlex.quote(str(disk))}
        mkdir upper work state
        mount -t overlay overlay -o lowerdir={shlex.quote(str(lower))},upperdir=upper,workdir=work state
        echo ready
        exec sleep infinity
    """
    holder = subprocess.Popen(
        ["unshare", "-m", "sh", "-euc", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    place = Place(holder, disk / "state", project)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n", "the overlay cannot be mounted"
        yield place
    finally:
        place.kill_everything()
        holder.kill()
        holder.communicate()


def _with_children(pids: Sequence[int]) -> list[int]:
    """Processes, and those that descend from them, parents first."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                stat = (entry / "stat").read_text()
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])  # proc(5): state, parent
    found = dict.fromkeys(pids)
    more = True
    while more:
        new = [pid for pid, parent in parents.items() if parent in found and pid not in found]
        found.update(dict.fromkeys(new))
        more = bool(new)
    return list(found)


def _facts(entry: Path) -> Iterator[bytes]:
    for name in ("cmdline", "environ"):
        try:
            yield (entry / name).read_bytes()
        except OSError:
            continue
    for name in ("root", "cwd", "ns/mnt"):
        try:
            yield os.fsencode((entry / name).readlink())
        except OSError:
            continue


def _mounts(entry: Path) -> bytes:
    """What a process sees mounted, by name: one that was forked warm has nothing else of the place's."""
    return os.fsencode((entry / "ns/mnt").readlink())


def _said(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone"


RECIPE = """
name = "{name}"
version = "1"
summary = "Made to see what a fault does to it"
homepage = "https://example.org/"
license = "MIT"
systems = ["x86_64-linux"]

[source]
url = ["mirror://gnu/hello/hello-2.10.tar.gz", "mirror://debian/pool/main/h/hello/hello_2.10.orig.tar.gz"]
sha256 = "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"

[toolchain]
from = "debian"
packages = []

[build]
env = {{ SEED = "{seed}" }}
script = \'\'\'
{script}
\'\'\'

[artifact]
format = "tar.gz"
"""
STEADY = """
for number in 1 2 3; do echo "step $number"; sleep 0.1; done
mkdir -p $out/share
cp README $out/share/
echo "$SEED" > $out/share/seed
"""


@dataclass(frozen=True)
class Project:
    """A folder with recipes, a lock that fits them, and a release key."""

    folder: Path

    def recipe(self, name: str, *, script: str = STEADY, seed: int = 0) -> Path:
        """Write a recipe with hello's source and no compiler, locked; another seed is another build."""
        file = self.folder / "recipes" / f"{name}.toml"
        file.write_text(RECIPE.format(name=name, seed=seed, script=script))
        return file.relative_to(self.folder)

    @property
    def releases(self) -> list[str]:
        """What a user sees of the releases, drafts of running or dead runs left out."""
        out = self.folder / "releases"
        return (
            sorted(each.name for each in out.iterdir() if not each.name.startswith("."))
            if out.exists()
            else []
        )

    @property
    def drafts(self) -> list[str]:
        out = self.folder / "releases"
        return (
            sorted(each.name for each in out.iterdir() if each.name.startswith(".")) if out.exists() else []
        )
