"""The sandbox probe: what a build on a builder can see, and whether that is hermetic."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.builders.build import SandboxProof, Surroundings
from orchestrator.builders.host import boot_digest
from orchestrator.ground.plainly import why
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.evaluation import FixedPath, evaluate_probe

_ALLOWED_AT_ROOT = frozenset({"build", "dev", "etc", "nix", "proc", "tmp", "bin"})
_ALLOWED_ENVIRONMENT = frozenset(
    {"HOME", "PATH", "PWD", "SHLVL", "TERM", "TZ", "TMP", "TMPDIR", "TEMP", "TEMPDIR", "OLDPWD", "_"}
    | {"NIX_BUILD_CORES", "NIX_BUILD_TOP", "NIX_STORE", "NIX_LOG_FD"}
)


@dataclass(frozen=True, slots=True)
class Probe:
    """The probe of one run, in the orchestrator's store."""

    derivation: str
    output: str
    fixed: tuple[FixedPath, ...]
    graph: DerivationGraph

    @classmethod
    def of(cls, store: ChrootStore, request: Mapping[str, Any]) -> Probe:
        """A new one: no builder has built it before."""
        made = evaluate_probe(store, request, nonce=str(uuid.uuid4()))
        return cls(made.derivation, made.output, made.fixed, store.graph([made.derivation]))


def read_proof(text: str) -> SandboxProof:
    """Read what the probe's derivation wrote. Raises ValueError when it is not that."""
    seen = _report(text)
    try:
        return SandboxProof(
            network_interfaces=tuple(seen["interfaces"]),
            uid=int(seen["uid"]),
            build_directory=str(seen["buildDirectory"]),
            host_name=str(seen["hostName"]),
            root_entries=tuple(seen["rootEntries"]),
            environment=tuple(seen["environment"]),
            host_file_visible=bool(seen["hostFileVisible"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the probe's report is not whole: {why(error)}") from error


def read_surroundings(text: str) -> Surroundings:
    """Read what the probe saw of the machine. Raises ValueError."""
    seen = _report(text)
    try:
        machine, boot, kernel = (str(seen[name]) for name in ("machine", "bootId", "kernel"))
        if not boot or not kernel or not machine:
            raise ValueError("the probe could not tell on which kernel it ran")
        return Surroundings(
            boot_id=boot_digest(boot),
            kernel=kernel,
            kernel_version=str(seen["kernelVersion"]),
            cpu_model=str(seen["cpuModel"]) or machine,
            cpu_flags=str(seen["cpuFlags"]),
            cpu_count=int(seen["cpuCount"]),
            build_cores=int(seen["buildCores"]),
            memory=int(seen["memory"]),
            file_system=str(seen["fileSystem"]),
            device=int(seen["device"]),
            directory_order=str(seen["directoryOrder"]),
            clock=datetime.fromtimestamp(int(seen["clock"]), UTC),
            uptime=int(seen["uptime"]),
            system=f"{machine}-{kernel.split()[0].lower()}",
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"the probe's report is not whole: {why(error)}") from error


def _report(text: str) -> dict[str, Any]:
    try:
        seen: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the probe's report is not JSON: {why(error)}") from error
    if not isinstance(seen, dict):
        raise ValueError("the probe's report is not an object")
    return seen


def holes(proof: SandboxProof, declared: frozenset[str]) -> list[str]:
    """Why a sandbox is not hermetic, a sentence each; empty for one that is.

    `declared` are the variables that the probe's derivation itself sets.
    """
    found: list[str] = []
    if others := sorted(set(proof.network_interfaces) - {"lo"}):
        found.append(f"a build sees the network interfaces {', '.join(others)}")
    if proof.host_file_visible:
        found.append("a build can read the host's files")
    if others := sorted(set(proof.root_entries) - _ALLOWED_AT_ROOT):
        found.append(f"a build sees /{', /'.join(others)} of the host")
    if proof.uid != 1000:
        found.append(f"a build runs as user {proof.uid} and not as 1000")
    if proof.build_directory != "/build":
        found.append(f"a build runs in {proof.build_directory} and not in /build")
    if proof.host_name != "localhost":
        found.append(f"a build sees the host name {proof.host_name}")
    if others := sorted(set(proof.environment) - _ALLOWED_ENVIRONMENT - declared):
        found.append(f"a build inherits the variables {', '.join(others)}")
    return found
