"""A Nix store, wherever it is, asked through the commands that are the same from Nix 2.8 to 2.34."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.ground.wording import counted
from orchestrator.nix.command import Nix, NixFailed

_PATHS_A_COMMAND = 2000  # of at most 255 bytes each: a quarter of the 2 MB that the kernel takes


@dataclass(frozen=True, slots=True)
class PathInfo:
    """What a store's database holds of one valid path."""

    path: str
    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """Without the path itself, sorted."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a store says of where a valid path came from."""

    ultimate: bool
    """Built there, as opposed to copied or substituted from elsewhere."""
    signatures: tuple[str, ...]
    """`NAME:BASE64`, as Nix writes them."""
    references: tuple[str, ...]
    """With the path itself where it refers to itself."""
    registered: datetime | None = None
    """When its database took it in, UTC; None where it does not tell."""


class Store(ABC):
    """What can be asked of every store; the rest depends on where its files are."""

    nix: Nix
    """How commands on this store are run."""

    @property
    @abstractmethod
    def address(self) -> str:
        """What Nix's `--store` takes."""

    def command(self, program: str, *arguments: str) -> list[str]:
        return [program, "--store", self.address, *arguments]

    def invalid(self, paths: Iterable[str]) -> set[str]:
        """Those of `paths` that the store does not hold."""
        missing: set[str] = set()
        for some in chunks(paths):
            said = self.nix.run(self.command("nix-store", "--check-validity", "--print-invalid", *some))
            missing.update(said.split())
        return missing

    def information(self, paths: Iterable[str]) -> Mapping[str, PathInfo]:
        """The database's entries of valid paths. Raises NixFailed when one is not valid."""
        found: dict[str, PathInfo] = {}
        for some in chunks(paths):
            lines = iter(self.nix.run(self.command("nix-store", "--dump-db", *some)).splitlines())
            for path in lines:
                nar_hash, nar_size, _deriver, count = (next(lines) for _ in range(4))
                references = sorted({next(lines) for _ in range(int(count))} - {path})
                nar_hash = nar_hash.removeprefix("sha256:")
                found[path] = PathInfo(path, NarHash(nar_hash), int(nar_size), tuple(references))
        return found

    def registrations(self, paths: Sequence[str]) -> Mapping[str, Registration]:
        """Where valid paths came from, as the store says."""
        found: dict[str, Registration] = {}
        for some in chunks(paths):
            command = ["nix", "path-info", "--json", "--store", self.address, *some]
            for path, entry in _entries(self.nix.run(command)):
                signatures = tuple(str(one) for one in entry.get("signatures", ()))
                references = tuple(str(one) for one in entry.get("references", ()))
                registered = _time(entry.get("registrationTime"))
                found[path] = Registration(entry.get("ultimate") is True, signatures, references, registered)
        return found

    def deriver(self, path: str) -> str | None:
        """The derivation that the database says made a valid path; None: it says none."""
        said = self.nix.run(self.command("nix-store", "--query", "--deriver", path)).strip()
        return said if said.startswith("/nix/store/") and said.endswith(".drv") else None

    def requisites(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Valid paths with all that they refer to, sorted: of a derivation, what it is built with."""
        found: set[str] = set()
        for some in chunks(paths):
            found.update(self.nix.run(self.command("nix-store", "--query", "--requisites", *some)).split())
        return tuple(sorted(found))

    def copy_from(self, other: Store, paths: Sequence[str]) -> None:
        """Take the closure of derivations or of other paths; for a derivation, never its outputs.

        Raises NixFailed when that cannot be done.
        """
        derivations = [path for path in paths if path.endswith(".drv")]
        others = [path for path in paths if not path.endswith(".drv")]
        # with --derivation Nix copies the .drv files; on 2.8 it would else mean, and build, their outputs
        copy = ["nix", "copy", "--no-check-sigs", "--from", other.address, "--to", self.address]
        for some, flags in ((derivations, ["--derivation"]), (others, [])):
            for chunk in chunks(some):
                self._copy([*copy, *flags], chunk)

    def _copy(self, command: Sequence[str], paths: Sequence[str]) -> None:
        """Copy paths; what is lacking afterwards is tried again as long as that is less and less.

        Nix 2.8 ends, having lost its place in the stream, when another run brings one of the paths meanwhile.
        Over a connection that breaks it may also say that all went well: what counts is what is there.
        """
        lacking = set(paths)
        while lacking:
            failed: NixFailed | None = None
            try:
                self.nix.run([*command, *paths])
            except NixFailed as error:
                failed = error
            left = self.invalid(paths)
            if left and not left < lacking:
                raise failed or self._not_arrived(left)
            lacking = left

    def _not_arrived(self, paths: Iterable[str]) -> TallyError:
        some = sorted(paths)
        return TallyError(
            f"{self.address} lacks {counted(len(some), 'path')} that were copied to it, {some[0]} among them",
            hint="see whether its disk and the connection to it hold, then run the command again",
        )

    @property
    def ends_with_builds_error(self) -> bool:
        """Whether `nix-store` ends with status 1, that of any error, where a build failed or differed."""
        return False

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What to do when the store holds what it must not."""

    @abstractmethod
    def holds(self, path: str) -> bool:
        """Whether a path's bytes are seen to be there, valid or not yet; False where that cannot be seen."""

    @abstractmethod
    def nar_hash(self, path: str) -> NarHash:
        """Hash a path's bytes as they are now, whatever the database says."""

    @abstractmethod
    def modified(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths` that it holds, and that are seen to be no longer what the database says."""

    @abstractmethod
    def bring(self, path: str) -> Path:
        """Where a path's bytes lie on this machine, brought here if need be."""

    @abstractmethod
    def log_closed(self, derivation: str) -> datetime | None:
        """When Nix closed the log of a derivation's last build there; None where that cannot be seen."""

    @abstractmethod
    def second_result(self, path: str, *, told: bool) -> Path | None:
        """What a check made of `path` and found to differ, kept aside by Nix; brought here if need be.

        `told` is whether Nix said in this run that it differs. None when nothing is there to be had.
        """

    @abstractmethod
    def clear_second_result(self, path: str) -> None:
        """Remove what an earlier check kept aside, where that is ours to remove."""


def chunks(paths: Iterable[str]) -> Iterator[list[str]]:
    """Paths in lists that fit on a command line."""
    items = list(paths)
    for start in range(0, len(items), _PATHS_A_COMMAND):
        yield items[start : start + _PATHS_A_COMMAND]


def _time(seconds: object) -> datetime | None:
    if not isinstance(seconds, int) or not 0 < seconds < 1 << 35:  # a thousand years
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _entries(said: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """`nix path-info --json`: a list in Nix 2.8, an object by path since 2.19."""
    try:
        value = json.loads(said)
        if isinstance(value, list):
            return [(str(entry["path"]), entry) for entry in value]
        return [(path, entry) for path, entry in value.items() if isinstance(entry, dict)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TallyError(f"Nix's answer about paths is not understood: {why(error)}") from error
