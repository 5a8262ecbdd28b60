"""Root file systems for builder hosts: a Debian suite with its own Nix and sshd, made once a machine."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from orchestrator.sources.mirrors import Mirrors

PACKAGES = ("nix-bin", "openssh-server", "busybox-static", "iproute2", "mount", "procps", "sqlite3")
_LEFT_OUT = ("doc", "man", "locale", "info")
_VERSION = "4"
"""Part of the folder's name: a root made another way is another root."""


def root_of(suite: str, state: Path) -> Path:
    """The root of a suite (`bookworm`, `trixie`), kept in `state`. Needs root and mmdebstrap."""
    assert os.geteuid() == 0, "builder hosts need root: mounts and network interfaces are made for them"
    folder = state / "hosts"
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / f"{suite}-{_VERSION}"
    with (folder / f"{suite}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            new = folder / f".{suite}.new"
            shutil.rmtree(new, ignore_errors=True)
            _make(suite, new)
            _prepare(new)
            new.rename(root)
    return root


def _make(suite: str, root: Path) -> None:
    """Debian's archive signature is checked by apt, as everywhere."""
    # as options of mmdebstrap, these would send every package through a Python of its own
    settings = ["force-unsafe-io", *(f"path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT)]
    folder = '"$1/etc/dpkg/dpkg.cfg.d"'
    hook = f"mkdir -p {folder}; printf '%s\\n' {' '.join(map(shlex.quote, settings))} > {folder}/tests"
    words = ["--quiet", "--variant=essential", f"--include={','.join(PACKAGES)}", f"--setup-hook={hook}"]
    done = subprocess.run(
        ["mmdebstrap", *words, suite, str(root), next(iter(Mirrors().bases("debian")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"mmdebstrap of {suite} failed:\n{done.stderr}"


def _prepare(root: Path) -> None:
    """Users and folders that both ways of running Nix want: by root alone, or a daemon with build users."""
    builders = [f"nixbld{number}" for number in range(1, 5)]
    with (root / "etc/passwd").open("a") as stream:
        stream.write("build:x:2000:2000::/home/build:/bin/sh\n")
        for number, name in enumerate(builders, 30001):
            stream.write(f"{name}:x:{number}:30000::/var/empty:/usr/sbin/nologin\n")
    with (root / "etc/group").open("a") as stream:
        stream.write(f"build:x:2000:\nnixbld:x:30000:{','.join(builders)}\n")
    with (root / "etc/shadow").open("a") as stream:
        # not locked, which sshd would refuse, and yet no password is right
        stream.write("".join(f"{name}:*:20000::::::\n" for name in ("build", *builders)))
    for name in (
        "nix/store",
        "nix/var/nix",
        "run/sshd",
        "root/.ssh",
        "home/build/.ssh",
        "etc/nix",
        "var/empty",
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "root/.ssh").chmod(0o700)
    for name in ("home/build", "home/build/.ssh"):
        os.chown(root / name, 2000, 2000)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").unlink(missing_ok=True)
