"""Experiments: one derivation, built again in an embedded store with the surroundings of our choice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.agreement.keeping import copy_tree
from orchestrator.builders.build import Build, Failure
from orchestrator.builders.builder import Builder
from orchestrator.builders.realising import Realisation
from orchestrator.builders.variation import NO_VARIATION, Machine, Variation
from orchestrator.diagnosis.knobs import Setting
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import DerivationGraph

_EARLY = 0.1
"""Of a second: what has the time in it is most often written soon after."""
NEXT_SECOND = 1.1
"""Seconds: past the next full one."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one experiment made."""

    trees: Mapping[str, Path]
    """Output name to the file or folder that was made."""
    changed: frozenset[str]
    """The outputs that did not come out as the store of this experiment holds them."""
    began: float = 0.0
    """When Nix began to build (Unix time)."""
    lead: float = 0.0
    """Seconds until then, from when it was asked to."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An experiment that made nothing to compare."""

    why: str
    """In a line."""


@dataclass(frozen=True)
class Laboratory:
    """One derivation, with everything below it there, and an embedded builder's store to build it in.

    The store keeps the result that it has: an experiment's is put aside in `scratch`.
    """

    builder: Builder
    graph: DerivationGraph
    derivation: str
    machine: Machine
    scratch: Path
    patience: int
    """Seconds after which Nix ends a build."""

    def build(self, setting: Setting) -> Result | Failed:
        """Build it once more so. The first call builds it if the store holds nothing of it."""
        folder = self._folder()
        variation = setting.variation(self.machine, self._empty(folder / "builds"))
        return self._made(variation, folder)

    def together(self, other: Laboratory, lead: float) -> tuple[Result | Failed, Result | Failed]:
        """Two builds at the same time, in two stores, with nothing varied.

        They begin early in a second, where Nix takes `lead` seconds to begin.
        """
        time.sleep((_EARLY - lead - time.time()) % 1)
        with ThreadPoolExecutor(2) as threads:
            one = threads.submit(self._made, NO_VARIATION, self._folder())
            two = threads.submit(other._made, NO_VARIATION, other._folder())
            return one.result(), two.result()

    def in_turn(self, other: Laboratory, varied: Setting) -> tuple[Result, Result] | Failed:
        """A build as it is, and a second later one in `other` so; the first that failed where one did."""
        plain = self.build(Setting())
        time.sleep(NEXT_SECOND)  # else what has the time in it would agree by chance
        second = other.build(varied)
        if isinstance(plain, Failed):
            return plain
        return second if isinstance(second, Failed) else (plain, second)

    def held(self) -> Mapping[str, Path]:
        """Output name to what the store holds of it. Raises TallyError where it cannot be built, either."""
        outputs = self.graph[self.derivation].outputs
        if self.builder.store.invalid(outputs.values()):
            found = self.build(Setting())
            if isinstance(found, Failed):
                raise TallyError(f"{self.derivation} cannot be built again: {found.why}")
        return {name: self.builder.store.bring(path) for name, path in outputs.items()}

    def _made(self, variation: Variation, folder: Path) -> Result | Failed:
        asked = time.time()
        limits = self.builder.limits
        limits = replace(
            limits,
            # of two words for one thing Nix takes the last: a knob counts more than what the table says
            flags=(*limits.flags, *variation.flags, "--timeout", str(self.patience)),
            around=variation.around,
            when_full=variation.when_full,
        )
        realisation = Realisation.begin(
            self.builder.store, self.graph, folder / "logs", lambda _: None, limits
        )
        [outcome] = realisation.outcomes([self.derivation])
        if isinstance(outcome, Failure):
            return Failed(line(outcome))
        return self._aside(outcome, folder, asked)

    def _aside(self, build: Build, folder: Path, asked: float) -> Result:
        """The next experiment would remove what differs, so it is copied."""
        trees = {}
        for name, built in build.outputs.items():
            if name in build.unstable:
                trees[name] = folder / "made" / Path(built.path).name
                copy_tree(build.unstable[name].path, trees[name])
            else:
                trees[name] = self.builder.store.bring(built.path)
        began = build.started.timestamp()
        return Result(trees, frozenset(build.unstable), began, began - asked)

    def _folder(self) -> Path:
        self.scratch.mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in self.scratch.iterdir())
        return self._empty(self.scratch / f"{number:03}")

    @staticmethod
    def _empty(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def line(failure: Failure) -> str:
    """Why a build failed, in a line."""
    last = next((line for line in reversed(failure.last_lines) if line.strip()), "")
    first = failure.reason.partition("\n")[0]
    return f"{first}: {last.strip()}" if last else first


__all__ = ["NEXT_SECOND", "Failed", "Laboratory", "Result", "line"]
