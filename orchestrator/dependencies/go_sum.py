"""go.sum: a hash for each module's files, and one for its go.mod. Pure.

Format: https://go.dev/ref/mod#go-sum-files; the hash is golang.org/x/mod/sumdb/dirhash's Hash1.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from orchestrator.dependencies.dependency import BadLock, GoHash
from orchestrator.dependencies.go_mod import Module
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted

LIMIT: Final = 16 << 20
AGAIN: Final = "run `go mod tidy`"
_PATH: Final = re.compile(r"[A-Za-z0-9~_.-]+(/[A-Za-z0-9~_.+-]+)*")
_VERSION: Final = re.compile(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_GO_MOD: Final = "/go.mod"


@dataclass(frozen=True, slots=True)
class Sum:
    """One line."""

    module: Module
    of_go_mod: bool
    """Whether the hash is that of its go.mod alone."""
    digest: GoHash
    line: int


def read(data: bytes, place: str) -> tuple[Sum, ...]:
    """Each module's files and go.mod once, in the file's order. Raises BadLock."""
    if len(data) > LIMIT:
        raise BadLock(place, None, f"it is larger than {LIMIT >> 20} MiB, and not read", hint=AGAIN)
    found: dict[tuple[Module, bool], Sum] = {}
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.decode("utf-8", "replace")
        if not line.strip():
            continue
        words = line.split()
        if len(words) != 3:
            problem = f"{counted(len(words), 'word')} in place of module, version and hash"
            hint = "keep the lines of one side, then " + AGAIN if line.startswith("<<<<<<<") else AGAIN
            raise BadLock(place, number, problem, hint=hint)
        path, version, told = words
        of_go_mod = version.endswith(_GO_MOD)
        module = checked(path, version.removesuffix(_GO_MOD), place, number)
        one = Sum(module, of_go_mod, _digest(told, place, number), number)
        other = found.setdefault((module, of_go_mod), one)
        if other.digest != one.digest:
            problem = f"{path} {version} has another hash on line {other.line}"
            hint = "one of them is not that of the module that others got: see `go mod verify`"
            raise BadLock(place, number, problem, hint=hint)
    return tuple(found.values())


def checked(path: str, version: str, place: str, line: int) -> Module:
    """A module's path and version, which become names of files. Raises BadLock."""
    if len(path) > 300 or not _PATH.fullmatch(path) or any(set(part) <= {"."} for part in path.split("/")):
        raise BadLock(place, line, f"{path[:200]!r} is no module's path", hint=AGAIN)
    if len(version) > 200 or not _VERSION.fullmatch(version):
        raise BadLock(place, line, f"{path} has the version {version[:100]!r}, which is none", hint=AGAIN)
    return Module(path, version)


def _digest(told: str, place: str, line: int) -> GoHash:
    kind, _, text = told.partition(":")
    if kind != "h1":
        raise BadLock(place, line, f"a hash of the kind {kind[:20]!r}, and h1 is known", hint=AGAIN)
    try:
        whole = len(b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        whole = False
    if not whole:
        raise BadLock(place, line, f"{told[:80]!r} is no h1", hint=AGAIN)
    return GoHash(told)


def escaped(text: str) -> str:
    """A path or version as module proxies write it: `!` and a small letter for a capital one."""
    return re.sub(r"[A-Z]", lambda found: f"!{found[0].lower()}", text)


def hash1(files: Iterable[tuple[str, bytes]]) -> GoHash:
    """The hash of files, by their names and the sha256 of their bytes: dirhash's Hash1."""
    return summed({name: sha256(data).hexdigest() for name, data in files})


def summed(digests: Mapping[str, str]) -> GoHash:
    """The same, of names and digests in hexadecimal."""
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return GoHash(f"h1:{b64encode(sha256(lines.encode()).digest()).decode()}")
