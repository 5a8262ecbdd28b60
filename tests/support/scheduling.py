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
    "tests/docs/test_pages.py": 540,
    "tests/integration/test_hosts.py": 447,
    "tests/integration/test_published_sources.py": 278,
    "tests/integration/faults/test_faults_kill.py": 246,
    "tests/integration/test_vm.py": 213,
    "tests/integration/test_strangers_bundles.py": 207,
    "tests/integration/test_recipes.py": 165,
    "tests/integration/test_build.py": 146,
    "tests/integration/test_lock_command.py": 146,
    "tests/integration/test_suites.py": 130,
    "tests/integration/test_worst.py": 126,
    "tests/integration/test_mutants.py": 97,
    "tests/integration/test_deep.py": 93,
    "tests/integration/faults/test_faults_disagree.py": 87,
    "tests/integration/test_rebuild.py": 84,
    "tests/integration/test_diagnose.py": 83,
    "tests/integration/test_rebuild_attached.py": 72,
    "tests/integration/test_toolchain_nixpkgs.py": 65,
    "tests/integration/test_targets.py": 63,
    "tests/integration/test_served.py": 60,
    "tests/integration/test_rebuild_expect.py": 56,
    "tests/integration/faults/test_faults_disk.py": 55,
    "tests/integration/test_wheel.py": 55,
    "tests/integration/test_served_packages.py": 50,
    "tests/integration/test_flakes.py": 50,
    "tests/integration/test_rebuild_many.py": 50,
    "tests/integration/test_believed.py": 49,
    "tests/integration/test_buckets.py": 47,
    "tests/integration/test_mutants_policy.py": 47,
    "tests/integration/test_strangers_keyless.py": 45,
    "tests/integration/test_dependencies_cargo.py": 43,
    "tests/docs/test_ci.py": 40,
    "tests/integration/test_strangers_publication.py": 37,
    "tests/integration/faults/test_faults_interrupt.py": 36,
    "tests/integration/test_keyless_build.py": 34,
    "tests/integration/test_strangers_release.py": 34,
    "tests/integration/test_scale.py": 33,
    "tests/integration/test_toolchain_containers.py": 33,
    "tests/integration/test_seaweedfs.py": 32,
    "tests/integration/test_variation.py": 30,
    "tests/integration/test_memory.py": 28,
    "tests/integration/test_nix_cache_elsewhere.py": 27,
    "tests/integration/test_shell.py": 25,
    "tests/integration/test_dependencies_python.py": 24,
    "tests/integration/test_tokens.py": 22,
    "tests/integration/test_dependencies_go.py": 21,
    "tests/integration/test_toolchain_artifacts.py": 20,
    "tests/integration/test_witnessed_build.py": 20,
    "tests/integration/test_clouds.py": 19,
    "tests/integration/test_strangers_evidence.py": 19,
    "tests/integration/test_toolchain_files.py": 18,
    "tests/integration/test_daemon.py": 18,
    "tests/integration/test_nix_cache.py": 18,
    "tests/integration/test_strangers_build.py": 16,
    "tests/integration/test_provenance_build.py": 15,
    "tests/integration/test_report.py": 15,
    "tests/integration/test_served_archives.py": 15,
    "tests/unit/stories/test_registry_publication.py": 15,
    "tests/integration/test_toolchain_debian.py": 14,
    "tests/unit/log/test_embedded.py": 14,
    "tests/integration/test_init.py": 13,
    "tests/unit/signing/test_keyless.py": 13,
    "tests/integration/test_corpus_world.py": 12,
    "tests/integration/test_dependencies_npm.py": 12,
    "tests/integration/test_sources_registries.py": 12,
    "tests/unit/stories/test_monotonic.py": 12,
    "tests/docs/test_pipelines.py": 11,
    "tests/unit/stories/test_witnessed_release.py": 11,
    "tests/docs/test_reference.py": 9,
    "tests/integration/test_token_rotation.py": 9,
    "tests/unit/served/test_requirements.py": 9,
    "tests/unit/stories/test_publication.py": 9,
    "tests/integration/test_compare.py": 8,
    "tests/unit/builders/test_machine.py": 8,
    "tests/unit/bundles/test_foreign_bundles.py": 8,
    "tests/unit/cli/test_signals.py": 8,
    "tests/unit/sources/test_pyfiles.py": 8,
    "tests/unit/stories/test_verification.py": 8,
    "tests/unit/test_faults.py": 8,
    "tests/integration/faults/test_faults_machine.py": 7,
    "tests/unit/cli/test_verification_cli.py": 7,
    "tests/unit/evidence/test_canonical.py": 7,
    "tests/unit/repositories/test_git_bounds.py": 7,
    "tests/unit/served/test_pypi.py": 7,
    "tests/unit/stories/test_signers_word.py": 7,
    "tests/unit/test_project.py": 6,
    "tests/unit/test_warm.py": 6,
    "tests/unit/test_wording.py": 6,
    "tests/integration/test_sarif.py": 5,
    "tests/integration/test_strangers_witnessed.py": 5,
    "tests/integration/test_toolchain_versions.py": 5,
    "tests/unit/cli/test_verify_bundle.py": 5,
    "tests/unit/clients/test_clients.py": 5,
    "tests/unit/publishing/test_release_folder.py": 5,
    "tests/unit/signing/test_services.py": 5,
    "tests/unit/stories/test_keyless_verification.py": 5,
    "tests/unit/stories/test_policy_verification.py": 5,
    "tests/unit/agreement/test_culprits.py": 4,
    "tests/unit/cli/test_completion.py": 4,
    "tests/unit/cli/test_usage.py": 4,
    "tests/unit/stories/test_published_inputs.py": 4,
    "tests/unit/agreement/test_compare.py": 3,
    "tests/unit/caches/test_cache.py": 3,
    "tests/unit/cli/test_policy_cli.py": 3,
    "tests/unit/cli/test_slips.py": 3,
    "tests/unit/clients/test_spdx_tools.py": 3,
    "tests/unit/evidence/test_spdx.py": 3,
    "tests/unit/nix/test_child.py": 3,
    "tests/unit/policy/test_rules.py": 3,
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
