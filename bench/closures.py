"""Makes closures to measure with: a graph of derivations, and their outputs, in a chroot store of its own.

Nothing is built, which costs Nix 28 ms a derivation: outputs are written, hashed and registered instead.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.ground.nar import nar_hash
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.derivation import DerivationGraph

_EXPRESSION = Path(__file__).with_suffix(".nix")
_EDGES = 5
"""References of each path, as in a real closure: 51,655 of 10,000 paths were measured."""


@dataclass(frozen=True)
class Made:
    """A store with a closure in it."""

    store: ChrootStore
    top: str
    """The `.drv` that all others are below."""
    output: str
    """Its output, whose runtime closure has every other output."""


def make(folder: Path, count: int, *, edges: int = _EDGES, seed: int = 1, valid: bool = True) -> Made:
    """`count` derivations in a new store below `folder`, each with an output that is `valid`."""
    (folder / "scratch").mkdir(parents=True)
    store = ChrootStore(Nix.find(folder / "scratch"), folder / "store")
    nodes = folder / "nodes.json"
    nodes.write_text(json.dumps(list(_nodes(count, edges, random.Random(seed)))))
    said = store.nix.run(
        [
            *store.command("nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode"),
            *(str(_EXPRESSION), "--argstr", "nodes", str(nodes)),
        ]
    )
    derivations: list[str] = json.loads(said)
    graph = store.graph([derivations[-1]])
    if valid:
        _register(store, graph, folder / "registration")
    return Made(store, derivations[-1], graph[derivations[-1]].outputs["out"])


def _nodes(count: int, edges: int, choose: random.Random) -> Sequence[dict[str, Any]]:
    """Each uses some before it, always the one right before, so that the last leads to all."""
    found = []
    for number in range(count):
        before = choose.sample(range(number), min(number, edges))
        inputs = sorted({number - 1, *before[1:]}) if number else []
        found.append(
            {
                "name": f"part{number}",
                "version": f"1.{number % 7}.{number % 3}",
                "inputs": inputs,
                "tools": [0] if number and number % 2 and 0 not in inputs else [],
                "source": number % 3 == 0,
                "patched": number % 10 == 0,
            }
        )
    return found


def _register(store: ChrootStore, graph: DerivationGraph, file: Path) -> None:
    """Write each derivation's output, and tell the store's database of it (`nix-store --load-db`)."""
    lines: list[str] = []
    for derivation in graph.in_build_order():
        if derivation.fixed is not None:
            continue
        output = derivation.outputs["out"]
        references = derivation.env["buildInputs"].split()
        data = " ".join(references).encode()
        place = store.physical(output)
        place.write_bytes(data)
        place.chmod(0o444)
        lines += [
            output,
            nar_hash(place).hex,
            str(112 + -(-len(data) // 8) * 8),
            derivation.path,
            str(len(references)),
        ]
        lines += references
    file.write_text("\n".join(lines) + "\n")
    with file.open("rb") as stream:
        store.nix.run(store.command("nix-store", "--load-db"), stdin=stream)


if __name__ == "__main__":
    started = time.monotonic()
    made = make(Path(sys.argv[1]), int(sys.argv[2]))
    print(made.store.root, made.top, made.output, f"{time.monotonic() - started:.1f} s")
