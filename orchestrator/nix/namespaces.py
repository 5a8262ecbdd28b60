"""Whether this machine lets us make user namespaces, which every sandbox here is made of; and if not, why."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.plainly import why

_TIMEOUT = 30.0  # seconds

# In a process of its own: a namespace once entered cannot be left. AppArmor lets one be made and then takes
# its powers away, so only a mount tells.
_ATTEMPT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUSER, NEWPID, NEWNET, REC, PRIVATE = 0x20000, 0x10000000, 0x20000000, 0x40000000, 0x4000, 0x40000
def tried(what, status):
    if status != 0:
        sys.exit(what + ": " + os.strerror(ctypes.get_errno()))
tried("unshare", libc.unshare(NEWUSER | NEWNS | NEWPID | NEWNET))
tried("mount", libc.mount(b"none", b"/", None, REC | PRIVATE, None))
"""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why there are no user namespaces, and the way out."""

    reason: str
    hint: str


def obstacle(proc: Path = Path("/proc")) -> Obstacle | None:
    """What stops this machine from making user namespaces; None when nothing does.

    `proc` is where the kernel's settings are read.
    """
    try:
        attempt = subprocess.run(
            [sys.executable, "-I", "-c", _ATTEMPT],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Obstacle(
            f"cannot try to make one: {why(error)}", "run `tally doctor` again when the machine is less busy"
        )
    if attempt.returncode == 0:
        return None
    lines = attempt.stderr.strip().splitlines() or [f"status {attempt.returncode}"]
    return explain(lines[-1], proc)


def explain(said: str, proc: Path) -> Obstacle:
    """The setting that made the kernel say no, when one is known to."""
    if _read(proc / "sys/kernel/unprivileged_userns_clone") == "0":
        return Obstacle(
            f"{said}: the setting kernel.unprivileged_userns_clone is 0",
            "as root: sysctl kernel.unprivileged_userns_clone=1",
        )
    if _read(proc / "sys/user/max_user_namespaces") == "0":
        return Obstacle(
            f"{said}: the setting user.max_user_namespaces is 0",
            "as root: sysctl user.max_user_namespaces=15000",
        )
    if _read(proc / "sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return Obstacle(
            f"{said}: AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1)",
            "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for Nix",
        )
    if not (proc / "self/ns/user").exists():
        return Obstacle(f"{said}: this kernel was built without them", "use a kernel with CONFIG_USER_NS=y")
    if "Seccomp:\t2" in (_read(proc / "self/status") or ""):
        return Obstacle(
            f"{said}: a seccomp filter is on, as in most containers",
            "let the container make user namespaces, e.g. start it with --security-opt seccomp=unconfined",
        )
    return Obstacle(said, "see user_namespaces(7) for what a kernel can refuse them for")


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
