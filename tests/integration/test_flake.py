"""flake.nix against a stand-in with nixpkgs's interface: real Nix, no network, nothing built."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def nix(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Any:
    """Runs `nix ARGUMENTS…` in a store of the test's own, on a copy of what the flake reads."""
    folder = tmp_path_factory.mktemp("flake")
    checkout = folder / "checkout"
    (checkout / "orchestrator").mkdir(parents=True)
    for name in ("flake.nix", "flake.lock", "pyproject.toml", "orchestrator/__init__.py"):
        (checkout / name).write_bytes((repository / name).read_bytes())
    settings = "experimental-features = nix-command flakes\nsubstitute = false\nbuild-users-group ="

    def run(*arguments: str) -> Any:
        command = ["nix", *arguments, f"path:{checkout}", "--store", str(folder / "store"), "--json"]
        environment = {
            **os.environ,
            "HOME": str(folder),
            "NIX_CONF_DIR": str(folder),
            "NIX_USER_CONF_FILES": "",
            "NIX_CONFIG": settings,
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_lock_fits_the_flake_without_asking_anybody(nix: Any, repository: Path) -> None:
    locked = nix("flake", "metadata", "--no-update-lock-file")["locks"]
    assert locked == json.loads((repository / "flake.lock").read_text())
    node = locked["nodes"]["nixpkgs"]["locked"]
    assert node["narHash"].startswith("sha256-") and len(node["rev"]) == 40


def test_outputs_evaluate(nix: Any, repository: Path) -> None:
    stand_in = f"path:{repository / 'tests/assets/stand-in-nixpkgs'}"
    outputs = nix("flake", "show", "--no-write-lock-file", "--override-input", "nixpkgs", stand_in)
    assert set(outputs) == {"apps", "checks", "devShells", "packages"}
    system = "x86_64-linux"
    version = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert "version" in version["dynamic"]
    assert outputs["packages"][system]["default"]["name"].startswith("tallystick-0.")
    assert outputs["apps"][system]["default"]["type"] == "app"
    assert set(outputs["checks"][system]) == {"style", "tallystick"}
    assert outputs["devShells"][system]["default"]["type"] == "derivation"
