"""Writes expected.json from request.json with the installed Nix: python tests/assets/golden/regenerate.py

Needed when a file of orchestrator/nix/ changes what builds do. Every recipe is then built anew everywhere, so
a change of expected.json belongs into the commit that caused it.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.ground.digest import NarHash
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.evaluation import FixedPath, evaluate

FOLDER = Path(__file__).parent


def paths(nix: Nix, store: Path) -> dict[str, Any]:
    """What the request becomes, evaluated in a new store."""
    request = json.loads((FOLDER / "request.json").read_text())
    evaluated = sorted(evaluate(ChrootStore(nix, store), request).items())
    return {name: {**asdict(each), "fixed": list(map(_told, each.fixed))} for name, each in evaluated}


def _told(fixed: FixedPath) -> dict[str, Any]:
    recursive = isinstance(fixed.digest, NarHash)
    return {"name": fixed.name, "path": fixed.path, "recursive": recursive, "sha256": fixed.digest.hex}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = paths(Nix.find(Path(folder)), Path(folder) / "store")
    (FOLDER / "expected.json").write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
