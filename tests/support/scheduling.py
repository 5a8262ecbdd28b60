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
    "tests/docs/test_pages.py": 534,
    "tests/integration/test_hosts.py": 356,
    "tests/integration/faults/test_faults_kill.py": 252,
    "tests/integration/test_vm.py": 200,
    "tests/integration/test_worst.py": 200,
    "tests/integration/test_published_sources.py": 186,
    "tests/integration/test_strangers_bundles.py": 159,
    "tests/integration/test_recipes.py": 151,
    "tests/integration/test_lock_command.py": 150,
    "tests/integration/test_mutants.py": 136,
    "tests/integration/faults/test_faults_disagree.py": 119,
    "tests/integration/test_build.py": 100,
    "tests/integration/test_mutants_policy.py": 84,
    "tests/integration/test_strangers_release.py": 80,
    "tests/integration/test_rebuild.py": 78,
    "tests/integration/faults/test_faults_disk.py": 77,
    "tests/integration/test_buckets.py": 75,
    "tests/integration/test_rebuild_attached.py": 75,
    "tests/integration/test_rebuild_expect.py": 75,
    "tests/integration/test_strangers_keyless.py": 75,
    "tests/integration/test_rebuild_many.py": 69,
    "tests/integration/test_served.py": 68,
    "tests/integration/test_believed.py": 58,
    "tests/integration/test_targets.py": 50,
    "tests/integration/test_flakes.py": 48,
    "tests/integration/test_keyless_build.py": 46,
    "tests/docs/test_ci.py": 43,
    "tests/integration/test_scale.py": 36,
    "tests/integration/test_clouds.py": 35,
    "tests/integration/faults/test_faults_interrupt.py": 34,
    "tests/integration/test_memory.py": 33,
    "tests/integration/test_variation.py": 33,
    "tests/unit/stories/test_registry_publication.py": 33,
    "tests/integration/test_daemon.py": 32,
    "tests/integration/test_nix_cache_elsewhere.py": 30,
    "tests/integration/test_seaweedfs.py": 30,
    "tests/unit/log/test_embedded.py": 30,
    "tests/integration/test_witnessed_build.py": 25,
    "tests/integration/test_toolchain_versions.py": 23,
    "tests/integration/test_nix_cache.py": 22,
    "tests/integration/test_sbom.py": 22,
    "tests/integration/test_tokens.py": 22,
    "tests/unit/signing/test_keyless.py": 22,
    "tests/unit/stories/test_witnessed_release.py": 22,
    "tests/integration/test_strangers_build.py": 21,
    "tests/integration/test_strangers_evidence.py": 21,
    "tests/unit/test_faults.py": 20,
    "tests/integration/test_served_archives.py": 18,
    "tests/unit/stories/test_monotonic.py": 18,
    "tests/integration/test_toolchain_nixpkgs.py": 17,
    "tests/unit/stories/test_verification.py": 17,
    "tests/integration/faults/test_faults_machine.py": 16,
    "tests/unit/bundles/test_foreign_bundles.py": 16,
    "tests/integration/test_toolchain_debian.py": 15,
    "tests/integration/test_strangers_publication.py": 14,
    "tests/unit/cli/test_verification_cli.py": 14,
    "tests/unit/sources/test_sources_fetching.py": 14,
    "tests/unit/stories/test_signers_word.py": 14,
    "tests/integration/test_toolchain_artifacts.py": 13,
    "tests/unit/test_warm.py": 13,
    "tests/integration/test_keyless_publication.py": 12,
    "tests/unit/repositories/test_git_bounds.py": 12,
    "tests/unit/stories/test_publication.py": 12,
    "tests/integration/test_strangers_witnessed.py": 11,
    "tests/unit/evidence/test_canonical.py": 11,
    "tests/unit/publishing/test_release_folder.py": 11,
    "tests/unit/served/test_requirements.py": 10,
    "tests/unit/stories/test_published_inputs.py": 10,
    "tests/integration/test_provenance_build.py": 9,
    "tests/integration/test_sarif.py": 9,
    "tests/unit/bundles/test_envelopes.py": 9,
    "tests/unit/cli/test_signals.py": 9,
    "tests/unit/evidence/sbom/test_forms.py": 9,
    "tests/unit/stories/test_keyless_verification.py": 9,
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
