"""What this machine lacks to build and sign: each check gives a value, and none of them stops the others."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from orchestrator.builders import kinds, probe
from orchestrator.builders.build import SandboxProof
from orchestrator.builders.configuration import BuilderTable, load
from orchestrator.builders.hardware import Hardware
from orchestrator.builders.host import nix_system
from orchestrator.builders.machine import emulation
from orchestrator.builders.running import way_out
from orchestrator.builders.variation import NO_VARIATION
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.plainly import why
from orchestrator.ground.state import State
from orchestrator.nix import namespaces, trial
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NEWEST_TRIED, Nix, installed_version, version_tuple

_NEEDED = 2 * 10**9
"""Bytes: the first build of a C program with its toolchain in three stores takes 1.2 GB."""
_COMFORTABLE = 10 * 10**9
_NEEDED_FILES = 150_000
"""Inodes: an assembled toolchain has about 15,000 files in each of three stores."""
_ARCHIVE_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Status(StrEnum):
    """What came of a check. A warning fails nothing."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    """Stable, for scripts."""
    status: Status
    found: str
    hint: str | None = None
    """The way out, where there is something to get out of."""
    package: str | None = None
    """The Debian package that is missing, where that is all."""


def examine(state: State, folder: Path) -> Iterator[Check]:
    """What building and `tally lock` need, in the order of what depends on what.

    `folder` is where `tally.toml` is looked for. What `[closure]` in it asks for is another story's.
    """
    nix = _nix()
    yield nix
    usable = _state_folder(state)
    yield usable
    yield _disk_space(state)
    yield _user_namespaces()
    with ExitStack() as stack:
        needed = [nix, usable]
        if lacking := [check.name for check in needed if check.status is Status.FAILED]:
            reason = f"not looked at: {' and '.join(lacking)} failed"
            yield Check("sandbox", Status.SKIPPED, reason)
            yield Check("builders", Status.SKIPPED, reason)
        else:
            scratch = stack.enter_context(state.scratch(f"doctor-{os.getpid()}"))
            found = Nix.find(scratch)
            yield from _sandbox(found)
            yield from _builders(found, state, folder)
    yield from _locking()


def healthy(checks: list[Check]) -> bool:
    """Whether nothing failed; what was skipped was so because something else did."""
    return not any(check.status is Status.FAILED for check in checks)


def _checked(name: str, look: Callable[[], Check]) -> Check:
    """A check whose error is its result."""
    try:
        return look()
    except TallyError as error:
        return Check(name, Status.FAILED, error.message, error.hint)


def _nix() -> Check:
    def look() -> Check:
        version = installed_version()
        if version_tuple(version) > NEWEST_TRIED:
            newest = ".".join(map(str, NEWEST_TRIED))
            return Check(
                "nix",
                Status.WARNING,
                f"Nix {version} is newer than {newest}, the newest that Tallystick was tried with",
                "if a build fails for no reason of its own, try it with an older Nix",
            )
        return Check("nix", Status.OK, f"Nix {version} at {shutil.which('nix-store')}")

    check = _checked("nix", look)
    return replace(check, package="nix-bin") if shutil.which("nix-store") is None else check


def _state_folder(state: State) -> Check:
    def look() -> Check:
        folder = state.folder("tmp")
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix="doctor-") as stream:
                stream.write(b"x")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise cannot_write(folder, error) from error
        return Check("state-folder", Status.OK, f"{state.root} can be written")

    return _checked("state-folder", look)


def _disk_space(state: State) -> Check:
    place = next(folder for folder in (state.root, *state.root.parents) if folder.is_dir())
    try:
        disk = os.statvfs(place)
    except OSError as error:
        return Check(
            "disk-space", Status.FAILED, f"cannot tell for {place}: {error.strerror}", "check that disk"
        )
    free, files = disk.f_bavail * disk.f_frsize, disk.f_favail
    found = f"{free / 10**9:.1f} GB free for {state.root}"
    hint = "free some space, or name a folder on a larger disk in TALLY_STATE"
    if disk.f_files and files < _NEEDED_FILES:  # some file systems count no inodes and say 0
        return Check("disk-space", Status.FAILED, f"room for {files} more files for {state.root}", hint)
    if free < _NEEDED:
        return Check("disk-space", Status.FAILED, f"{found}; {_NEEDED / 10**9:.0f} GB are needed", hint)
    if free < _COMFORTABLE:
        return Check("disk-space", Status.WARNING, f"{found}: enough for a small toolchain only", hint)
    return Check("disk-space", Status.OK, found)


def _user_namespaces() -> Check:
    obstacle = namespaces.obstacle()
    if obstacle is None:
        return Check("user-namespaces", Status.OK, "user namespaces can be made")
    return Check("user-namespaces", Status.FAILED, f"no user namespaces: {obstacle.reason}", obstacle.hint)


def _sandbox(nix: Nix) -> Iterator[Check]:
    """Build something and judge what it saw by the rules for the builders' own probe."""
    try:
        seen = trial.try_sandbox(ChrootStore(nix, nix.scratch / "trial-store"), nix_system())
    except TallyError as error:
        hint = "mend user namespaces first, if they failed above; in a container, /proc must not be masked"
        yield Check("sandbox", Status.FAILED, f"Nix cannot build in its sandbox: {error.message}", hint)
        return
    proof = SandboxProof(
        network_interfaces=seen.interfaces,
        uid=seen.uid,
        build_directory=seen.directory,
        host_name=seen.host_name,
        root_entries=seen.root_entries,
        environment=seen.variables,
        host_file_visible=seen.host_file_visible,
    )
    if holes := probe.holes(proof, trial.DECLARED):
        hint = "look for a wrapper around Nix that changes its settings; nothing is signed without a sandbox"
        yield Check("sandbox", Status.FAILED, f"the sandbox does not hold: {'; '.join(holes)}", hint)
    else:
        yield Check(
            "sandbox", Status.OK, "a build saw no network, no host file, and a fixed user and directory"
        )
    if seen.nested == "works":
        yield Check(
            "nested-namespaces", Status.OK, "a build can make a user namespace, as the debian toolchain does"
        )
    elif seen.nested is not None:
        hint = (
            "as root: sysctl user.max_user_namespaces=15000; the debian toolchain does not work without them"
        )
        yield Check("nested-namespaces", Status.FAILED, f"none within the sandbox: {seen.nested}", hint)


def _builders(nix: Nix, state: State, folder: Path) -> Iterator[Check]:
    try:
        configuration = load(folder)
    except TallyError as error:
        yield Check("configuration", Status.FAILED, error.message, error.hint)
        return
    for table in configuration.builder:
        yield _checked(f"builder-{table.name}", partial(_builder, nix, state, table))


def _builder(nix: Nix, state: State, table: BuilderTable) -> Check:
    """Whether Nix can open a builder's store."""
    scratch = nix.scratch / table.name
    scratch.mkdir()
    if table.store == "vm":
        return _machine(f"builder-{table.name}", table)
    place = kinds.Place(state.store(table.name), scratch, scratch, ExitStack())
    builder = kinds.make(table, nix.version, place, NO_VARIATION, lambda: scratch)
    name, store = f"builder-{builder.name}", builder.store
    if isinstance(store, ChrootStore) and not store.root.exists():
        return Check(name, Status.OK, "an embedded store, to be made by the first build")
    try:
        store.invalid([f"/nix/store/{'0' * 32}-asked-by-tally-doctor"])
    except TallyError as error:
        raise TallyError(error.message, hint=way_out(builder, error)) from error
    if isinstance(store, ChrootStore):
        return Check(name, Status.OK, f"an embedded store, {store.root}")
    return Check(name, Status.OK, f"{builder.kind} answers; `tally builder check` also tries its sandbox")


def _machine(name: str, table: BuilderTable) -> Check:
    """Whether a virtual machine can be run; none is."""
    hardware = Hardware.unlike_this_machine(table.memory, table.disk, table.kvm, table.system)
    qemu = hardware.platform.qemu
    place = shutil.which(qemu)
    if place is None:
        return Check(
            name,
            Status.FAILED,
            f"{qemu} is not installed",
            hardware.platform.install,
            hardware.platform.package,
        )
    how = "" if hardware.kvm else f"; {emulation(hardware)}"
    return Check(name, Status.OK, f"{place} is there{how}; `tally builder check` also starts its machine")


def _locking() -> Iterator[Check]:
    """What only `tally lock` and git sources need: nobody who builds from a lock must have it."""
    yield _program(
        "git",
        "git sources and path sources need it, and without it the provenance names no commit and no "
        "repository, which `require-commit` and policies ask for",
        "apt-get install git",
        "git",
    )
    yield _program(
        "apt-get",
        "`tally lock` resolves Debian packages with it",
        "run `tally lock` on Debian or Ubuntu",
    )
    if not _ARCHIVE_KEYS.exists():
        yield Check(
            "debian-archive-keys",
            Status.WARNING,
            f"{_ARCHIVE_KEYS} is not there: `tally lock` checks the archive's signature with it",
            "apt-get install debian-archive-keyring",
            "debian-archive-keyring",
        )


def _program(name: str, use: str, hint: str, package: str | None = None) -> Check:
    place = shutil.which(name)
    if place is None:
        return Check(name, Status.WARNING, f"{name} is not installed: {use}", hint, package)
    try:
        said = subprocess.run([place, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, Status.WARNING, f"{place} does not answer: {why(error)}", hint)
    if said.returncode != 0:
        return Check(name, Status.WARNING, f"{place} --version ended with status {said.returncode}", hint)
    return Check(name, Status.OK, f"{said.stdout.splitlines()[0] if said.stdout else name} at {place}")
