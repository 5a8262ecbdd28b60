"""In which order the tests run, and which of them one process runs together.

Files that cost most come first, so that the quick ones fill what is left of the last minutes on every core.
A file is one piece of work, since its tests share what its fixtures made; those named in SPLIT share nothing
that costs, and each of their tests is a piece by itself. With `--order SEED` files, and tests within files,
come in an order that follows from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import pytest

COSTS = {
    "tests/integration/test_hosts.py": 500,
    "tests/integration/test_vm.py": 450,
    "tests/docs/test_pages.py": 300,
    "tests/integration/test_recipes.py": 240,
    "tests/integration/test_build.py": 240,
    "tests/integration/test_clouds.py": 200,
    "tests/integration/test_scale.py": 160,
    "tests/integration/test_strangers_keyless.py": 150,
    "tests/integration/test_strangers_release.py": 145,
    "tests/integration/faults/test_faults_disk.py": 140,
    "tests/integration/faults/test_faults_interrupt.py": 140,
    "tests/integration/faults/test_faults_kill.py": 140,
    "tests/integration/faults/test_faults_disagree.py": 120,
    "tests/integration/faults/test_faults_machine.py": 100,
    "tests/integration/test_mutants.py": 90,
    "tests/integration/test_variation.py": 80,
    "tests/integration/test_strangers_evidence.py": 80,
    "tests/integration/test_toolchain_debian.py": 70,
    "tests/integration/test_strangers_bundles.py": 70,
    "tests/integration/test_daemon.py": 70,
    "tests/integration/test_mutants_policy.py": 60,
    "tests/integration/test_worst.py": 60,
    "tests/integration/test_tokens.py": 50,
}
"""About how many seconds a file takes alone on a machine of two cores: only which is longer matters."""

SPLIT: frozenset[str] = frozenset()


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Hands out a file, or a test of a file that is split, to whichever process is free."""

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)


def piece(nodeid: str) -> str:
    """What is handed out as one: the file, or the test itself."""
    file = nodeid.partition("::")[0]
    return nodeid if file in SPLIT else file


def cost(nodeid: str) -> float:
    file = nodeid.partition("::")[0]
    return COSTS.get(file, 1 if file.startswith("tests/integration/") else 0)


def ordered(items: Sequence[pytest.Item], seed: int | None) -> list[pytest.Item]:
    """The tests in the order in which they are to run."""
    if seed is None:
        return sorted(items, key=lambda item: -cost(item.nodeid))
    drawn = random.Random(seed)
    shuffled = drawn.sample(list(items), len(items))
    place: dict[str, float] = {}
    for item in shuffled:
        place.setdefault(item.nodeid.partition("::")[0], drawn.random())
    return sorted(shuffled, key=lambda item: place[item.nodeid.partition("::")[0]])


def scheduling(config: Any, log: Any) -> Scheduling:
    config.option.loadscopereorder = False  # the order is ours
    return Scheduling(config, log)
