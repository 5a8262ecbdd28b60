"""The Nix library without the command line: requests from the repository's lock, realised in real stores.

Stores and fetched packages are those of the tests' shared state: a root is assembled once a machine.
"""

from __future__ import annotations

import copy
import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.builders.host import nix_system
from orchestrator.ground.nar import nar_hash
from orchestrator.ground.state import State
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.nix.evaluation import Evaluated, evaluate
from orchestrator.pinning.request import request_for
from orchestrator.recipe import lock as locks
from orchestrator.recipe.image import ImageConfig, described
from orchestrator.recipe.recipe import load
from orchestrator.recipe.wanted import fixed_outputs
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

BLANK: Mapping[str, Any] = {
    "version": "1.0",
    "summary": "a recipe of the tests",
    "homepage": "https://example.org/",
    "license": "MIT",
    "sources": {},
    "inputs": [],
    "outputs": ["out"],
    "environment": {},
    "script": "mkdir $out",
    "check": None,
    "artifact": {"format": "nar", "path": None},
}


@dataclass(frozen=True)
class Built:
    """Recipes that were realised in one store."""

    store: ChrootStore
    evaluated: Mapping[str, Evaluated]

    def output(self, recipe: str, name: str = "out") -> Path:
        return self.store.physical(self.evaluated[recipe].outputs[name])

    def artifact(self, recipe: str) -> Path:
        return self.store.physical(self.evaluated[recipe].artifact_path)


@dataclass(frozen=True)
class Lab:
    """Makes requests, and realises them in the stores `a` and `b`."""

    repository: Path
    state: State
    nix: Nix

    def store(self, name: str) -> ChrootStore:
        self.state.folder("stores")
        return ChrootStore(self.nix, self.state.store(name))

    def locked(self, *names: str) -> dict[str, Any]:
        """The request for recipes of the repository."""
        recipes = {path.stem: load(path) for path in sorted((self.repository / "recipes").glob("*.toml"))}
        lock = locks.read(self.repository / "tally.lock")
        return copy.deepcopy(dict(request_for(list(names), recipes, lock, nix_system())))

    def request(self, **recipes: Mapping[str, Any]) -> dict[str, Any]:
        """A request for recipes of a test, with the Debian packages of hello unless they say otherwise."""
        request = self.locked("hello")
        debian = request["recipes"]["hello"]["toolchain"]
        request["recipes"] = {
            name: {**copy.deepcopy(dict(BLANK)), "name": name, "toolchain": debian, **recipe}
            for name, recipe in recipes.items()
        }
        for name, recipe in request["recipes"].items():
            if recipe["artifact"]["format"] == "oci":
                image = ImageConfig.model_validate(recipe["artifact"].get("config", {}))
                label = f"{name}-{recipe['version']}"
                recipe["artifact"] = {**recipe["artifact"], "image": described(image, label, "out")}
        request["targets"] = list(recipes)
        return request

    def add(self, path: Path, *, unpack: bool = True) -> dict[str, Any]:
        """A file or folder as a source, put into the orchestrator's store."""
        recursive = path.is_dir()
        digest = nar_hash(path).hex if recursive else hashlib.sha256(path.read_bytes()).hexdigest()
        self.store("orchestrator").add_fixed([path], recursive=recursive)
        return {
            "name": path.name,
            "sha256": digest,
            "mode": "recursive" if recursive else "flat",
            "urls": [],
            "purl": None,
            "kind": "source",
            "unpack": unpack,
        }

    def evaluate(self, request: Mapping[str, Any]) -> Mapping[str, Evaluated]:
        return evaluate(self.store("orchestrator"), request)

    def build(self, request: Mapping[str, Any], store: str = "a", flags: Sequence[str] = ()) -> Built:
        """Realise every target's package and artifact. Raises NixFailed with what Nix and the builds said."""
        evaluated = self.evaluate(request)
        target = self.store(store)
        self.supply(request, evaluated, target)
        derivations = [drv for each in evaluated.values() for drv in (each.package, each.artifact)]
        target.copy_from(self.store("orchestrator"), derivations)
        self.realise(target, derivations, flags)
        return Built(target, evaluated)

    def supply(
        self, request: Mapping[str, Any], evaluated: Mapping[str, Evaluated], target: ChrootStore
    ) -> None:
        """Fetch what a request needs from outside and copy it to a store."""
        orchestrator = self.store("orchestrator")
        fixed = {each.path: each for one in evaluated.values() for each in one.fixed}
        absent = [fixed[path] for path in sorted(orchestrator.invalid(fixed))]
        wanted = {(each.name, each.digest): each for each in fixed_outputs(request)}
        needed = [wanted[each.name, each.digest] for each in absent]
        sources = Sources(self.state.folder("sources"), Mirrors(), self.repository)
        sources.fetch_all(sources.missing(needed))
        for recursive in (False, True):
            if files := [sources.path(each) for each in needed if each.is_folder is recursive]:
                orchestrator.add_fixed(files, recursive=recursive)
        target.copy_from(orchestrator, sorted(target.invalid(fixed)))

    def realise(self, store: ChrootStore, derivations: Sequence[str], flags: Sequence[str] = ()) -> None:
        said: list[str] = []
        command = store.command("nix-store", "--realise", "--keep-going", *flags, *derivations)
        status = store.nix.follow(command, said.append)
        if status != 0:
            raise NixFailed("\n".join(said), status=status)


def dumped(store: ChrootStore, path: str) -> bytes:
    """The NAR of a store path as Nix itself writes it."""
    command = ["nix-store", "--dump", str(store.physical(path))]
    return subprocess.run(command, check=True, capture_output=True).stdout


def unpacked(archive: Path, folder: Path) -> Path:
    """A tar archive's content, in `folder`."""
    folder.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    return folder
