"""`kill -9` at any moment: no partial release is ever seen, nothing is left running, and a rerun finishes."""

from __future__ import annotations

import random
import time

import pytest
from faulty import Place, Project

POINTS = 15
RANDOM = random.Random(20261122)  # the same moments in every run, so that a failure can be seen again
SHARES = sorted(RANDOM.random() for _ in range(POINTS))


@pytest.fixture(scope="module")
def usual_time() -> list[float]:
    """Seconds that whole runs took, kept from test to test."""
    return []


def release_whole(place: Place, project: Project) -> bool:
    """Whether a release stands; one that can be seen must be whole."""
    if project.releases == []:
        return False
    assert project.releases == ["killed-1-x86_64-linux"]
    verified = place.tally("verify", "releases/killed-1-x86_64-linux", "--key", "release.pub")
    assert verified.code == 0, verified.err
    return True


def build(place: Place) -> None:
    done = place.tally("build", "recipes/killed.toml", "--key", "release.key")
    assert done.code == 0, done.err


@pytest.mark.parametrize("number", range(POINTS))
def test_a_killed_run_leaves_nothing_behind_and_a_rerun_finishes(
    place: Place, project: Project, usual_time: list[float], number: int
) -> None:
    if not usual_time:
        project.recipe("killed", seed=-1)
        started = time.monotonic()
        build(place)
        usual_time.append(time.monotonic() - started)
        place.sh(f"rm -rf {project.folder}/releases")
    project.recipe("killed", seed=number)
    running = place.start("build", "recipes/killed.toml", "--key", "release.key")
    time.sleep(SHARES[number] * usual_time[0])
    if number % 3 == 0:
        place.kill_everything()  # as a power cut does: Nix has no chance to tidy up either
    running.kill()
    running.communicate()
    release_whole(place, project)
    place.wait_until_quiet()
    assert place.mounts() == []

    build(place)
    assert release_whole(place, project)
    assert project.drafts == [], "what a dead run left is removed by the next"
    assert place.processes() == []
    assert place.mounts() == []
    left = place.sh(f"ls -A {place.state}/tmp").split()
    assert [name for name in left if f"-{running.pid}" in name] == []


@pytest.mark.parametrize("milliseconds", [0, 5, 20])
def test_killed_while_the_release_is_written(place: Place, project: Project, milliseconds: int) -> None:
    project.recipe("killed", seed=400 + milliseconds)
    running = place.start("build", "recipes/killed.toml", "--key", "release.key")
    while not project.drafts and running.poll() is None:
        time.sleep(0.0005)
    time.sleep(milliseconds / 1000)
    running.kill()
    running.communicate()
    release_whole(place, project)
    build(place)
    assert release_whole(place, project)
    assert project.drafts == []


def test_killed_again_and_again_a_run_still_finishes(place: Place, project: Project) -> None:
    project.recipe("killed", seed=100)
    for share in range(8):
        running = place.start("build", "recipes/killed.toml", "--key", "release.key")
        time.sleep(0.3 + 0.35 * share)
        running.kill()
        running.communicate()
    build(place)
    assert release_whole(place, project)
    place.wait_until_quiet()


def test_two_runs_at_once_do_not_disturb_each_other(place: Place, project: Project) -> None:
    project.recipe("killed", seed=200)
    words = ("build", "recipes/killed.toml", "--key", "release.key")
    runs = [place.start(*words) for _ in range(2)]
    for run in runs:
        _, err = run.communicate(timeout=300)
        assert run.returncode == 0, err
    assert release_whole(place, project)


def test_a_kill_does_not_stop_the_other_run(place: Place, project: Project) -> None:
    project.recipe("killed", seed=300)
    words = ("build", "recipes/killed.toml", "--key", "release.key")
    first = place.start(*words)
    time.sleep(0.7)
    second = place.start(*words)
    time.sleep(0.7)
    first.kill()
    first.communicate()
    _, err = second.communicate(timeout=300)
    assert second.returncode == 0, err
    assert release_whole(place, project)
