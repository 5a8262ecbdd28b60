"""Run a command in other surroundings than its twin's. A program: `python apart.py CHOICES COMMAND…`.

CHOICES is a JSON object; what is not in it stays as it is:

- `cpus`: the CPUs that it may use, a list of their numbers.
- `boottime`: seconds that the machine seems to have been up for longer.
- `scratch`: an empty folder to mount memory on, where builds are made; `own_setting` says whether this Nix
  wants to be told so by a setting of its own, beside `TMPDIR`. With `disorderfs`, that program, they stay on
  their disk, and it lists their folders in reverse.
- `bind`: a folder, and an empty one where it is to be found, too; without it the command is not run.
- `load`: how many idle-priority loops keep those CPUs busy meanwhile.

Without root, and for nothing but this command: namespaces and mounts end with it. What the machine refuses is
left out and said on standard error: what a build really saw, its builder's probe tells. The command takes the
place of this program, so it is our caller's own child, and ends with it.

Every build waits for its start, so it imports little.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NEWNS, _NEWTIME, _NEWUSER = 0x20000, 0x80, 0x10000000
_MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV, _MS_BIND = 0x4000, 0x40000, 2, 4, 0x1000
_PR_SET_PDEATHSIG = 1
_MOUNTED_WITHIN = 5.0  # seconds
_REFUSED = 125
_BURST, _REST = 0.05, 0.45  # seconds of load, and between: enough to disturb, and not to slow down

_libc = ctypes.CDLL(None, use_errno=True)


def main(choices: dict[str, Any], command: list[str]) -> None:
    """Does not return: the command is run, or the program ends with 125 and says why."""
    parent = os.getppid()
    if cpus := choices.get("cpus"):
        _try("cpu-affinity", lambda: os.sched_setaffinity(0, cpus))
    user, group = os.geteuid(), os.getegid()
    entered = _enter(user, group, choices)
    if entered and "scratch" in choices:
        _change_build_directory(choices["scratch"], choices)
    if "bind" in choices:
        if not entered:
            sys.exit(_REFUSED)
        origin, target = map(os.fsencode, choices["bind"])
        _call("mount", origin, target, None, _MS_BIND | _MS_REC, None)
    if entered and user != 0:
        # Nix wants to be the user it was: as root of a namespace it would try to become somebody else
        _call("unshare", _NEWUSER)
        _map(user, group, 0, 0)
    # the kernel forgets it whenever the credentials change
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(_REFUSED)
    for _ in range(choices.get("load", 0)):
        _keep_busy()
    os.execvp(command[0], command)


def _enter(user: int, group: int, choices: dict[str, Any]) -> bool:
    """New namespaces, as far as this machine makes them; whether mounts can be made."""
    spaces = _NEWNS if user == 0 else _NEWNS | _NEWUSER
    later = choices.get("boottime")
    if not _try("namespaces", lambda: _call("unshare", spaces)):
        return False
    if user != 0:
        _map(0, 0, user, group)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    if later is not None:
        _try("uptime", lambda: _boot_earlier(later))
    return True


def _boot_earlier(seconds: int) -> None:
    _call("unshare", _NEWTIME)
    _write("/proc/self/timens_offsets", f"boottime {seconds} 0\n")
    space = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
    _call("setns", space, _NEWTIME)


def _change_build_directory(folder: str, choices: dict[str, Any]) -> None:
    program = choices.get("disorderfs")
    if program is None:
        done = _try("build-directory", lambda: _mount_memory(folder))
    else:
        done = _try("directory-order", lambda: _mount_disorderfs(program, folder))
    if done:
        os.environ["TMPDIR"] = folder
    if done and choices["own_setting"]:
        os.environ["NIX_CONFIG"] = f"{os.environ.get('NIX_CONFIG', '')}\nbuild-dir = {folder}\n"


def _mount_memory(folder: str) -> None:
    _call("mount", b"builds", os.fsencode(folder), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0700")


def _mount_disorderfs(program: str, folder: str) -> None:
    """Over a folder beside it. Its process ends with the command."""
    import subprocess
    from pathlib import Path

    over, below = Path(folder), Path(f"{folder}-below")
    below.mkdir(exist_ok=True)
    before = over.stat().st_dev
    options = ["--quiet", "--multi-user=no", "--shuffle-dirents=no", "--reverse-dirents=yes"]
    server = subprocess.Popen(
        [program, *options, str(below), folder, "-f"],  # in the foreground: our child, nobody's daemon
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_dies_with_us(),  # noqa: PLW1509  it only calls prctl, loaded beforehand
    )
    until = time.monotonic() + _MOUNTED_WITHIN
    while over.stat().st_dev == before:
        if server.poll() is not None or time.monotonic() > until:
            server.kill()
            raise OSError(None, "disorderfs does not mount")
        time.sleep(0.01)


def _keep_busy() -> None:
    """A child that uses whatever nobody else wants, until we end."""
    bind = _dies_with_us()
    if os.fork() != 0:
        return
    bind()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        until = time.monotonic() + _BURST
        while time.monotonic() < until:
            pass
        time.sleep(_REST)


def _dies_with_us() -> Callable[[], None]:
    parent = os.getpid()

    def bind() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def _map(user: int, group: int, user_outside: int, group_outside: int) -> None:
    with contextlib.suppress(OSError):  # denied already by the namespace around this one
        _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user_outside} 1\n")
    _write("/proc/self/gid_map", f"{group} {group_outside} 1\n")


def _write(file: str, text: str) -> None:
    with open(file, "w", encoding="ascii") as stream:
        stream.write(text)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _try(what: str, step: Callable[[], object]) -> bool:
    try:
        step()
    except OSError as error:
        _say(f"cannot vary {what}: {error.strerror or error}")
        return False
    return True


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]), sys.argv[2:])
    except OSError as error:
        _say(f"error: cannot run {sys.argv[2]} in other surroundings: {error.strerror or error}")
        sys.exit(_REFUSED)
