"""What is in a squashfs image, by squashfs-tools' `unsquashfs`: a process with caps, never needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.nix.child import finished
from orchestrator.places.budget import Budget
from orchestrator.places.content import Content, Filed, Unreadable
from orchestrator.places.members import Format, Member
from orchestrator.places.place import Aspect

_LARGEST: Final = 2 << 30
"""Bytes of an image, and of what it holds."""
_SECONDS: Final = 120.0
_LISTING: Final = 64 << 20
_LINE: Final = re.compile(
    rb"(?P<mode>[a-z-][a-zA-Z-]{9}) (?P<owner>\d+/\d+) +(?P<size>\d+(?:, *\d+)?) "
    rb"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?) squashfs-root(?P<name>/.*)?"
)
FORMAT: Final = Format(
    "squashfs",
    ((Aspect.MODE, "mode"), (Aspect.OWNER, "owner"), (Aspect.TIME, "time"), (Aspect.TARGET, "target")),
)


_TARGET: Final = 3


def program() -> str | None:
    """Where it is installed; None: it is not."""
    return shutil.which("unsquashfs")


def members(program: str, content: Content, folder: Path, budget: Budget) -> list[Member]:
    """What an image holds, unpacked into an empty folder. Raises Unreadable, OSError."""
    if content.size > _LARGEST:
        raise Unreadable(f"it is larger than {_LARGEST} bytes")
    image, root = folder / "image", folder / "root"
    with image.open("xb") as stream:
        at = 0
        while chunk := content.at(at, 1 << 20):
            budget.tick()
            stream.write(chunk)
            at += len(chunk)
    listing = _run([program, "-UTC", "-lln", str(image)], budget)
    found = list(_listed(listing, root, budget))
    _refuse_elsewhere(found)
    _run([program, "-n", "-no", "-no-xattrs", "-d", str(root), str(image)], budget)
    return found


def _listed(listing: bytes, root: Path, budget: Budget) -> Iterator[Member]:
    size = 0
    for line in listing.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        budget.member()
        mode, name, target = match["mode"], (match["name"] or b"/.")[1:], b""
        if mode.startswith(b"l"):
            name, _, target = name.partition(b" -> ")
        is_file = mode.startswith(b"-")
        size += int(match["size"]) if is_file else 0
        if size > _LARGEST:
            raise Unreadable(f"it holds more than {_LARGEST} bytes")
        opens = partial(_opened, os.fsencode(root) + b"/" + name) if is_file else None
        yield Member(name, (mode, match["owner"], match["time"], target), opens)


def _refuse_elsewhere(found: list[Member]) -> None:
    """Before anything is unpacked: old programs follow a link that has a folder's name (CVE-2021-41072)."""
    names = [member.name for member in found]
    links = {member.name for member in found if member.values[_TARGET]}
    for name in names:
        parts = name.split(b"/")
        above = {b"/".join(parts[:end]) for end in range(1, len(parts))}
        if b".." in parts or above & links:
            raise Unreadable("it holds a file that leads elsewhere")
    if len(set(names)) < len(names):
        raise Unreadable("it holds two files of one name")


def _opened(path: bytes) -> Content:
    try:
        return Filed(os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"))
    except (OSError, ValueError) as error:
        raise Unreadable("it is not there once it is unpacked") from error


def _run(command: list[str], budget: Budget) -> bytes:
    """What it prints. Raises Unreadable."""
    seconds = budget.left(_SECONDS)
    try:
        done = finished(command, timeout=seconds, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise Unreadable(f"unsquashfs took longer than {seconds:.0f} s") from error
    except OSError as error:
        raise Unreadable(f"unsquashfs cannot be started: {error.strerror}") from error
    if done.returncode not in (0, 2) or len(done.stdout) > _LISTING:  # 2: some attribute could not be set
        raise Unreadable(f"unsquashfs ended with {done.returncode}")
    return done.stdout
