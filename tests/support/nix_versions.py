"""Nix as other Debian releases package it: unpacked into a folder, run by its own dynamic loader."""

from __future__ import annotations

import platform
from pathlib import Path

from debs import unpack
from once import one_at_a_time

from orchestrator.builders.host import nix_system
from orchestrator.ground.files import written_atomically
from orchestrator.pinning import debian
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
    unpack(packages, Sources(state / "sources", mirrors), root)


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
