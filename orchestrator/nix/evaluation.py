"""From the request, as data, to derivations in the orchestrator's store."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.files import write_scratch
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import Derivation

LIBRARY = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class FixedPath:
    """A store path whose content is known beforehand, and where it goes."""

    name: str
    digest: Sha256 | NarHash | OtherDigest
    path: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one recipe became."""

    package: str
    """The package's `.drv` path."""
    outputs: Mapping[str, str]
    artifact: str
    """The artifact's `.drv` path."""
    artifact_path: str
    artifact_file_name: str
    fixed: tuple[FixedPath, ...]
    """Everything that must be put into the store before this can be built."""


def evaluate(
    store: ChrootStore, request: Mapping[str, Any], library: Path = LIBRARY
) -> Mapping[str, Evaluated]:
    """Instantiate the request's targets in `store`, by our `library` or one like it. Raises NixFailed.

    The request reaches Nix as a JSON file, read with `builtins.fromJSON`; nothing is pasted into code.
    """
    said = _evaluate(store, library / "default.nix", request)
    return {name: _evaluated(value) for name, value in said.items()}


def evaluate_packing(store: ChrootStore, request: Mapping[str, Any]) -> Sequence[Evaluated]:
    """Instantiate what packs targets that are derivations of `store` already, in the request's order."""
    return [_evaluated(value) for value in _evaluate(store, LIBRARY / "pack.nix", request)]


@dataclass(frozen=True, slots=True)
class EvaluatedTool:
    """What something of our own became: the sandbox probe, or a virtual machine's image."""

    derivation: str
    """Its `.drv` path."""
    output: str
    fixed: tuple[FixedPath, ...]


def evaluate_probe(store: ChrootStore, request: Mapping[str, Any], nonce: str) -> EvaluatedTool:
    """Instantiate the sandbox probe. One with a `nonce` of its own is in no store yet."""
    return _tool(_evaluate(store, LIBRARY / "probe.nix", {**request, "nonce": nonce}))


def evaluate_machine(store: ChrootStore, request: Mapping[str, Any]) -> EvaluatedTool:
    """Instantiate a virtual machine's image. `request` is as `machine_request` makes it."""
    return _tool(_evaluate(store, LIBRARY / "machine.nix", request))


def _tool(said: Mapping[str, Any]) -> EvaluatedTool:
    return EvaluatedTool(said["drv"], said["output"], tuple(_fixed(said["fixed"])))


def _evaluate(store: ChrootStore, expression: Path, request: Mapping[str, Any]) -> Any:
    file = store.nix.scratch / f"request-{uuid.uuid4()}.json"  # several may be evaluated at once
    write_scratch(file, json.dumps(request))
    command = store.command("nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode")
    try:
        return json.loads(store.nix.run([*command, str(expression), "--argstr", "request", str(file)]))
    except NixFailed as error:
        error.hint = error.hint or "`tally doctor` tells whether Nix works on this machine"
        raise


def _evaluated(value: Mapping[str, Any]) -> Evaluated:
    package, artifact = value["package"], value["artifact"]
    return Evaluated(
        package=package["drv"],
        outputs=package["outputs"],
        artifact=artifact["drv"],
        artifact_path=artifact["output"],
        artifact_file_name=artifact["fileName"],
        fixed=tuple(_fixed(value["fixed"])),
    )


def _fixed(values: Sequence[Mapping[str, str]]) -> list[FixedPath]:
    return [FixedPath(each["name"], _digest(each), each["path"]) for each in values]


def _digest(value: Mapping[str, str]) -> Sha256 | NarHash | OtherDigest:
    if "sha512" in value:
        return OtherDigest("sha512", value["sha512"], nar=False)
    return NarHash(value["sha256"]) if value["mode"] == "recursive" else Sha256(value["sha256"])


def retouch(store: ChrootStore, derivation: Derivation, variables: Mapping[str, str]) -> str:
    """The `.drv` path of a derivation of `store` with other variables, otherwise as it is. Raises NixFailed.

    Its variables that name its outputs become those of the new one.
    """
    ours = {"name", "system", "builder", "outputs", *derivation.outputs}
    env = {name: value for name, value in derivation.env.items() if name not in ours}
    request = {
        "name": derivation.name,
        "system": derivation.system,
        "builder": derivation.builder_executable,
        "args": list(derivation.args),
        "outputs": derivation.env.get("outputs", "out").split(),
        "env": {**env, **variables},
        "inputs": {path: list(names) for path, names in derivation.input_derivations.items()},
        "sources": list(derivation.input_sources),
    }
    made: str = _evaluate(store, LIBRARY / "retouch.nix", request)["drv"]
    return made
