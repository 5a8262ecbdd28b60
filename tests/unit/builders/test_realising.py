"""What came of many derivations of which one fails: told of that one, and looked up once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthetic import derivation
from work import steps

from orchestrator.builders.build import Failure
from orchestrator.builders.realising import Limits, Realisation
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.derivation import Derivation, DerivationGraph


@dataclass(frozen=True)
class Telling(Nix):
    """Says so many lines, and ends with builds that failed."""

    lines: tuple[str, ...] = ()

    def follow(
        self, command: Sequence[str], on_line: Callable[[str], None], silence: float | None = None
    ) -> int:
        for line in self.lines:
            on_line(line)
        return 100


@dataclass(frozen=True)
class Holding(ChrootStore):
    """A store that holds nothing; it counts how often it is asked."""

    looks: list[int] = field(default_factory=list)

    def invalid(self, paths: Iterable[str]) -> set[str]:
        asked = set(paths)
        self.looks.append(len(asked))
        return asked

    def holds(self, path: str) -> bool:
        return False


def said(**event: object) -> str:
    return f"@nix {json.dumps(event)}"


def chain(length: int) -> DerivationGraph:
    made: list[Derivation] = []
    for number in range(length):
        made.append(derivation(f"d{number}", made[-1:]))
    return DerivationGraph({each.path: each for each in made}, (made[-1].path,))


def failing(folder: Path, graph: DerivationGraph, culprit: str) -> tuple[Holding, list[object]]:
    """What is told of a graph of which one derivation fails."""
    every = ", ".join(f"'{drv}'" for drv in graph.derivations)
    lines = (
        said(action="start", id=1, type=105, text="building", fields=[culprit, "", 1, 1]),
        said(action="stop", id=1),
        said(action="msg", level=0, msg=f"error: builder for '{culprit}' failed with exit code 1"),
        said(action="msg", level=0, msg=f"error: build of {every} failed"),
    )
    store = Holding(Telling("2.8.0", folder, lines=lines), folder / "store")
    realisation = Realisation.begin(store, graph, folder / "logs", lambda _: None, Limits())
    return store, list(realisation.outcomes(list(graph.derivations)))


def test_all_that_stands_on_a_failed_build_is_told_of_that_one(tmp_path: Path) -> None:
    graph = chain(5)
    below, culprit, *_ = graph.derivations
    _, outcomes = failing(tmp_path, graph, culprit)
    told = [(each.derivation, each.reason) for each in outcomes if isinstance(each, Failure)]
    assert told[1:] == [(culprit, f"builder for '{culprit}' failed with exit code 1")] * 4
    assert told[0][0] == below


def test_what_many_wait_for_is_looked_up_once(tmp_path: Path) -> None:
    looks, work = [], []
    for length in (100, 200):
        graph = chain(length)
        culprit = list(graph.derivations)[length // 2]

        def action(graph: DerivationGraph = graph, culprit: str = culprit) -> None:
            store, _ = failing(tmp_path, graph, culprit)
            looks.append(len(store.looks))

        work.append(steps(action))
    assert looks[0] == looks[1] < 6
    assert work[1] < 2.5 * work[0]
