"""Goes into a sandbox as Nix makes one, and becomes a build's own program there.

    python -I inside.py SPECIFICATION

It is run alone, in a process of its own, which ends with the status of that program: nothing else of ours is
imported. The specification is JSON: `root` (an empty folder that becomes `/`), `build` (the one that becomes
`/build`), `store` (pairs of a place on this machine and a store path), `command`, `environment`, and
`terminal` (whether standard input becomes the controlling one).

As in Nix: namespaces of its own for users, mounts, processes, network, host name and IPC; user 1000, group
100; no network but its own loopback; inputs read-only, and a store beside them that can be written. What is
mounted goes with the last process, and that goes with its parent.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import platform
import signal
import socket
import struct
import sys
import termios
from pathlib import Path
from typing import Any, NoReturn

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
RDONLY, REMOUNT, BIND, REC, PRIVATE, RELATIME = 1, 32, 4096, 0x4000, 0x40000, 1 << 21
SAME_FLAGS = 2 | 4 | 8 | 1024 | 2048
"""Those that statvfs(3) and mount(2) have the same number for."""
STATVFS_RELATIME = 4096
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
SET_PDEATHSIG, SET_NO_NEW_PRIVS = 1, 38
DETACH = 2
SIOCSIFFLAGS, UP = 0x8914, 1
USER, GROUP = 1000, 100
FAILED = 125
"""The status where the sandbox could not be made."""
DEVICES = ("full", "kvm", "null", "random", "tty", "urandom", "zero")
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "/dev/pts/ptmx",
}
FILES = {
    "etc/passwd": "root:x:0:0:Nix build user:/build:/noshell\n"
    "nixbld:x:1000:100:Nix build user:/build:/noshell\n"
    "nobody:x:65534:65534:Nobody:/:/noshell\n",
    "etc/group": "root:x:0:\nnixbld:!:100:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}

libc = ctypes.CDLL(None, use_errno=True)


def fail(what: str) -> NoReturn:
    sys.stderr.write(f"tally: cannot enter the sandbox: {what}\n")
    sys.stderr.flush()
    os._exit(FAILED)


def tried(what: str, status: int) -> None:
    if status != 0:
        fail(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = (os.fsencode(source), os.fsencode(target), kind.encode(), flags, data.encode() or None)
    tried(f"mount {target}", libc.mount(*words))


def bind(source: str, target: str, *, read_only: bool) -> None:
    """A file, folder or link at another place."""
    if Path(source).is_symlink():
        Path(target).symlink_to(Path(source).readlink())
        return
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(source, target, "", BIND | REC)
    if read_only:
        # what a mount came with is locked for us, and has to be said again (mount_namespaces(7))
        had = os.statvfs(target).f_flag
        kept = (had & SAME_FLAGS) | (RELATIME if had & STATVFS_RELATIME else 0)
        mount("", target, "", REMOUNT | BIND | RDONLY | kept)


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as stream:
        said = json.load(stream)
    uid, gid = os.getuid(), os.getgid()
    tried("unshare", libc.unshare(NEWUSER | NEWNS | NEWPID | NEWNET | NEWUTS | NEWIPC))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{USER} {uid} 1"),
        ("gid_map", f"{GROUP} {gid} 1"),
    ):
        try:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
                stream.write(text)
        except OSError as error:
            fail(f"{name}: {error.strerror}")
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        libc.prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() not in (0, parent):  # a parent outside of our processes is 0
            os._exit(FAILED)
        try:
            enter(said)
        except OSError as error:
            fail(f"{error.filename or ''}: {error.strerror}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def enter(said: dict[str, Any]) -> NoReturn:
    """Make the root, go there, and become the program. We are the first process of our own processes."""
    root = said["root"]
    mount("none", "/", "", REC | PRIVATE)
    mount(root, root, "", BIND)
    for folder in ("build", "dev", "etc", "nix/store", "proc", "tmp", ".old"):
        Path(root, folder).mkdir(parents=True, exist_ok=True)
    os.chmod(f"{root}/tmp", 0o1777)
    os.chmod(f"{root}/nix/store", 0o1775)
    mount(said["build"], f"{root}/build", "", BIND)
    mount(f"{root}/nix/store", f"{root}/nix/store", "", BIND)
    for source, path in said["store"]:
        bind(source, f"{root}{path}", read_only=True)
    devices(root)
    mount("proc", f"{root}/proc", "proc", 0)
    for name, text in FILES.items():
        with open(f"{root}/{name}", "w", encoding="ascii") as stream:
            stream.write(text)
    socket.sethostname("localhost")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
        fcntl.ioctl(loopback, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP))
    os.chdir(root)
    number = PIVOT_ROOT.get(platform.machine())
    if number is None:
        fail(f"pivot_root is not known for {platform.machine()}")
    tried("pivot_root", libc.syscall(number, b".", b".old"))
    os.chdir("/build")
    tried("umount", libc.umount2(b"/.old", DETACH))
    Path("/.old").rmdir()
    if said["terminal"]:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for each in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.umask(0o022)
    command = said["command"]
    os.closerange(3, 1024)
    os.execve(command[0], command, said["environment"])


def devices(root: str) -> None:
    for name in DEVICES:
        if Path("/dev", name).exists():
            bind(f"/dev/{name}", f"{root}/dev/{name}", read_only=False)
    for folder, kind, options in (
        ("shm", "tmpfs", "mode=1777"),
        ("pts", "devpts", "newinstance,ptmxmode=0666"),
    ):
        Path(root, "dev", folder).mkdir(parents=True, exist_ok=True)
        mount(kind, f"{root}/dev/{folder}", kind, 0, options)
    for name, target in LINKS.items():
        Path(root, "dev", name).symlink_to(target)


if __name__ == "__main__":
    main()
