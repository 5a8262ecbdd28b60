"""What one builder made of the derivations it was asked for. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from orchestrator.ground.digest import NarHash


@dataclass(frozen=True, slots=True)
class BuiltPath:
    """A valid path in a builder's store, hashed from its bytes there."""

    path: str
    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """The path's runtime references, itself left out, sorted."""


@dataclass(frozen=True, slots=True)
class SecondResult:
    """What a builder made when it built again and got something else than its store held, kept aside."""

    path: Path
    nar_hash: NarHash
    repeated: bool = False
    """Whether both were made in this run, and so from the same inputs."""


@dataclass(frozen=True, slots=True)
class Build:
    """One derivation, built on one builder in this run."""

    derivation: str
    outputs: Mapping[str, BuiltPath]
    """Output name to what was built."""
    started: datetime
    finished: datetime
    log: Path
    """The whole log as plain text."""
    unstable: Mapping[str, SecondResult]
    """Output name to the second result when this builder did not reproduce what its own
    store already held. Empty for a build that did, or that found nothing there."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a builder has no build of a derivation. Never a vote."""

    derivation: str | None
    reason: str
    last_lines: tuple[str, ...]
    log: Path | None
    infrastructure: bool = False
    """Whether the builder could not do its work, as opposed to a build that failed: worth another try."""
    folder: Path | None = None
    """Where its build's folder is kept, if that was asked for."""


@dataclass(frozen=True, slots=True)
class SandboxProof:
    """What the probe saw from inside the sandbox of a builder; each field as observed there."""

    network_interfaces: tuple[str, ...]
    uid: int
    build_directory: str
    host_name: str
    root_entries: tuple[str, ...]
    environment: tuple[str, ...]
    """The names of the environment's variables."""
    host_file_visible: bool
    """Whether a file of the host, named to the probe, could be read."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the probe saw of the machine around the sandbox: what the builds beside it saw."""

    boot_id: str
    """sha256 of the running kernel's boot id, in hexadecimal."""
    kernel: str
    """Its name and release, as `uname -sr` gives them to a build."""
    kernel_version: str
    """When and how it was compiled: `uname -v`."""
    cpu_model: str
    """As the kernel names it; the architecture where it names none."""
    cpu_flags: str
    """sha256 of what the CPU can do, in hexadecimal."""
    cpu_count: int
    build_cores: int
    """NIX_BUILD_CORES."""
    memory: int
    """In KiB."""
    file_system: str
    """The type of the build directory's file system."""
    device: int
    """The number of the build directory's device."""
    directory_order: str
    """A checksum of the order in which a new folder's files are listed."""
    clock: datetime
    uptime: int
    """In seconds."""
    system: str
    started: datetime | None = None
    """When this builder's builds began, by our clock."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a builder is. What could not be observed is None."""

    name: str
    store: str
    """The store address as configured, e.g. `local` or `ssh-ng://host`; never a path of the machine."""
    operator: str | None = None
    """Who runs the host: configured, not observed."""
    nix_version: str | None = None
    machine_id: str | None = None
    """sha256 of the machine id, in hexadecimal: the same for builders on one host."""
    boot_id: str | None = None
    """sha256 of the boot id, in hexadecimal: the same for builders under one running kernel."""
    kernel: str | None = None
    cpu_model: str | None = None
    system: str | None = None
    emulated: bool = False
    """Whether its processor is known to be a program."""
    host_id: str | None = None
    """Of a virtual machine that we run: the id of the machine under it, as `machine_id` is given."""


@dataclass(frozen=True, slots=True)
class Report:
    """One builder's whole answer to one request."""

    identity: Identity
    sandbox: SandboxProof | None
    builds: Mapping[str, Build]
    """`.drv` path of each requested derivation to its build."""
    inputs: Mapping[str, BuiltPath]
    """Store path to hash, for each build-time input that this builder built itself."""
    failures: tuple[Failure, ...]
    signatures: Mapping[str, str] = field(default_factory=dict)
    """Store path to the signature of the builder's own Nix on it, checked, where a key is configured."""
    surroundings: Surroundings | None = None
    """What its builds could see of its machine; None when it came to no probe."""
