"""diffoscope, asked about what nothing here looks into: a process with caps, which is never needed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from orchestrator.nix.child import started
from orchestrator.places.budget import Budget
from orchestrator.places.content import Content

_LARGEST: Final = 64 << 20
_SECONDS: Final = 60.0
_ADDRESSES: Final = 2 << 30
"""Bytes of addresses, which is more than memory: it and its libraries map files."""
_SAYS: Final = 16 << 20
_WRITES: Final = 256 << 20
_DEEPEST: Final = 50
_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class Said:
    """One of its differences, the innermost it knows."""

    where: str
    values: tuple[str, str]


def ask(program: str, name: str, first: Content, second: Content, budget: Budget) -> list[Said]:
    """What it says of two contents. Raises ValueError with why it could not be asked."""
    if max(first.size, second.size) > _LARGEST:
        raise ValueError(f"the file is larger than {_LARGEST} bytes")
    seconds = budget.left(_SECONDS)
    with tempfile.TemporaryDirectory(prefix="tally-diffoscope-") as folder, tempfile.TemporaryFile() as out:
        paths = []
        for side, content in (("a", first), ("b", second)):
            path = Path(folder, side, _file_name(name))
            path.parent.mkdir()
            _write(path, content)
            paths.append(str(path))
        # `--` since names are others'
        command = [program, "--json", "-", "--no-progress", "--", *paths]
        code = _run(command, seconds, out, Path(folder))
        if code not in (0, 1):
            raise ValueError(f"it ended with {code}")
        out.seek(0)
        data = out.read(_SAYS + 1)
    if len(data) > _SAYS:
        raise ValueError("it says too much")
    try:
        return list(_innermost(json.loads(data), "", 0))[:_MOST]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it says nothing that can be read; it may be too old") from error


def _file_name(name: str) -> str:
    """Of a name that is no path yet, since it may be anything: its last part, where that can name a file."""
    last = name.rpartition("/")[2]
    return last if last not in ("", ".", "..") else "content"


def _write(path: Path, content: Content) -> None:
    at = 0
    with path.open("xb") as stream:
        while chunk := content.at(at, 1 << 20):
            stream.write(chunk)
            at += len(chunk)


def _run(command: list[str], seconds: float, out: BinaryIO, folder: Path) -> int:
    """Its exit code. Raises ValueError."""
    environment = {**os.environ, "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
    try:
        process = started(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise ValueError(f"it cannot be started: {error.strerror}") from error
    try:
        for what, most in ((resource.RLIMIT_AS, _ADDRESSES), (resource.RLIMIT_FSIZE, _WRITES)):
            try:
                resource.prlimit(process.pid, what, (most, most))
            except ProcessLookupError:
                break
        return process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it took longer than {seconds:.0f} s") from error
    finally:
        try:
            os.killpg(process.pid, 9)  # what it started, too
        except ProcessLookupError:
            pass
        process.wait()


def _innermost(found: Any, where: str, depth: int) -> Iterator[Said]:
    if depth > _DEEPEST:
        raise ValueError
    name = str(found.get("source1") or "")
    comments = [str(each) for each in found.get("comments") or []][:1]
    here = " > ".join(filter(None, (where, name.rpartition("/")[2] if depth == 0 else name, *comments)))
    if diff := found.get("unified_diff"):
        lines = str(diff).splitlines()
        values = [next((line[1:] for line in lines if line.startswith(mark)), "nothing") for mark in "-+"]
        yield Said(here, (values[0], values[1]))
    for each in found.get("details") or []:
        yield from _innermost(each, here if depth else "", depth + 1)
