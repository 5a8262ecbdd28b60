"""Builder hosts on one machine: each in namespaces of its own, with its own root, Nix, store and sshd.

A host lives as long as one process of ours: mounts, processes and the network interface end with it, also
when the tests are killed. They share the machine's kernel, which is what their boot ids say.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from waiting import wait_for

SINGLE_USER = """\
build-users-group =
sandbox = true
sandbox-fallback = false
substitute = false
experimental-features = nix-command
"""
MULTI_USER = """\
build-users-group = nixbld
sandbox = true
sandbox-fallback = false
substitute = false
experimental-features = nix-command
trusted-users = root build
"""

# pivot_root, and not chroot(2), below which nested user namespaces are refused
_INIT = r"""
mount --make-rprivate /
mount -t tmpfs -o size="$SIZE" disk "$FOLDER"
mkdir "$FOLDER/upper" "$FOLDER/work" "$FOLDER/root"
mount -t overlay -o lowerdir="$LOWER",upperdir="$FOLDER/upper",workdir="$FOLDER/work" host "$FOLDER/root"
cd "$FOLDER/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sys sys
mount -t tmpfs -o size=16m tmp run
mkdir -p run/sshd run/disk .old
mount --move "$FOLDER" run/disk 2> /dev/null || mount --bind "$FOLDER" run/disk
cp -a "$SEED/." .
for folder in $MOUNTS; do mkdir -p "./$folder"; mount --rbind -o ro "$folder" "./$folder"; done
hostname "$NAME"
pivot_root . .old
umount -l /.old
ip link set lo up
echo ready
exec 0<&-
while :; do sleep 1000; done
"""


@dataclass
class Host:
    """One host. Nothing of what happens on it touches the root that it began with."""

    name: str
    lower: Path
    folder: Path
    configuration: str = SINGLE_USER
    port: int = 22
    size: str = "3g"
    mounts: tuple[Path, ...] = ()
    """Folders of this machine that it sees in the same places."""
    address: str = ""
    interface: str = ""
    """Our end of its network cable."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def identity_file(self) -> Path:
        """The private key that root and `build` let in."""
        return self.folder / "client"

    @property
    def host_key(self) -> str:
        """`ssh-ed25519 AAAA…`"""
        kind, key = (self.folder / "server.pub").read_text().split()[:2]
        return f"{kind} {key}"

    def store(self, user: str = "root") -> str:
        place = self.address if self.port == 22 else f"{self.address}:{self.port}"
        return f"ssh-ng://{user}@{place}"

    def table(self, name: str = "", *, user: str = "root", **more: object) -> str:
        """The `[[builder]]` for it."""
        values = {"name": name or self.name, "store": self.store(user), "ssh-key": str(self.identity_file)}
        values |= {"host-key": self.host_key}
        lines = [f'{key} = "{value}"' for key, value in values.items()]
        lines += [f"{key.replace('_', '-')} = {_toml(value)}" for key, value in more.items()]
        return "\n".join(["[[builder]]", *lines, ""])

    def start(self) -> None:
        """Bring it up, and wait until its sshd answers."""
        seed = self.folder / "seed"
        self._seed(seed)
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        environment = {"SIZE": self.size, "FOLDER": str(disk), "LOWER": str(self.lower), "SEED": str(seed)}
        self._process = subprocess.Popen(
            ["unshare", "-m", "-p", "-n", "-u", "-i", "-f", "--kill-child", "sh", "-euc", _INIT],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "NAME": self.name,
                "MOUNTS": " ".join(map(str, self.mounts)),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=_die_with_us,  # noqa: PLW1509  it only calls prctl, loaded beforehand
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", f"host {self.name} does not come up"
        self._connect()
        if "nixbld" in self.configuration:
            self.background("nix-daemon")
        self.serve()

    def serve(self) -> None:
        """Start sshd."""
        self.background(
            f"/usr/sbin/sshd -D -e -p {self.port} -o UsePAM=no -o PasswordAuthentication=no "
            "-o PermitRootLogin=prohibit-password -o HostKey=/etc/ssh/ssh_host_ed25519_key -o StrictModes=no "
            # a build makes some thirty connections: by default, each has a key exchange that takes long
            "-o KexAlgorithms=curve25519-sha256 -o Ciphers=aes128-gcm@openssh.com"
        )
        listens = self._enter(["sh", "-c", f"ss -ltn | grep -q :{self.port}"])
        wait_for(lambda: not subprocess.run(listens).returncode, f"the sshd of {self.name} does not listen")

    def sh(self, script: str) -> str:
        """Run a shell script on the host, as root."""
        done = subprocess.run(
            self._enter(["sh", "-euc", script]), capture_output=True, text=True, check=False, env=_ENVIRONMENT
        )
        assert done.returncode == 0, f"{self.name}: {script}: {done.stderr}"
        return done.stdout

    def background(self, command: str) -> None:
        """Start a command that ends with the host."""
        self.sh(f"setsid sh -c 'exec {command}' < /dev/null > /run/log 2>&1 &")

    def cut(self) -> None:
        """Take the network away; what is connected hears nothing more."""
        self.sh("ip link set eth0 down")

    def mend(self) -> None:
        self.sh("ip link set eth0 up")

    def kill_connections(self) -> None:
        """End every session; sshd goes on."""
        for what in ("[s]shd(-session)?: (root|build)", "[n]ix-daemon .*--stdio"):
            self.sh(f"pkill -KILL -f '{what}' || :")

    def resize(self, size: str) -> None:
        """Give its disk another size."""
        self.sh(f"mount -o remount,size={size} /run/disk")

    def reboot(self) -> None:
        """Everything on it ends at once, and it comes up again, with an empty disk."""
        self.stop()
        self.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None

    def _seed(self, seed: Path) -> None:
        """The files that make it this host and no other."""
        for name in ("client", "server"):
            if not (self.folder / name).exists():
                subprocess.run(
                    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.folder / name],
                    check=True,
                )
        files = {
            "etc/hostname": self.name,
            "etc/machine-id": f"{random.Random(str(self.folder)).getrandbits(128):032x}",
            "etc/nix/nix.conf": self.configuration,
            "etc/ssh/ssh_host_ed25519_key": (self.folder / "server").read_text(),
            "root/.ssh/authorized_keys": (self.folder / "client.pub").read_text(),
            "home/build/.ssh/authorized_keys": (self.folder / "client.pub").read_text(),
        }
        for name, text in files.items():
            (seed / name).parent.mkdir(parents=True, exist_ok=True)
            (seed / name).write_text(text if text.endswith("\n") else f"{text}\n")
        (seed / "etc/ssh/ssh_host_ed25519_key").chmod(0o600)

    def _connect(self) -> None:
        """A pair of interfaces, with addresses that nothing else here has. It ends with the host."""
        assert self._process is not None
        outside = self.interface = f"t{self._process.pid}"
        _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", str(self._process.pid))
        while True:
            base = f"10.{random.randrange(200, 255)}.{random.randrange(256)}"
            number = 4 * random.randrange(64)
            self.address, ours = f"{base}.{number + 2}", f"{base}.{number + 1}"
            if not subprocess.run(["ip", "route", "show", f"{base}.{number}/30"], capture_output=True).stdout:
                break
        _ip("addr", "add", f"{ours}/30", "dev", outside)
        _ip("link", "set", outside, "up")
        self.sh(f"ip addr add {self.address}/30 dev eth0; ip link set eth0 up")

    def _enter(self, words: Sequence[str]) -> list[str]:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return ["nsenter", "-t", children[0], "-a", "-r", "-w", "--", *words]


_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}


@contextmanager
def host(name: str, lower: Path, folder: Path, **settings: object) -> Iterator[Host]:
    """A host that is up while the block runs. `folder` is for its keys, and for its disk's mount point."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Host(name, lower, folder, **settings)  # type: ignore[arg-type]
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


_libc = ctypes.CDLL(None)


def _die_with_us() -> None:
    _libc.prctl(1, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)
