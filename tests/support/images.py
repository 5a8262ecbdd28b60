"""OCI images in archives, run as their configuration says: with nothing but what is in them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import unpacked


def says(image: Path, folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """What an image's entry point prints, in a root that has its layers alone; it must succeed."""
    layout: Path = unpacked(image, folder)

    def blob(described: Mapping[str, Any]) -> Path:
        digest: str = described["digest"]
        return layout / "blobs/sha256" / digest.removeprefix("sha256:")

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    config = json.loads(blob(manifest["config"]).read_text())["config"]
    root = folder / "root"
    root.mkdir()
    for layer in manifest["layers"]:
        subprocess.run(["tar", "-xf", blob(layer), "-C", root], check=True)
    enter = [shutil.which("unshare") or "", "-U", "-r", shutil.which("chroot") or "", root]
    command = ["env", "-i", *config.get("Env", ()), *enter, *config["Entrypoint"], *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout
