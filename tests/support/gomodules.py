"""A Go module proxy on loopback, filled from Debian's packages of Go sources.

Debian ships a module's files (`/usr/share/gocode/src/PATH`); they are zipped here in one way alone, so that
their hash is the same on every machine, and is not the one that they have elsewhere.
https://go.dev/ref/mod#goproxy-protocol
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from identify.vendor.licenses import LICENSES
from loopback import Answer, Asked, Route, Server
from once import one_at_a_time
from rust import commit

from orchestrator.dependencies.dependency import GoHash
from orchestrator.dependencies.go_sum import escaped, hash1
from orchestrator.ground.digest import Sha256
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

PROJECT = Path(__file__).parents[1] / "projects/go"
PINS = PROJECT / "modules.txt"
"""A line `POOL-PATH SHA256 MODULE VERSION` a package of Debian bookworm's."""
_SOURCES = "usr/share/gocode/src"
_FIRST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Module:
    """One version of a module, as a proxy has it. Without files it is of use for choosing versions alone."""

    path: str
    version: str
    files: dict[str, bytes]

    @property
    def go_mod(self) -> bytes:
        return self.files.get("go.mod", f"module {self.path}\n".encode())

    @property
    def zip(self) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, data in sorted(self.files.items()):
                archive.writestr(zipfile.ZipInfo(f"{self.path}@{self.version}/{name}", _FIRST), data)
        return packed.getvalue()

    @property
    def h1(self) -> GoHash:
        return hash1((f"{self.path}@{self.version}/{name}", data) for name, data in self.files.items())

    @property
    def lines(self) -> str:
        """Its lines of go.sum."""
        whole = f"{self.path} {self.version} {self.h1.h1}\n" if self.files else ""
        return f"{whole}{self.path} {self.version}/go.mod {hash1([('go.mod', self.go_mod)]).h1}\n"


LICENSED = "github.com/mattn/go-runewidth"
"""Debian's packages of modules leave licences out."""
UNISEG = Module("github.com/rivo/uniseg", "v0.2.0", {})
"""What go-runewidth asks for, and another module for a later one: its go.mod alone is read."""


@one_at_a_time
def debian_modules(state: Path, pins: Path = PINS) -> Path:
    """A folder with the sources of the pinned packages."""
    folder = state / "strangers" / f"modules-{Sha256.of_file(pins).hex[:16]}"
    if not folder.exists():
        sources = Sources(state / "strangers" / "sources", Mirrors())
        draft = folder.with_suffix(".draft")
        for line in pins.read_text().splitlines():
            pool, sha256, *_ = line.split()
            wanted = Wanted(Path(pool).name, Sha256(sha256), (f"mirror://debian/{pool}",))
            subprocess.run(["dpkg-deb", "--extract", sources.fetch(wanted), draft], check=True)
        (draft / _SOURCES).rename(folder)
    return folder


def modules_of(state: Path) -> list[Module]:
    """The pinned modules, one of them with a licence file, and the one that is read for its go.mod."""
    folder = debian_modules(state)
    found = [UNISEG]
    for line in PINS.read_text().splitlines():
        _, _, path, version = line.split()
        files = {
            str(each.relative_to(folder / path)): each.read_bytes()
            for each in sorted((folder / path).rglob("*"))
            if each.is_file() and not each.is_symlink()
        }
        if path == LICENSED:
            files["LICENSE"] = dict(LICENSES)["MIT"].encode()
        found.append(Module(path, version, files))
    return found


@dataclass
class GoProxy:
    """A proxy of these modules. `authorization`: what it wants to be asked with, if anything."""

    modules: Iterable[Module]
    authorization: str | None = None
    server: Server = field(default_factory=lambda: Server({}))

    @contextmanager
    def running(self) -> Iterator[GoProxy]:
        for each in self.modules:
            base = f"/proxy/{escaped(each.path)}/@v"
            self._add(f"{base}/{escaped(each.version)}.mod", each.go_mod)
            self._add(f"{base}/{escaped(each.version)}.info", json.dumps({"Version": each.version}).encode())
            if each.files:
                self._add(f"{base}/{escaped(each.version)}.zip", each.zip)
        with self.server.running():
            yield self

    @property
    def address(self) -> str:
        return f"{self.server.address}/proxy"

    def _add(self, path: str, data: bytes) -> None:
        def route(asked: Asked) -> Answer:
            given = {name.lower(): value for name, value in asked.headers.items()}.get("authorization")
            if self.authorization is not None and given != self.authorization:
                return Answer(b"who are you?", 401, "text/plain")
            return Answer(data, kind="application/octet-stream")

        made: Route = route
        self.server.routes[path] = made


def repository(folder: Path, lock: Path, *, recipes: bool = True) -> Path:
    """The Go project, committed; the toolchain's set lies there in this lock, which needs no index."""
    left = {"modules.txt"} if recipes else {"modules.txt", "recipes"}
    shutil.copytree(PROJECT, folder, ignore=lambda *_: left)
    commit(folder)
    shutil.copyfile(lock, folder / "tally.lock")
    return folder
