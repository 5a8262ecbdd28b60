"""The orchestrator's memory does not grow with the artifact: the benchmark, with a smaller file."""

from __future__ import annotations

import memory


def test_an_artifact_is_never_held_in_memory() -> None:
    for figure in memory.figures(size=300_000_000):
        assert figure.holds, figure.line()
