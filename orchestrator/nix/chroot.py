"""A chroot store: its files are a folder of this machine, and can be looked at without Nix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, make_removable
from orchestrator.ground.nar import nar_hash
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass
from orchestrator.nix import database
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.nix.derivation import Derivation, DerivationGraph, name_of, parse
from orchestrator.nix.store import PathInfo, Store, chunks
from orchestrator.nix.storepath import text_path

_LARGEST = 64 << 20  # bytes of a derivation; one with a large script in it has some 100 kB


@dataclass(frozen=True)
class ChrootStore(Store):
    """The folder `root` holds `nix/store` and Nix's state."""

    nix: Nix
    root: Path
    ours: bool = True
    """Whether it lies in the state folder, and the next run makes anew what is removed of it."""

    @property
    def address(self) -> str:
        return str(self.root)

    @property
    def remedy(self) -> str:
        if self.ours:
            return f"remove {self.root}; the next run makes it anew"
        return f"see `nix-store --verify --check-contents --store {self.root}`, or name another store"

    def physical(self, path: str) -> Path:
        """Where a store path's bytes lie on this machine."""
        return self.root / path.lstrip("/")

    def bring(self, path: str) -> Path:
        return self.physical(path)

    def invalid(self, paths: Iterable[str]) -> set[str]:
        asked = set(paths)
        valid = database.valid(self.root, asked) if asked else asked
        return super().invalid(asked) if valid is None else asked - valid

    def information(self, paths: Iterable[str]) -> Mapping[str, PathInfo]:
        asked = list(dict.fromkeys(paths))
        rows = database.rows(self.root, asked) if asked else {}
        if rows is None or len(rows) < len(asked):  # Nix has its own words for what is not valid
            return super().information(asked)
        return {
            path: PathInfo(path, row.nar_hash, row.nar_size, row.references) for path, row in rows.items()
        }

    def foreign(self, paths: Iterable[str]) -> set[str]:
        """Those of these valid paths that were not built here, but copied or substituted."""
        asked = set(paths)
        rows = database.rows(self.root, asked) if asked else {}
        if rows is None:
            said = self.registrations(sorted(asked))
            return {path for path in asked if path not in said or not said[path].ultimate}
        return {path for path in asked if path not in rows or not rows[path].ultimate}

    def forget(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Delete these paths, and before them every output that was made with one of them; gives what went.

        Made with: the derivation has it in its build-time closure, but for what a fixed output stands on,
        whose digest says what it is. Raises NixFailed, as where another run uses one.
        """
        asked = sorted(paths)
        made = self._made_with(asked)
        made -= {*asked, *self.invalid(made)}
        for some in chunks(sorted(made)):  # first: a run that is killed here leaves what tells the next one
            self._delete(some)
        referring = self._queried("--referrers-closure", asked)
        self._delete(sorted(referring))
        return (*sorted(made), *sorted(referring))

    def without_others_users(self, paths: Iterable[str]) -> set[str]:
        """Those of these valid paths to which nothing else in the store refers than others of them."""
        left = set(paths)
        if not left:
            return left
        users = self._users_of(left)
        while held := {path for path in left if not users.get(path, set()) <= left}:
            left -= held
        return left

    def drop(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Delete those of these paths that nothing else refers to; gives what went. Raises NixFailed."""
        asked = set(paths)
        gone = sorted(self.without_others_users(asked - self.invalid(asked)))
        for some in chunks(gone):
            self._delete(some)
        return tuple(gone)

    def _users_of(self, paths: Iterable[str]) -> Mapping[str, set[str]]:
        """What refers to each of these paths, itself left out."""
        found: dict[str, set[str]] = {}
        asked = set(paths)
        for path, info in self.information(self._queried("--referrers-closure", sorted(asked))).items():
            for below in info.references:
                if below in asked:
                    found.setdefault(below, set()).add(path)
        return found

    def _delete(self, paths: Sequence[str]) -> None:
        if paths:
            self.nix.run(self.command("nix-store", "--delete", *paths))

    def _made_with(self, paths: Sequence[str]) -> set[str]:
        """The outputs of all derivations here that have one of these paths in their build-time closure."""
        makers = database.makers(self.root, paths)
        if makers is None:
            makers = {each for path in paths if (each := self.deriver(path)) is not None}
            makers -= self.invalid(makers)
        held = self._queried("--referrers-closure", sorted(makers))
        users: dict[str, list[Derivation]] = {}
        for path in held:
            if path.endswith(".drv"):
                derivation = self.derivation(path, any_digest=True)
                for below in derivation.input_derivations:
                    users.setdefault(below, []).append(derivation)
        found: set[str] = set()
        reached, left = set(makers), list(makers)
        while left:
            for user in users.get(left.pop(), ()):
                if user.fixed is None and user.path not in reached:
                    reached.add(user.path)
                    left.append(user.path)
                    found.update(user.outputs.values())
        return found

    def _queried(self, what: str, paths: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for some in chunks(paths):
            found.update(self.nix.run(self.command("nix-store", "--query", what, *some)).split())
        return found

    def holds(self, path: str) -> bool:
        # asked at every word of Nix about each build that goes on: no Path is made for that
        return os.path.lexists(f"{self.root}/{path.lstrip('/')}")

    def nar_hash(self, path: str) -> NarHash:
        return nar_hash(self.physical(path))

    def modified(self, paths: Iterable[str]) -> list[str]:
        """As for every store. Reads all of them, and what they refer to: a build sees that, too."""
        found: list[str] = []
        asked = set(paths)
        for some in chunks(sorted(self._with_references(asked - self.invalid(asked)))):
            try:
                self.nix.run(self.command("nix-store", "--verify-path", *some))
            except NixFailed as error:
                named = [path for path in some if path in error.message]
                if not named:
                    raise
                found.extend(named)
        return found

    def _with_references(self, paths: set[str]) -> set[str]:
        """These valid paths with all that they refer to; derivations alone, which refer to what made them."""
        found, new = set(paths), {path for path in paths if not path.endswith(".drv")}
        while new:
            new = {each for info in self.information(new).values() for each in info.references} - found
            found |= new
        return found

    def log_closed(self, derivation: str) -> datetime | None:
        name = derivation.rsplit("/", 1)[-1]
        log = self.root / "nix/var/log/nix/drvs" / name[:2] / f"{name[2:]}.bz2"
        try:
            return datetime.fromtimestamp(log.stat().st_mtime, UTC)
        except OSError:
            return None

    def second_result(self, path: str, *, told: bool) -> Path | None:
        kept = self.physical(f"{path}.check")
        return kept if os.path.lexists(kept) else None

    def clear_second_result(self, path: str) -> None:
        kept = self.physical(f"{path}.check")
        if kept.is_dir() and not kept.is_symlink():
            make_removable(kept)
            shutil.rmtree(kept)
        else:
            kept.unlink(missing_ok=True)

    def add_fixed(self, paths: Sequence[Path], *, recursive: bool, algorithm: str = "sha256") -> list[str]:
        """Put files (or, `recursive`, folders) where fixed-output derivations of their names expect them."""
        mode = ["--recursive"] if recursive else []
        added: list[str] = []
        for some in chunks(map(str, paths)):
            said = self.nix.run(self.command("nix-store", "--add-fixed", *mode, algorithm, *some))
            added.extend(said.split())
        return added

    def realise(self, derivations: Sequence[str]) -> None:
        """Build or fetch derivations' outputs here, in one invocation of Nix. Raises NixFailed."""
        self.nix.run(self.command("nix-store", "--realise", "--keep-going", *derivations))

    def export(self, paths: Sequence[str], take: Callable[[bytes], object]) -> None:
        """Valid paths, with all that they refer to among them, as a stream for `nix-store --import`."""
        self.nix.stream(self.command("nix-store", "--export", *paths), take)

    def import_(self, stream: IO[bytes]) -> None:
        """Take what `export` wrote, by nobody's signature. Raises NixFailed."""
        self.nix.run(self.command("nix-store", "--import"), stdin=stream)

    def graph(
        self,
        roots: Sequence[str],
        *,
        any_digest: bool = False,
        read: Mapping[str, Derivation] = MappingProxyType({}),
    ) -> DerivationGraph:
        """The derivations at `roots` and all below them, from the store's files. See `parse`.

        `read` are those that were read so before.
        """
        found: dict[str, Derivation] = {}
        wanted = list(roots)
        while wanted:
            path = wanted.pop()
            if path not in found:
                found[path] = read.get(path) or self.derivation(path, any_digest=any_digest)
                wanted.extend(found[path].input_derivations)
        return DerivationGraph(found, tuple(roots))

    def derivation(self, path: str, *, any_digest: bool = False) -> Derivation:
        """Read one `.drv` of this store. Raises TallyError when it is not there, or no longer what it was."""
        try:
            data = contents(self.physical(path), _LARGEST)
        except (OSError, ValueError) as error:
            raise TallyError(f"{path} is not in the store {self.root}: {why(error)}") from error
        altered = TallyError(
            f"{path} was altered in the store {self.root}",
            hint=self.remedy,
        )
        try:
            derivation = parse(path, data.decode(), any_digest=True)
        except (UnicodeDecodeError, TallyError) as error:
            raise altered from error
        references = (*derivation.input_derivations, *derivation.input_sources)
        if text_path(name_of(path), data, references) != path:
            raise altered
        if derivation.fixed is not None and not any_digest:
            _ = derivation.fixed.sha256
        return derivation

    def holds_the_same(self, path: str, other: ChrootStore) -> bool:
        """Whether a path that is one file has the same bytes in both stores."""
        try:
            return self.physical(path).read_bytes() == other.physical(path).read_bytes()
        except OSError:
            return False
