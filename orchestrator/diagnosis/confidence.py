"""How sure an answer is: the share of answers with such evidence that are right on the corpora. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from orchestrator.diagnosis.names import Name

HINTED_ELSEWHERE, HINTED, SHOWN, WITNESSED, PROVEN = 1.0, 2.0, 3.0, 5.0, 6.0
"""Strengths of evidence, and its weights: a line that could write such a value; one that names the file; the
bytes; what a probe saw of both sides; an experiment."""
_SHARES: Final = (
    (PROVEN, 0.97),
    (WITNESSED, 0.95),
    (SHOWN, 0.9),
    (HINTED, 0.8),
    (HINTED_ELSEWHERE, 0.7),
)
"""The strongest evidence to the share that is right, as `bench/run.py diagnosis` prints it."""
_WITHOUT: Final = 0.5
FEWEST: Final = 0.05
"""Where nothing speaks for any cause."""
_CLOSE: Final = 0.8
"""A second one with more than that of the first one's weight makes it less sure, by as much."""


def confidences(ranked: Sequence[tuple[Name, float]], strongest: float) -> Mapping[Name, float]:
    """By name, of causes and their weights, the heaviest first; `strongest` is the first one's best evidence.

    The others share what the first one leaves, by their weights.
    """
    (first, most), *others = ranked
    sure = next((share for least, share in _SHARES if strongest >= least), _WITHOUT)
    if others and others[0][1] > _CLOSE * most:
        sure *= _CLOSE
    left, all_of_them = 1 - sure, sum(weight for _, weight in others)
    rest = {name: round(min(sure, left * weight / all_of_them), 2) for name, weight in others}
    return {first: round(sure, 2), **rest}
