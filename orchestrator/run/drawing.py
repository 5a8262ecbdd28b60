"""Runs Graphviz's `dot`, which lays drawings out."""

from __future__ import annotations

import os
import subprocess
from typing import Final

from orchestrator.ground.errors import TallyError

_TIMEOUT: Final = 300.0
_INSTALL: Final = "install it: `apt-get install graphviz`"


def svg(dot: str) -> bytes:
    """A drawing in the language DOT, as SVG. Raises TallyError."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"],
            input=dot.encode(),
            env=environment,
            capture_output=True,
            timeout=_TIMEOUT,
        )
    except FileNotFoundError as error:
        raise TallyError("drawing takes Graphviz's `dot`, which is not here", hint=_INSTALL) from error
    except OSError as error:
        raise TallyError(f"`dot` cannot be started: {error.strerror}", hint=_INSTALL) from error
    except subprocess.TimeoutExpired as error:
        raise TallyError(f"`dot` was not done in {_TIMEOUT:g} seconds") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise TallyError(f"`dot` failed: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout
