"""A store that only Nix's worker protocol reaches: another host's, or the one behind this machine's daemon.

Its files cannot be looked at, so bytes are streamed from it and hashed here: what counts is what a host hands
over, never what its database says alone.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.nix.command import Nix
from orchestrator.nix.store import Store

WriteAside = Callable[[str, Path], bool]
"""Writes the NAR of what Nix kept aside on the host, at a path that is in no database, to a file of ours.
False where that cannot be had."""


def nothing_kept(path: str, nar: Path) -> bool:
    """For a store that nothing is checked in."""
    return False


@dataclass(frozen=True)
class RemoteStore(Store):
    """A store at an address such as `daemon` or `ssh-ng://host`."""

    nix: Nix
    uri: str
    kept: WriteAside
    _brought: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)

    @property
    def address(self) -> str:
        return self.uri

    @property
    def ends_with_builds_error(self) -> bool:
        return True

    @property
    def remedy(self) -> str:
        return f"look at that host; `nix-store --delete` of the path there makes {self.uri} build it anew"

    def holds(self, path: str) -> bool:
        return False

    def log_closed(self, derivation: str) -> datetime | None:
        return None

    def modified(self, paths: Iterable[str]) -> list[str]:
        """Nothing: to tell, every input would have to come over the wire. The outputs do, in `nar_hash`."""
        return []

    def nar_hash(self, path: str) -> NarHash:
        digest = hashlib.sha256()
        self._dump(path, digest.update)
        return NarHash(digest.hexdigest())

    def bring(self, path: str) -> Path:
        """A copy in this run's scratch folder, made once."""
        if path not in self._brought:
            nar = self._scratch("nar")
            with _writing(nar) as stream:
                self._dump(path, stream.write)
            self._brought[path] = self._restored(nar, Path(path).name)
        return self._brought[path]

    def second_result(self, path: str, *, told: bool) -> Path | None:
        if not told:
            return None
        nar = self._scratch("nar")
        if not self.kept(f"{path}.check", nar):
            return None
        return self._restored(nar, f"{Path(path).name}.check")

    def clear_second_result(self, path: str) -> None:
        """Nothing: what lies on the host is its own. An earlier one is not taken for this run's."""

    def nix_version(self) -> str | None:
        """The Nix behind the address, where it says; daemons before 2.10 do not."""
        try:
            said = json.loads(self.nix.run(["nix", "store", "ping", "--json", "--store", self.uri]))
        except (TallyError, ValueError):
            return None
        version = said.get("version") if isinstance(said, dict) else None
        return version if isinstance(version, str) else None

    def _dump(self, path: str, take: Callable[[bytes], object]) -> None:
        self.nix.stream(["nix", "store", "dump-path", "--store", self.uri, path], take)

    def _scratch(self, suffix: str) -> Path:
        folder = self.nix.scratch / "brought"
        try:
            folder.mkdir(exist_ok=True)
            return Path(tempfile.mkdtemp(dir=folder)) / suffix
        except OSError as error:
            raise cannot_write(folder, error) from error

    def _restored(self, nar: Path, name: str) -> Path:
        target = nar.with_name(name)
        with nar.open("rb") as stream:
            self.nix.run(["nix-store", "--restore", str(target)], stdin=stream)
        nar.unlink()
        return target


def _writing(path: Path) -> Any:
    try:
        return path.open("wb")
    except OSError as error:
        raise cannot_write(path, error) from error
