"""Programs in Go that Debian has as sources alone: built once a machine, by Debian's own Go."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from debs import unpack
from indexes import index
from once import one_at_a_time

from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors


@dataclass(frozen=True)
class GoProgram:
    """What to build, in Debian's GOPATH, `/usr/share/gocode`."""

    name: str
    packages: Sequence[str]
    is_needed: Callable[[str], bool]
    """Of the names of what these packages depend on."""
    folder: str
    """Below `src`, where the program's main package is."""
    alone: Sequence[str] = ()
    """Packages, without what they depend on: apt takes seconds to work that out for a library."""
    main: str | None = None
    """Its text, where Debian's package has no such program."""


@one_at_a_time
def built(state: Path, program: GoProgram) -> Path:
    """The program, kept in `state`, and nothing else. Raises TallyError where its packages cannot be had."""
    kept = state / "strangers" / program.name
    if not kept.exists():
        making = state / "strangers" / f"{program.name}.{os.getpid()}"
        try:
            _build(program, _unpacked(program, making), making).rename(kept)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return kept


def _unpacked(program: GoProgram, folder: Path) -> Path:
    apt = index("sid")  # as for cosign and crane
    packages = [each for each in apt.resolve(program.packages) if program.is_needed(each.name)]
    packages += [apt.candidate(name) for name in program.alone]
    root = folder / "root"
    unpack(packages, Sources(folder / "sources", Mirrors()), root)
    return root


def _build(program: GoProgram, root: Path, folder: Path) -> Path:
    share, (go,) = root / "usr/share/gocode", (root / "usr/lib").glob("go-*")
    main = share / "src" / program.folder
    if program.main is not None:
        main.mkdir(parents=True)
        (main / "main.go").write_text(program.main)
    environment = {
        "GO111MODULE": "off",
        "GOPATH": str(share),
        "GOROOT": str(go),
        "GOCACHE": str(folder / "cache"),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    made = folder / program.name
    # without optimisation it takes two thirds of the time, and tests ask little of it
    command: list[str | Path] = [go / "bin" / "go", "build", "-gcflags=all=-N -l", "-o", made, "."]
    done = subprocess.run(command, cwd=main, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made
