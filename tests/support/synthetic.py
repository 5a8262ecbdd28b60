"""Graphs of derivations with seeded culprits, and what builders would make of them: no Nix needed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.builders.build import Build, BuiltPath, Identity, Report, SandboxProof, SecondResult
from orchestrator.ground.digest import NarHash
from orchestrator.nix.derivation import Derivation, DerivationGraph

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SANDBOX = SandboxProof(("lo",), 1000, "/build", "localhost", ("build", "nix"), (), host_file_visible=False)


@dataclass(frozen=True)
class Synthetic:
    """A graph whose derivations pass on what they see, or do not."""

    graph: DerivationGraph
    passes: frozenset[str]
    """`.drv` paths whose output has what its inputs have; the others' has none of it."""
    refers: frozenset[str]
    """And those whose output refers to all of its inputs."""

    def report(
        self, name: str, culprits: Collection[str], again: Collection[str] = (), *, run: int = 0
    ) -> Report:
        """What a builder makes where each of `culprits` writes builder and run into its output.

        Those of `again` were built twice there, and came out otherwise the second time.
        """
        contents: dict[str, str] = {}
        builds: dict[str, Build] = {}
        inputs: dict[str, BuiltPath] = {}
        for drv in self.graph.in_build_order():
            (path,) = drv.outputs.values()
            below = [self.graph[each].outputs["out"] for each in drv.input_derivations]
            parts = [drv.path]
            if drv.path in self.passes:
                parts += [contents[each] for each in below]
            if drv.path in culprits:
                parts.append(f"{name} {run}")
            contents[path] = hashlib.sha256(" ".join(parts).encode()).hexdigest()
            references = tuple(sorted(below)) if drv.path in self.refers else ()
            made = BuiltPath(path, NarHash(contents[path]), 120, references)
            second = SecondResult(Path("second"), NarHash.of(contents[path].encode()))
            unstable = {"out": second} if drv.path in again else {}
            if drv.path in self.graph.roots or unstable:
                builds[drv.path] = Build(drv.path, {"out": made}, NOON, NOON, Path("log"), unstable)
            if drv.path not in self.graph.roots:
                inputs[path] = made
        identity = Identity(name, "local", nix_version="2.8.0")
        return Report(identity, SANDBOX, builds, inputs, ())


def derivation(name: str, inputs: Mapping[str, Derivation] | Collection[Derivation] = ()) -> Derivation:
    """One with one output; its name makes its path."""
    number = hashlib.sha256(name.encode()).hexdigest()[:32]
    below = inputs.values() if isinstance(inputs, Mapping) else inputs
    return Derivation(
        path=f"/nix/store/{number}-{name}.drv",
        system="x86_64-linux",
        builder_executable="/bin/sh",
        args=(),
        env={},
        outputs={"out": f"/nix/store/{number}-{name}"},
        fixed=None,
        input_derivations={each.path: ("out",) for each in below},
        input_sources=(),
    )


def synthetic(nodes: int, seed: int, *, passing: float = 0.7, referring: float = 0.2) -> Synthetic:
    """A graph of so many derivations, each with up to four inputs, all below one root."""
    chance = random.Random(seed)
    made: list[Derivation] = []
    used: set[str] = set()
    for number in range(nodes - 1):
        some = chance.sample(made[-60:], min(len(made[-60:]), chance.randint(0, 4)))
        used.update(each.path for each in some)
        made.append(derivation(f"d{number}", some))
    root = derivation("root", [each for each in made if each.path not in used])
    every = {each.path: each for each in (*made, root)}
    # the root holds all that it sees, as an image does
    passes = {path for path in every if chance.random() < passing} | {root.path}
    refers = {path for path in every if chance.random() < referring}
    return Synthetic(DerivationGraph(every, (root.path,)), frozenset(passes), frozenset(refers))
