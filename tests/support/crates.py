"""A Cargo registry on loopback that speaks the sparse protocol, filled from Debian's packages of crates.

Debian ships a crate unpacked (`/usr/share/cargo/registry/NAME-VERSION`); it is packed here in one way alone,
so that its checksum is the same on every machine, and is not the one that it has elsewhere.
https://doc.rust-lang.org/cargo/reference/registry-index.html
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopback import Answer, Asked, Route, Server
from once import one_at_a_time

from orchestrator.ground.digest import Sha256
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

PINS = Path(__file__).parents[1] / "projects/rust/crates.txt"
"""A line `POOL-PATH SHA256` a package of Debian bookworm's."""
_REGISTRY = "usr/share/cargo/registry"


@dataclass(frozen=True)
class Crate:
    """One crate as a registry has it."""

    name: str
    version: str
    data: bytes
    manifest: dict[str, Any]

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.crate"

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def entry(self) -> dict[str, Any]:
        """Its line in the index."""
        return {
            "name": self.name,
            "vers": self.version,
            "deps": [
                {
                    "name": name,
                    "req": said if isinstance(said, str) else said.get("version", "*"),
                    "features": [] if isinstance(said, str) else said.get("features", []),
                    "optional": isinstance(said, dict) and said.get("optional", False),
                    "default_features": isinstance(said, str) or said.get("default-features", True),
                    "target": None,
                    "kind": "normal",
                }
                for name, said in self.manifest.get("dependencies", {}).items()
            ],
            "cksum": self.checksum,
            "features": self.manifest.get("features", {}),
            "yanked": False,
        }


def packed(folder: Path) -> Crate:
    """An unpacked crate, packed as `cargo package` would, with the times and owners that it has nowhere."""
    manifest = tomllib.loads((folder / "Cargo.toml").read_text())
    name, version = manifest["package"]["name"], manifest["package"]["version"]
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()):
            if path.name not in (".cargo-checksum.json", ".cargo-ok"):
                member = tarfile.TarInfo(f"{name}-{version}/{path.relative_to(folder)}")
                member.size, member.mode = path.stat().st_size, 0o644
                with path.open("rb") as stream:
                    tar.addfile(member, stream)
    # stored and not compressed: the bytes do not depend on a version of zlib
    return Crate(name, version, gzip.compress(plain.getvalue(), 0, mtime=0), manifest)


@one_at_a_time
def debian_crates(state: Path, pins: Path = PINS) -> Path:
    """A folder with the unpacked crates of the pinned packages."""
    folder = state / "strangers" / f"crates-{Sha256.of_file(pins).hex[:16]}"
    if not folder.exists():
        sources = Sources(state / "strangers" / "sources", Mirrors())
        draft = folder.with_suffix(".draft")
        for line in pins.read_text().splitlines():
            pool, sha256 = line.split()
            wanted = Wanted(Path(pool).name, Sha256(sha256), (f"mirror://debian/{pool}",))
            subprocess.run(["dpkg-deb", "--extract", sources.fetch(wanted), draft], check=True)
        (draft / _REGISTRY).rename(folder)
    return folder


def crates_of(state: Path) -> list[Crate]:
    """The pinned crates, packed."""
    return [packed(each) for each in sorted(debian_crates(state).iterdir())]


@dataclass
class CargoRegistry:
    """A registry of these crates. `token`: whether, and by which, it wants to be asked."""

    crates: Iterable[Crate]
    token: str | None = None
    yanked: set[str] = field(default_factory=set)
    server: Server = field(default_factory=lambda: Server({}))

    @contextmanager
    def running(self) -> Iterator[CargoRegistry]:
        with self.server.running():
            entries: dict[str, list[dict[str, Any]]] = {}
            for crate in self.crates:
                entry = {**crate.entry, "yanked": f"{crate.name}@{crate.version}" in self.yanked}
                entries.setdefault(crate.name, []).append(entry)
                self._route(f"/dl/{crate.name}/{crate.version}/download", crate.data)
            for name, lines in entries.items():
                text = "".join(json.dumps(line) + "\n" for line in lines)
                self._route(f"/index/{prefix(name)}/{name.lower()}", text.encode())
            config = {"dl": f"{self.server.address}/dl", "auth-required": self.token is not None}
            self.server.routes["/index/config.json"] = self._guarded(json.dumps(config).encode())
            yield self

    @property
    def index(self) -> str:
        """As Cargo's configuration names it."""
        return f"sparse+{self.server.address}/index/"

    def _route(self, path: str, data: bytes) -> None:
        self.server.routes[path] = self._guarded(data)

    def _guarded(self, data: bytes) -> Route:
        def route(asked: Asked) -> Answer:
            given = {name.lower(): value for name, value in asked.headers.items()}.get("authorization")
            if self.token is not None and given != self.token:
                return Answer(b"who are you?", 401, "text/plain")
            return Answer(data, kind="application/octet-stream")

        return route


def prefix(name: str) -> str:
    """Where a name's file is in an index ("Index files" of the registry's protocol)."""
    name = name.lower()
    return {1: "1", 2: "2", 3: f"3/{name[:1]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")
