"""The second embedded builder's surroundings, as its builds see them, and that nothing of them stays."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from waiting import wait_for
from warm import WARM

SHOWS = {
    "build-cores": {"build-cores"},
    "cpu-affinity": {"cpu-count"},
    "build-directory": {"file-system-type", "device-number", "directory-order"},
    "uptime": {"uptime"},
    "kernel-release": {"kernel-release"},
}
"""What turning one of them on makes builds differ in."""
OTHERS = ("directory-order", "start", "load")


def only(project: Project, *names: str) -> None:
    lines = [f"{name} = {str(name in names).lower()}" for name in (*SHOWS, *OTHERS)]
    (project.folder / "tally.toml").write_text("\n".join(["[variation]", *lines, ""]))


def checked(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.tally("builder", "check", "--json").succeeded().out)
    return found


def test_by_default_builds_differ_in_all_that_this_machine_can_do(project: Project) -> None:
    expected = set.union(*SHOWS.values())
    if len(os.sched_getaffinity(0)) == 1:
        expected -= {"cpu-count"}
    assert set(checked(project)["varied"]) >= expected


@pytest.mark.parametrize("name", SHOWS)
def test_each_alone_makes_its_own_difference_and_no_other(project: Project, name: str) -> None:
    if name == "cpu-affinity" and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("one CPU cannot be halved")
    only(project, name)
    assert set(checked(project)["varied"]) == SHOWS[name]


def test_without_any_builds_differ_in_nothing(project: Project) -> None:
    only(project)
    assert checked(project)["varied"] == []


@pytest.mark.skipif(
    shutil.which("disorderfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK),
    reason="disorderfs is not installed, or this machine has no FUSE",
)
def test_on_the_same_disk_folders_are_listed_in_another_order(project: Project) -> None:
    only(project, "directory-order")
    assert "directory-order" in checked(project)["varied"]
    gone = "its file system ends with the builds"
    wait_for(lambda: str(project.folder) not in " ".join(processes("disorderfs")), gone)


def test_what_differed_is_signed_and_the_derivation_is_the_same(project: Project) -> None:
    recipe = project.recipe("varied", f"mkdir $out; echo {secrets.token_hex()} > $out/file")
    before = project.tally("plan", recipe, "--json").succeeded().out
    project.build(recipe).succeeded()
    folder = project.folder / "releases" / "varied-1.0-x86_64-linux"
    bundle = json.loads((folder / "attestations" / "reproduction.sigstore.json").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    [a, b] = [each["conditions"] for each in statement["predicate"]["attributes"]]
    assert {"build-cores", "clock-second", "file-system-type", "uptime"} <= set(a["agreement"]["varied"])
    assert a["surroundings"]["fileSystemType"] != b["surroundings"]["fileSystemType"] == "tmpfs"
    only(project)
    after = project.tally("plan", recipe, "--json").succeeded().out
    assert json.loads(after)["recipes"]["varied"]["derivation"] in before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_it_outlives_the_command(project: Project, number: int) -> None:
    recipe = project.recipe("long", f"echo {secrets.token_hex()}; sleep 300; mkdir $out")
    environment = {**os.environ, **project.tally.environment}
    running = WARM.start(["build", str(recipe), "--no-sign"], project.folder, environment)
    assert running is not None
    wait_for(lambda: "b: started long" in running.said() or running.poll() is not None, running.said)
    mark = f"apart.py.*{running.pid}"
    ours = [each for each in processes("apart.py") if re.search(mark, each)]
    assert ours, "its loops run while it builds"
    running.send_signal(number)
    running.communicate()
    wait_for(lambda: not re.search(mark, "\n".join(processes("apart.py"))), "they end with it")


def test_a_build_that_memory_is_too_small_for_is_told_where_to_go(project: Project) -> None:
    said = "echo 'write error: No space left on device'; exit 1"
    ran = project.build(project.recipe("full", said)).failed(2)
    of_a, of_b = ran.err.split("builder b")[:2]
    assert "build-directory = false" in of_b
    assert "build-directory" not in of_a


def processes(name: str) -> list[str]:
    """The command lines of running processes that name something."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if name in words:
            found.append(words)
    return found
