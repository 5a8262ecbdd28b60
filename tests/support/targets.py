"""Targets without a recipe: Nix expressions that need no nixpkgs, and what Nix makes of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from orchestrator.builders.host import nix_system
from orchestrator.pinning.packing import packing_lock, packing_request

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "targets"


def laid_out(folder: Path) -> Path:
    """The tests' packages in a folder, which is made."""
    return with_busybox(folder, ASSETS.name)


def with_busybox(folder: Path, assets: str) -> Path:
    """Those of tests/assets in a folder, which is made, and beside them which busybox they use."""
    shutil.copytree(ASSETS.parent / assets, folder)
    busybox = packing_request(packing_lock(nix_system()), nix_system(), [])["busybox"]
    (folder / "busybox.json").write_text(json.dumps({name: busybox[name] for name in ("name", "sha256")}))
    return folder


def nix(store: Path, program: str, *words: str, stdin: Path | None = None) -> str:
    """What one of Nix's commands prints, on a chroot store of its own."""
    environment = {**os.environ, "NIX_CONF_DIR": "/dev/null", "NIX_USER_CONF_FILES": "/dev/null"}
    environment["NIX_CONFIG"] = "build-users-group =\nsubstitute = false\nsandbox = true\n"
    with open(stdin or os.devnull, "rb") as given:
        done = subprocess.run(
            [program, "--store", str(store), *words],
            env=environment,
            stdin=given,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
