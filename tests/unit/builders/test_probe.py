"""A sandbox with any hole is found out."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.builders.build import SandboxProof
from orchestrator.builders.probe import holes, read_proof
from orchestrator.nix.evaluation import LIBRARY

TIGHT = SandboxProof(
    network_interfaces=("lo",),
    uid=1000,
    build_directory="/build",
    host_name="localhost",
    root_entries=("build", "dev", "etc", "nix", "proc", "tmp"),
    environment=("HOME", "NIX_STORE", "PATH"),
    host_file_visible=False,
)


def test_a_tight_sandbox_has_no_holes() -> None:
    assert holes(TIGHT, frozenset()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network_interfaces": ("eth0", "lo")}, "eth0"),
        ({"host_file_visible": True}, "host's files"),
        ({"root_entries": (*TIGHT.root_entries, "home", "usr")}, "/home, /usr"),
        ({"uid": 0}, "user 0"),
        ({"build_directory": "/tmp/nix-build-x"}, "/tmp/nix-build-x"),
        ({"host_name": "workstation"}, "workstation"),
        ({"environment": ("HOME", "SECRET_TOKEN")}, "SECRET_TOKEN"),
    ],
)
def test_each_hole_is_named(change: dict[str, Any], said: str) -> None:
    found = holes(dataclasses.replace(TIGHT, **change), frozenset())
    assert len(found) == 1
    assert said in found[0]


def test_what_the_derivation_itself_sets_is_no_hole() -> None:
    proof = dataclasses.replace(TIGHT, environment=("HOME", "busybox", "out"))
    assert holes(proof, frozenset({"busybox", "out"})) == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"interfaces": 3}', "null"])
def test_a_report_that_is_none_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_proof(text)


@pytest.mark.parametrize(
    ("cpuinfo", "said"),
    [
        ('processor\t: 0\nmodel name\t: A "fast" CPU\nmodel name\t: B\n', '"A \\"fast\\" CPU"'),
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n", '"Arm implementer 0x41 part 0xd08"'),
        ("hart\t: 0\n", '""'),
    ],
)
def test_every_processor_is_a_line_of_json(cpuinfo: str, said: str, tmp_path: Path) -> None:
    script, _, _ = (LIBRARY / "probe.sh").read_text().partition("cat > ")
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    script = script.replace("-o pipefail", "").replace("/proc/cpuinfo", str(tmp_path / "cpuinfo"))
    done = subprocess.run(
        ["sh", "-c", f"{script}\nmodel | string"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == said


def test_a_report_is_read() -> None:
    report = {
        "interfaces": ["lo"], "uid": 1000, "buildDirectory": "/build", "hostName": "localhost",
        "rootEntries": list(TIGHT.root_entries), "environment": list(TIGHT.environment),
        "hostFileVisible": False,
    }  # fmt: skip
    assert read_proof(json.dumps(report)) == TIGHT
