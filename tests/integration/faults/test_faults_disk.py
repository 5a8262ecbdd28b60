"""A disk that gets full at any point: exit 2 and a sentence that says so; with room again, all is well."""

from __future__ import annotations

import json

import pytest
from faulty import Place, Project

LARGE = """
mkdir -p $out
for number in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/zero | tr '\\0' "$number" > $out/file-$number; done
"""


def says_disk_is_full(text: str) -> bool:
    lowered = text.lower()
    return any(words in lowered for words in ("no space left", "no room left", "free some space"))


@pytest.mark.parametrize("room", ["0", "200k", "700k", "3m", "12m"])
def test_a_full_disk_is_no_disagreement(place: Place, project: Project, room: str) -> None:
    project.recipe("large", script=LARGE)
    sizes = {"k": 1 << 10, "m": 1 << 20}
    wanted = int(room) if room == "0" else int(room[:-1]) * sizes[room[-1]]
    place.resize(str(place.used() + max(wanted, 4096)))
    done = place.tally("build", "recipes/large.toml", "--key", "release.key")
    assert done.code == 2, done.err
    assert says_disk_is_full(done.err), done.err
    assert "operating system refused: " not in done.err, "without the name of what cannot be written"
    assert project.releases == []
    place.wait_until_quiet()
    assert place.mounts() == []

    place.resize("1g")
    again = place.tally("build", "recipes/large.toml", "--key", "release.key")
    assert again.code == 0, again.err
    assert project.releases == ["large-1-x86_64-linux"]


def test_a_full_disk_under_the_releases(place: Place, project: Project) -> None:
    project.recipe("steady")
    out = project.folder / "full"
    out.mkdir()
    place.sh(f"mount -t tmpfs -o size=16k full {out}")
    done = place.tally("build", "recipes/steady.toml", "--key", "release.key", "--out", "full")
    assert done.code == 2, done.err
    assert says_disk_is_full(done.err), done.err
    assert place.sh(f"ls -A {out}") == ""

    place.sh(f"mount -o remount,size=64m {out}")
    again = place.tally("build", "recipes/steady.toml", "--key", "release.key", "--out", "full")
    assert again.code == 0, again.err
    assert place.sh(f"ls -A {out}").split() == ["steady-1-x86_64-linux"]


def test_a_full_disk_says_so_as_json_too(place: Place, project: Project) -> None:
    project.recipe("large", script=LARGE)
    place.resize(str(place.used() + (6 << 20)))
    done = place.tally("build", "recipes/large.toml", "--no-sign", "--json")
    assert done.code == 2
    if done.out:
        (outcome,) = json.loads(done.out)["outcomes"]
        assert outcome["outcome"] == "incomplete"


def test_the_doctor_sees_a_small_disk(place: Place) -> None:
    place.resize("64m")
    done = place.tally("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.out)["checks"]}
    assert done.code == 2
    assert checks["disk-space"]["status"] == "failed"
