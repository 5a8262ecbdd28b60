"""Nix as other Debian releases package it: unpacked into a folder, run by its own dynamic loader."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from once import one_at_a_time

from orchestrator.builders.host import nix_system
from orchestrator.ground.digest import Sha256
from orchestrator.ground.files import written_atomically
from orchestrator.pinning import debian
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

_ARCHITECTURES = {"x86_64-linux": "amd64", "aarch64-linux": "arm64"}
_PROGRAMS = ("nix", "nix-instantiate", "nix-store", "nix-build", "nix-hash")
_WRAPPER = """\
#!/bin/sh
root={root}
libraries=$root/usr/lib/{triplet}:$root/lib/{triplet}:$root/usr/lib/nix
export NIX_CONFIG="$NIX_CONFIG
build-hook ="
exec "$root{loader}" --library-path "$libraries" --argv0 {program} "$root/usr/bin/nix" "$@"
"""


@one_at_a_time
def of_suite(suite: str, state: Path) -> Path:
    """A folder with the Nix commands of a Debian suite; kept in `state`, fetched with apt."""
    root = state / "nix-versions" / suite
    programs = root / "programs"
    if not (programs / _PROGRAMS[-1]).exists():
        _unpack(suite, state, root)
        programs.mkdir(exist_ok=True)
        for program in _PROGRAMS:
            _write_wrapper(root, programs / program)
    return programs


def _unpack(suite: str, state: Path, root: Path) -> None:
    mirrors = Mirrors()
    # sid's index can be past its validity on a mirror
    addresses = [address.rstrip("/") for address in mirrors.bases("debian")]
    with debian.opened(addresses, _ARCHITECTURES[nix_system()], suite, expired=suite == "sid") as apt:
        packages = apt.resolve(["nix-bin"])
    wanted = [
        Wanted(package.file.replace("~", "_"), Sha256(package.sha256), (f"mirror://debian/{package.pool}",))
        for package in packages
    ]
    sources = Sources(state / "sources", mirrors)
    sources.fetch_all(sources.missing(wanted))
    root.mkdir(parents=True, exist_ok=True)
    for each in wanted:
        # a package of a release with merged /usr puts the links /bin, /lib, … in; one without, folders
        command = ["dpkg-deb", "--fsys-tarfile", str(sources.path(each))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking:
            subprocess.run(
                ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)],
                stdin=unpacking.stdout,
                check=True,
            )
        assert unpacking.returncode == 0, each


def _write_wrapper(root: Path, program: Path) -> None:
    triplet = f"{platform.machine()}-linux-gnu"
    found = sorted(root.glob(f"usr/lib/{triplet}/ld-linux-*.so.*")) + sorted(
        root.glob(f"lib/{triplet}/ld-linux-*.so.*")
    )
    text = _WRAPPER.format(
        root=root, triplet=triplet, loader=found[0].as_posix().removeprefix(str(root)), program=program.name
    )
    with written_atomically(program) as stream:
        stream.write(text.encode())
    program.chmod(0o755)
