"""A sandbox like Nix's own, for somebody who wants to see what a build sees. Nothing made in it counts.

Nix has no way to put a terminal into one of its own. What it gives a build, by its documentation and
`src/libstore/build/local-derivation-goal.cc`, is made again here: inside.py does it, in a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from subprocess import Popen

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.values import dataclass
from orchestrator.nix import child
from orchestrator.nix.derivation import Derivation

INSIDE = Path(__file__).with_name("inside.py")
FAILED = 125
"""The status where the sandbox could not be made: inside.py says why, on standard error."""
TOP = "/build"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a derivation's build sees. `prepared` makes one."""

    folder: Path
    """A folder of ours: what becomes `/` is below it."""
    build: Path
    """What becomes `/build`."""
    derivation: Derivation
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    store: Sequence[tuple[str, str]]
    """Place on this machine and store path of all that the build may see."""

    @contextmanager
    def entered(self, *, stdin: int, stdout: int, stderr: int, terminal: bool) -> Iterator[Popen[bytes]]:
        """The build's own program, begun there. It ends with this block, and whatever it mounted with it."""
        specification = self.folder / "specification.json"
        root = self.folder / "root"
        said = {
            "root": str(root),
            "build": str(self.build),
            "store": list(self.store),
            "command": [self.derivation.builder_executable, *self.arguments],
            "environment": dict(self.environment),
            "terminal": terminal,
        }
        try:
            root.mkdir()
            specification.write_text(json.dumps(said))
        except OSError as error:
            raise cannot_write(specification, error) from error
        command = [sys.executable, "-I", str(INSIDE), str(specification)]
        process = child.started(
            command, SIGKILL, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def prepared(
    derivation: Derivation,
    store: Sequence[tuple[str, str]],
    folder: Path,
    *,
    files: Mapping[str, str],
    build: Path | None = None,
    script: str | None = None,
    cores: int | None = None,
) -> Sandbox:
    """A derivation's sandbox, in an empty folder.

    `files` are put in place of variables that the derivation passes as files, by the variable's name. `build`
    is a build's own folder of earlier; None: a new one. `script` is what takes the place of the script that
    the toolchain starts. Raises TallyError.
    """
    build = build or folder / "build"
    environment = dict(derivation.env)
    try:
        build.mkdir(mode=0o700, exist_ok=True)
        for name in environment.pop("passAsFile", "").split():
            path = build / f".attr-{name}"
            text = files.get(name, environment.pop(name, ""))
            path.unlink(missing_ok=True)  # what a build of earlier left there may be a link to anywhere
            with path.open("x") as stream:
                stream.write(text)
            environment.pop(name, None)
            environment[f"{name}Path"] = f"{TOP}/{path.name}"
    except OSError as error:
        raise cannot_write(build, error) from error
    environment["passAsFile"] = derivation.env.get("passAsFile", "")
    arguments = derivation.args
    if script is not None:
        if "tallyScriptFile" in environment:  # stdenv's: nixpkgs-enter.sh
            environment["tallyScriptFile"] = script
        else:
            arguments = (*arguments[:-1], script)
    return Sandbox(folder, build, derivation, arguments, environment | _of_nix(environment, cores), store)


def _of_nix(environment: Mapping[str, str], cores: int | None) -> dict[str, str]:
    """What Nix adds to a build's environment, unless the derivation says otherwise (its `initEnv`)."""
    fallback = {"PATH": "/path-not-set", "HOME": "/homeless-shelter"}
    return {
        **{name: value for name, value in fallback.items() if name not in environment},
        "NIX_STORE": "/nix/store",
        "NIX_BUILD_CORES": str(cores or len(os.sched_getaffinity(0))),
        "NIX_BUILD_TOP": TOP,
        **dict.fromkeys(("TMPDIR", "TEMPDIR", "TMP", "TEMP"), TOP),
        "PWD": TOP,
        "TERM": "xterm-256color",
    }


def refuse(status: int) -> None:
    """Raises TallyError for a program that never began."""
    if status == FAILED:
        raise TallyError(
            "the build's sandbox could not be entered: see above",
            hint="run `tally doctor` to see what this machine lacks for one",
        )
