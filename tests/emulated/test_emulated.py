"""Builders of another architecture, emulated: `make test-emulated`, and no part of `make test`.

Two of them build, of which each unpacks the toolchain on a processor that is a program: some minutes.
"""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import TallyIn

pytestmark = pytest.mark.emulated
SYSTEM = "aarch64-linux"
PROJECT = Path(__file__).parent / "project"


def test_two_emulated_machines_agree(tmp_path: Path, tally_in: TallyIn) -> None:
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder)
    tally = tally_in(folder)
    for name in ("one", "two"):
        added = tally("builder", "add", "--vm", name, "--system", SYSTEM, "--memory", "1024").succeeded()
        assert f"its machine is an {SYSTEM} one, emulated, which is slow" in added.err
        assert "it works: emulated" in added.err
    tally("keys", "generate", "release").succeeded()
    assert "emulated, which is slow" in tally("doctor").out
    planned = tally("plan", "recipes/greeting.toml", "--system", SYSTEM).succeeded()
    assert f"one, two emulate {SYSTEM}, which is slow" in planned.err
    assert "to be built on other hosts" in planned.out

    built = tally("build", "recipes/greeting.toml", "--system", SYSTEM, "--key", "release.key").succeeded()
    assert "one and two agree" in built.err
    release = folder / "releases" / f"greeting-1.0-{SYSTEM}"
    verdict = tally("verify", release, "--key", "release.pub").succeeded()
    assert "one, two agree (same-host)" in verdict.out, "they are on this host, whatever they look like"

    assert tally("show", release).succeeded().out.count(", emulated") == 2

    one, two = (each["conditions"] for each in reproduction(release))
    for condition in (one, two):
        builder = condition["builder"]
        assert builder["emulated"] is True
        assert builder["system"] == SYSTEM
        assert builder["cpuModel"].startswith("Arm implementer 0x41")
    assert one["builder"]["machineIdSha256"] != two["builder"]["machineIdSha256"]
    assert one["builder"]["hostMachineIdSha256"] == two["builder"]["hostMachineIdSha256"]
    assert set(one["agreement"]["varied"]) >= {
        *("boot-id", "clock-second", "clock-minute", "clock-day", "clock-year", "uptime"),
        *("cpu-count", "cpu-model", "build-cores"),
    }


def reproduction(release: Path) -> list[dict[str, Any]]:
    bundle = json.loads((release / "attestations" / "reproduction.sigstore.json").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    attributes: list[dict[str, Any]] = statement["predicate"]["attributes"]
    return attributes
