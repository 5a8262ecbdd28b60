"""Where a Go module is: at the proxies that this machine's own go is set up to ask, with what it tells them.

https://go.dev/ref/mod#goproxy-protocol and #environment-variables
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from orchestrator.ground import others
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.values import dataclass
from orchestrator.sources.asking import asking

MIRROR: Final = "mirror://go/"
_TIMEOUT: Final = 60.0
_LARGEST: Final = 1 << 20
_NAMES: Final = ("GOPROXY", "GONOPROXY", "GOPRIVATE")


@dataclass(frozen=True, slots=True)
class GoSettings:
    """What this machine's go is told of proxies."""

    proxies: tuple[str, ...]
    """Addresses, in their order, each of which is asked whatever became of the one before."""
    others: tuple[str, ...]
    """What stands among them and is no address: `direct`, `off`."""
    private: tuple[str, ...]
    """Patterns of modules that no proxy is asked for."""

    def is_private(self, path: str) -> bool:
        """Whether a pattern is of a module or of what it is in (module.MatchPrefixPatterns)."""
        parts = path.split("/")
        return any(fnmatchcase("/".join(parts[: each.count("/") + 1]), each) for each in self.private)


def settings() -> GoSettings:
    """Raises TallyError where nothing says where modules are."""
    told = _environment()
    if "GOPROXY" not in told:
        told = {**_asked(), **told}
    words = [each.strip() for each in re.split(r"[,|]", told.get("GOPROXY", "")) if each.strip()]
    private = told.get("GONOPROXY") or told.get("GOPRIVATE") or ""
    return GoSettings(
        tuple(each for each in words if "://" in each),
        tuple(each for each in words if "://" not in each),
        tuple(each.strip() for each in private.split(",") if each.strip() and each.strip() != "none"),
    )


def _environment() -> Mapping[str, str]:
    """What the environment says, and the file that `go env -w` writes."""
    found = {}
    file = os.environ.get("GOENV") or str(
        Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "go/env"
    )
    try:
        lines = contents(Path(file), _LARGEST).decode().splitlines() if file != "off" else []
    except (OSError, ValueError):
        lines = []
    for line in lines:
        name, mark, value = line.partition("=")
        if mark and name.strip() in _NAMES:
            found[name.strip()] = value.strip()
    found |= {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
    return {name: value for name, value in found.items() if value}


def _asked() -> Mapping[str, str]:
    """What go itself says: it knows its default, this repository does not."""
    try:
        with others.nowhere() as folder:
            done = subprocess.run(
                ["go", "env", "-json", *_NAMES],
                cwd=folder,
                env={**others.environment(), "GOTOOLCHAIN": "local"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        said = json.loads(done.stdout)
        return {name: value for name, value in said.items() if isinstance(value, str) and value}
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TallyError(f"cannot run go: {why(error)}") from error
    except (ValueError, AttributeError) as error:
        raise TallyError("go does not say where its proxy is") from error


def addresses(url: str, bases: tuple[str, ...], configured: tuple[str, ...]) -> Iterator[str]:
    """Where the file of `mirror://go/MODULE/@v/FILE` may be.

    `bases` are the mirror's, of which those of tally.toml (`configured`) are asked for private modules, too.
    Raises Unreachable when there is nowhere to look.
    """
    path = url.removeprefix(MIRROR)
    module = re.sub(r"!([a-z])", lambda found: found[1].upper(), path.partition("/@v/")[0])
    private = settings_or_none()
    if private is not None and private.is_private(module):
        bases = tuple(base for base in bases if base in configured)
        if not bases:
            why_not = (
                "go is told to ask no proxy for it (GOPRIVATE, GONOPROXY), and repositories are not asked"
            )
            raise Unreachable(why_not)
    for base in bases:
        yield asking(f"{base}{path}")


def settings_or_none() -> GoSettings | None:
    try:
        return settings()
    except TallyError:
        return None
