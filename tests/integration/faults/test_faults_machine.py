"""Machines that lack something: Nix absent, too old or failing; no user namespaces; a read-only state."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from faulty import Place, Project

BUILD = ("build", "recipes/steady.toml", "--no-sign")


def path_without_nix(folder: Path, **programs: str) -> str:
    """A PATH with everything of /usr/bin but Nix, and scripts in its place."""
    folder.mkdir()
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith("nix"):
            (folder / program.name).symlink_to(program)
    for name, script in programs.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name.replace("_", "-")).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({}, "Nix is not installed"),
        ({"nix_store": "echo 'nix-store (Nix) 2.3.16'"}, "too old"),
        ({"nix_store": "echo boom >&2; exit 127"}, "does not answer"),
        ({"nix_store": "kill -SEGV $$"}, "does not answer"),
        (
            {
                "nix_store": "echo 'nix-store (Nix) 2.8.0'",
                "nix_instantiate": "echo 'error: it is broken' >&2; exit 1",
                "nix": "exit 1",
            },
            "it is broken",
        ),
    ],
    ids=["absent", "old", "failing", "crashing", "not evaluating"],
)
def test_nix_that_cannot_be_used(
    place: Place, project: Project, tmp_path: Path, programs: dict[str, str], said: str
) -> None:
    path = path_without_nix(tmp_path / "bin", **programs)
    for words in (BUILD, ("plan", "recipes/steady.toml")):
        done = place.tally(*words, PATH=path)
        assert done.code == 2, done.err
        assert said in done.err
        assert "hint:" in done.err
    assert project.releases == []


def test_nix_that_dies_while_it_builds(place: Place, project: Project, tmp_path: Path) -> None:
    real = subprocess.run(["which", "nix-store"], capture_output=True, text=True, check=True).stdout.strip()
    script = f'case "$*" in *--realise*) kill -SEGV $$;; esac; exec {real} "$@"'
    path = path_without_nix(tmp_path / "bin", nix_store=script)
    for name in ("nix", "nix-instantiate"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    done = place.tally(*BUILD, PATH=path)
    assert done.code == 2, done.err
    assert "DISAGREE" not in done.err


def test_a_sandbox_with_a_hole_is_not_signed_for(place: Place, project: Project, tmp_path: Path) -> None:
    """A wrapper lets builds see a folder of the host, behind our back; the probe sees it too."""
    real = subprocess.run(["which", "nix-store"], capture_output=True, text=True, check=True).stdout.strip()
    script = f'export NIX_CONFIG="$NIX_CONFIG\nsandbox-paths = /var"; exec {real} "$@"'
    path = path_without_nix(tmp_path / "bin", nix_store=script)
    for name in ("nix", "nix-instantiate"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    done = place.tally("build", "recipes/steady.toml", "--key", "release.key", PATH=path)
    assert done.code == 2, done.err
    assert project.releases == []
    seen = place.tally("doctor", "--json", PATH=path)
    checks = {check["name"]: check for check in json.loads(seen.out)["checks"]}
    assert seen.code == 2
    assert checks["sandbox"]["status"] == "failed"
    assert "/var" in done.err
    assert "/var" in checks["sandbox"]["found"]


def without_namespaces(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `tally` where no further user namespace can be made."""
    words = [sys.executable, "-m", "orchestrator.cli", *arguments]
    script = f"echo 0 > /proc/sys/user/max_user_namespaces; exec {shlex.join(words)}"
    return subprocess.run(
        place.command(["unshare", "-U", "-r", "sh", "-euc", script]),
        env={**os.environ, "TALLY_STATE": str(place.state)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_user_namespaces(place: Place, project: Project) -> None:
    done = without_namespaces(place, "build", "recipes/steady.toml", "--key", "release.key")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "tally doctor" in done.stderr
    assert project.releases == []
    seen = without_namespaces(place, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(seen.stdout)["checks"]}
    assert seen.returncode == 2
    assert checks["user-namespaces"]["status"] == "failed"
    assert "max_user_namespaces" in checks["user-namespaces"]["found"]
    assert "sysctl" in checks["user-namespaces"]["hint"]


def test_a_healthy_machine(place: Place) -> None:
    done = place.tally("doctor", "--json")
    document = json.loads(done.out)
    needed = {
        "nix",
        "state-folder",
        "user-namespaces",
        "sandbox",
        "nested-namespaces",
        "builder-a",
        "builder-b",
    }
    assert {check["name"]: check["status"] for check in document["checks"] if check["name"] in needed} == (
        dict.fromkeys(needed, "ok")
    )


def test_a_read_only_state_folder(place: Place, project: Project) -> None:
    place.sh(f"mount -o remount,ro {place.state}")
    for words in (BUILD, ("plan", "recipes/steady.toml")):
        done = place.tally(*words)
        assert done.code == 2, done.err
        assert str(place.state) in done.err
        assert "hint:" in done.err
    seen = place.tally("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(seen.out)["checks"]}
    assert seen.code == 2
    assert checks["state-folder"]["status"] == "failed"


@pytest.mark.parametrize("where", ["/dev/null", "/dev/null/below", "/proc/tallystick"])
def test_a_state_folder_that_can_be_none(place: Place, where: str) -> None:
    done = place.tally(*BUILD, TALLY_STATE=where)
    assert done.code == 2, done.err
    assert where in done.err
    assert "hint:" in done.err


@pytest.mark.parametrize("words", [("build", "recipes/steady.toml", "--builder", "a"), ("build",)])
def test_one_builder_or_no_recipe_refuses(place: Place, words: tuple[str, ...]) -> None:
    done = place.tally(*words)
    assert done.code == 2, done.err
    assert "hint:" in done.err
