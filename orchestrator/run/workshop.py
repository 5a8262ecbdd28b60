"""One run's tools: the state folder, Nix, the orchestrator's store, the builders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from orchestrator.builders import host, kinds
from orchestrator.builders.builder import Builder
from orchestrator.builders.configuration import BuilderTable, Configuration
from orchestrator.builders.hardware import Hardware
from orchestrator.builders.image import Image
from orchestrator.builders.variation import NO_VARIATION, Machine, Variation, vary
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.store import Store
from orchestrator.recipe.lock import Lock


@dataclass(frozen=True)
class Workshop:
    """Made by `opened`; everything it started or left in the scratch folder is gone when that ends."""

    state: State
    configuration: Configuration
    run: str
    """This run's name: unique on this state folder, and sorts by time."""
    store: ChrootStore
    """The orchestrator's own, where derivations are evaluated and sources are added."""
    ending: ExitStack
    """What runs when this ends."""

    def builders(
        self, only: Sequence[str] = (), lock: Lock | None = None, system: str | None = None
    ) -> list[Builder]:
        """The configured builders, or those named; `lock` is what virtual machines are made of.

        `system` is what they are to build for; None: it does not matter. Raises TallyError for an unknown
        name, for one that does not build for that, or for one alone.
        """
        chosen = self._tables(only)
        if system is not None:
            chosen = self._able(chosen, system, named=bool(only))
        if sum(not table.spare for table in chosen) < 2:
            raise TallyError(
                "one builder alone has nobody to agree with",
                hint="name at least two builders, or none for all",
            )
        needed = self.configuration.quorum or 2
        if needed > len(chosen):
            raise TallyError(
                f"the quorum is {needed}, and only "
                f"{counted(len(chosen), 'builder is', 'builders are')} named",
                hint="name more builders, or none for all",
            )
        builders = [self._builder(table, lock) for table in chosen]
        self._refuse_shared_stores({each.name: each.store for each in builders})
        return builders

    def named(self, only: Sequence[str] = (), lock: Lock | None = None) -> list[Builder]:
        """The same, also for one alone, which nothing can be signed with."""
        return [self._builder(table, lock) for table in self._tables(only)]

    def virtual(
        self, name: str, lock: Lock | None, hardware: Hardware, place: str, ending: ExitStack
    ) -> Builder:
        """A `vm` builder's machine with other hardware, in the scratch folder `place`; gone with `ending`."""
        [table] = self._tables([name])
        scratch = self.store.nix.scratch / place
        scratch.mkdir(parents=True, exist_ok=True)
        logs = scratch / "logs"
        image = cache(lambda: self.image(lock, table.system).folder())
        held = kinds.Place(self.state.store(table.name), scratch, logs, ending)
        return kinds.virtual(table, self.store.nix.version, held, image, hardware)

    def systems(self, builders: Sequence[Builder]) -> Mapping[str, str]:
        """By builder's name, a system that it builds for: this machine's if that is one of them."""
        tables, own = {table.name: table for table in self.configuration.builder}, host.nix_system()
        return {
            name: own if own in (tables[name].systems or (own,)) else tables[name].system
            for name in (builder.name for builder in builders)
        }

    def builds_for(self, name: str, system: str) -> bool:
        """Whether the builder of that name says so."""
        [table] = [each for each in self.configuration.builder if each.name == name]
        return system in (table.systems or (table.system,))

    def emulating(self, system: str) -> tuple[str, ...]:
        """The builders for a system to whom its processor is a program, as far as is known beforehand."""
        able = [table for table in self.configuration.builder if self.builds_for(table.name, system)]
        return tuple(table.name for table in able if kinds.emulates(table, system))

    def image(self, lock: Lock | None, system: str) -> Image:
        """The image of a machine of a system that a lock stands for. Raises TallyError when there is none."""
        if lock is None:
            raise TallyError("a virtual machine is made of what tally.lock pins, and none was read")
        return Image.of(self.store, lock, system)

    def _refuse_shared_stores(self, stores: Mapping[str, Store]) -> None:
        """Two names for one folder, by a link or a mount, are one store: its builds are not independent."""
        owners: dict[tuple[int, int], str] = {}
        for name, store in {"orchestrator": self.store, **stores}.items():
            if not isinstance(store, ChrootStore):
                continue
            for folder in (store.root, store.root / "nix" / "store"):
                try:
                    status = folder.stat()
                except OSError:
                    continue  # to be made by its first build
                other = owners.setdefault((status.st_dev, status.st_ino), name)
                if other != name:
                    raise TallyError(
                        f"the stores of {other} and {name} are one folder, {folder}",
                        hint="remove the link or the mount; the next run makes a store of its own there",
                    )

    def _tables(self, only: Sequence[str]) -> list[BuilderTable]:
        known = {table.name: table for table in self.configuration.builder}
        if unknown := sorted(set(only) - set(known)):
            raise TallyError(
                f"there is no builder {unknown[0]!r}", hint=f"the builders are {', '.join(known)}"
            )
        return [table for name, table in known.items() if not only or name in only]

    def _able(self, tables: Sequence[BuilderTable], system: str, *, named: bool) -> list[BuilderTable]:
        """Those that build for a system; of some that were named, each has to."""
        own = host.nix_system()
        able = [table for table in tables if system in (table.systems or (own,))]
        unable = [table.name for table in tables if table not in able]
        hint = f'`systems = ["{system}"]` in a [[builder]] of tally.toml says that it does'
        if not able:
            raise TallyError(f"there is no builder for {system}", hint=hint)
        if named and unable:
            raise TallyError(f"builder {unable[0]} does not build for {system}", hint=hint)
        if sum(not table.spare for table in able) < 2 and unable:
            raise TallyError(
                f"{able[0].name} is the only builder for {system}, and has nobody to agree with", hint=hint
            )
        return able

    def _builder(self, table: BuilderTable, lock: Lock | None) -> Builder:
        self.state.folder("stores")
        scratch = self.store.nix.scratch / table.name
        scratch.mkdir(exist_ok=True)
        logs = self.state.logs(self.run, table.name)
        place = kinds.Place(self.state.store(table.name), scratch, logs, self.ending)
        variation = self._variation(table, scratch / "builds")
        image = cache(lambda: self.image(lock, table.system).folder())
        return kinds.make(table, self.store.nix.version, place, variation, image, self._number(table))

    def hardware(self, name: str) -> Hardware:
        """What a `vm` builder's machine is made to look like."""
        [table] = self._tables([name])
        return kinds.hardware_of(table, self._number(table))

    def _number(self, table: BuilderTable) -> int:
        """Virtual machines differ by their place in tally.toml, also when only some are named."""
        machines = [each.name for each in self.configuration.builder if each.store == "vm"]
        return machines.index(table.name) if table.name in machines else 0

    def _variation(self, table: BuilderTable, folder: Path) -> Variation:
        """Embedded builders differ by their place in tally.toml, also when only some are named."""
        embedded = [each.name for each in self.configuration.builder if each.store == "local"]
        if table.name not in embedded:
            return NO_VARIATION
        folder.mkdir(exist_ok=True)
        version = self.store.nix.version
        wanted = self.configuration.variation.wanted
        return vary(embedded.index(table.name), wanted, Machine.seen(version), folder)


@contextmanager
def opened(
    state: State, configuration: Configuration, waiting: Callable[[], None] = lambda: None
) -> Iterator[Workshop]:
    """A workshop on a state folder; `waiting` is called before `tally clean` is waited for.

    Raises TallyError when that or Nix cannot be used.
    """
    # By the microsecond: one process opens several, one after the other (`tally rebuild` of a feed).
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    state.folder("stores")
    with state.scratch(run, waiting) as scratch, ExitStack() as ending:
        nix = Nix.find(scratch)
        yield Workshop(state, configuration, run, ChrootStore(nix, state.store("orchestrator")), ending)
