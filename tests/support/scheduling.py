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
    "tests/integration/test_hosts.py": 320,
    "tests/integration/faults/test_faults_kill.py": 225,
    "tests/integration/test_build.py": 175,
    "tests/integration/test_vm.py": 165,
    "tests/integration/test_recipes.py": 125,
    "tests/docs/test_pages.py": 125,
    "tests/integration/test_worst.py": 90,
    "tests/integration/test_clouds.py": 80,
    "tests/integration/faults/test_faults_disagree.py": 70,
    "tests/integration/faults/test_faults_disk.py": 65,
    "tests/integration/test_lock_command.py": 60,
    "tests/integration/test_strangers_bundles.py": 60,
    "tests/integration/test_keyless_build.py": 40,
    "tests/integration/test_mutants_policy.py": 35,
    "tests/integration/test_strangers_keyless.py": 35,
    "tests/integration/test_scale.py": 35,
    "tests/integration/faults/test_faults_interrupt.py": 35,
    "tests/integration/test_variation.py": 30,
    "tests/integration/test_mutants.py": 30,
    "tests/integration/test_tokens.py": 25,
    "tests/integration/test_toolchain_versions.py": 23,
    "tests/integration/test_witnessed_build.py": 23,
    "tests/integration/test_strangers_release.py": 22,
    "tests/integration/test_memory.py": 22,
    "tests/unit/log/test_embedded.py": 22,
    "tests/integration/test_believed.py": 20,
    "tests/unit/stories/test_witnessed_release.py": 20,
    "tests/integration/test_provenance_build.py": 16,
    "tests/integration/test_flakes.py": 15,
    "tests/unit/recipe/test_sources_fetching.py": 14,
    "tests/integration/test_strangers_build.py": 13,
    "tests/integration/test_toolchain_artifacts.py": 13,
    "tests/unit/cli/test_signals.py": 12,
    "tests/integration/test_daemon.py": 10,
    "tests/integration/test_toolchain_debian.py": 10,
    "tests/integration/test_toolchain_nixpkgs.py": 10,
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
