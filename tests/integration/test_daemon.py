"""This machine's own Nix, behind its daemon, as one of the builders; on a /nix that the test makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from believing import built_tools, inputs_table
from caches import SigningKey
from projects import Project

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="a daemon of its own needs root: a file system is mounted over /nix for it"
)
SETTINGS = (
    "build-users-group =\nsandbox = true\nsandbox-fallback = false\nexperimental-features = nix-command\n"
)
INSIDE = r"""
mount -t tmpfs -o size=3g nix /nix
mkdir -p /nix/store /nix/var/nix
NIX_CONFIG="$SETTINGS" nix-daemon > "$LOG" 2>&1 &
daemon=$!
until test -S /nix/var/nix/daemon-socket/socket; do kill -0 $daemon; sleep 0.05; done
for recipe in steady random random; do
    "$PYTHON" -m orchestrator.cli build "recipes/$recipe.toml" --json --key release.key > "$recipe.json" || :
done
"$PYTHON" -m orchestrator.cli build -f packages hello --json --key release.key > hello.json || :
nix-store --store daemon --check-validity "$TOOLS"
"$PYTHON" -m orchestrator.cli builder check --json > check.json
kill $daemon
wait $daemon || :
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """The folder that a daemon's Nix builds in, to be mounted over; as it was before, there or not."""
    folder = Path("/nix")
    there = folder.exists()
    folder.mkdir(exist_ok=True)
    yield folder
    if not there:
        folder.rmdir()


@pytest.mark.usefixtures("place")
def test_the_machines_own_nix_is_a_builder_like_any_other(project: Project, session_state: Path) -> None:
    tools, key = built_tools(project, session_state), SigningKey("ours-1")
    believed = inputs_table(key, tools.cache(key).into(project.folder / "cache"))
    project.recipe("steady", "mkdir $out; echo steady > $out/file")
    project.recipe("random", "mkdir $out; cat /proc/sys/kernel/random/uuid > $out/id")
    (project.folder / "tally.toml").write_text(
        f'{believed}\n[[builder]]\nname = "a"\n\n[[builder]]\nname = "d"\nstore = "daemon"\n'
    )
    log = project.folder / "daemon.log"
    environment = {"PYTHON": sys.executable, "SETTINGS": SETTINGS, "LOG": str(log), "TOOLS": tools.path}
    done = subprocess.run(
        ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-euc", INSIDE],
        cwd=project.folder,
        env={**os.environ, **project.tally.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{log.read_text()}"

    [steady] = read(project, "steady.json")["outcomes"]
    assert steady["outcome"] == "released", done.stderr
    assert steady["agreement"]["builders"] == ["a", "d"]
    project.tally("verify", steady["release"], "--key", "release.pub").succeeded()
    [hello] = read(project, "hello.json")["outcomes"]
    assert hello["outcome"] == "released", done.stderr
    verdict = project.tally("verify", hello["release"], "--key", "release.pub").succeeded()
    assert "1 believed from ours-1" in verdict.out
    [random] = read(project, "random.json")["outcomes"]
    assert random["outcome"] == "disagreed"
    hashes = {name for one in random["differing"] for name in one["narSha256"]}
    assert hashes == {"a", "a (earlier)", "d", "d (earlier)"}
    checked = {each["name"]: each for each in read(project, "check.json")["builders"]}
    assert checked["d"]["works"]
    assert checked["d"]["machineIdSha256"] == checked["a"]["machineIdSha256"]


def read(project: Project, name: str) -> Any:
    return json.loads((project.folder / name).read_text())
