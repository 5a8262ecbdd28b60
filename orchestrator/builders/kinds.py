"""From a `[[builder]]` of tally.toml to a builder: one way of making one for each kind of store."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.builders import host, ssh
from orchestrator.builders.builder import Attesting, Builder
from orchestrator.builders.configuration import BuilderTable
from orchestrator.builders.hardware import Hardware
from orchestrator.builders.host import HostFacts
from orchestrator.builders.machine import Machine
from orchestrator.builders.realising import Limits
from orchestrator.builders.variation import Variation
from orchestrator.builders.vouching import vouching_of, vouching_of_ours
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import write_scratch
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.remote import RemoteStore
from orchestrator.nix.signature import PublicKey

_ATTEMPTS = 3
"""Over a network."""
_GRACE = 60
"""Seconds that a host may be silent beyond what a build may: then its Nix would have ended the build."""

_OVER_THERE = (
    ("substitute", "false"),
    ("fallback", "false"),
    ("keep-going", "true"),
    ("keep-failed", "true"),
    ("keep-build-log", "true"),
    ("max-jobs", "auto"),
)
"""What the command line says to our own Nix, for one that hears nothing of it."""

_FACTS = """\
echo "machine $(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)"
echo "nix $(nix --version 2>/dev/null)"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a builder's things lie on this machine."""

    store: Path
    """The folder of an embedded store; made by Nix when first used."""
    scratch: Path
    logs: Path
    ending: ExitStack
    """What runs when the run ends."""


def make(
    table: BuilderTable,
    version: str,
    place: Place,
    variation: Variation,
    image: Callable[[], Path],
    number: int = 0,
) -> Builder:
    """The builder that a table describes; nothing of it is touched yet. `version` is that of our own Nix.

    `variation` is for an embedded one, `image` for a virtual machine: it gives the folder of its image.
    Virtual machines with other numbers differ.
    """
    nix = Nix(version, place.scratch)
    if table.store == "local":
        limits = _limits(table)
        flags = (*variation.flags, *limits.flags)  # what the table says comes last, and counts
        ours = ChrootStore(nix, place.store)
        return Builder(
            name=table.name,
            kind=table.store,
            store=ours,
            logs=place.logs,
            facts=lambda: HostFacts(host.machine_id(), version),
            vouching=vouching_of_ours(ours),
            operator=table.operator,
            limits=replace(limits, flags=flags, around=variation.around, when_full=variation.when_full),
            variation=variation,
            spare=table.spare,
        )
    if table.store == "daemon":
        return _daemon(table, nix, place)
    if table.store == "vm":
        return virtual(table, version, place, image, hardware_of(table, number))
    return _elsewhere(table, nix, place)


def emulates(table: BuilderTable, system: str) -> bool:
    """Whether a builder has a program for a processor of that system; who is elsewhere does not say."""
    if table.store == "vm":
        return not Hardware.unlike_this_machine(table.memory, table.disk, table.kvm, system).kvm
    return table.here and not host.runs_natively(system)


def _daemon(table: BuilderTable, nix: Nix, place: Place) -> Builder:
    def kept(path: str, nar: Path) -> bool:
        if not Path(path).exists():
            return False
        with nar.open("wb") as stream:
            nix.stream(["nix-store", "--dump", path], stream.write)
        return True

    store = RemoteStore(nix, "daemon", kept)
    return Builder(
        name=table.name,
        kind=table.store,
        store=store,
        logs=place.logs,
        facts=lambda: HostFacts(host.machine_id(), store.nix_version()),
        operator=table.operator,
        limits=_limits(table),
        vouching=vouching_of(store, _key(table)),
        spare=table.spare,
    )


def _elsewhere(table: BuilderTable, nix: Nix, place: Place) -> Builder:
    destination = replace(ssh.Destination.parse(table.store), identity=table.ssh_key)
    if table.host_key is not None:
        known_hosts = place.scratch / "known_hosts"
        write_scratch(known_hosts, ssh.known_hosts_line(destination, table.host_key))
        destination = replace(destination, known_hosts=known_hosts)
    return _over_ssh(table, nix, place, destination)


def hardware_of(table: BuilderTable, number: int) -> Hardware:
    """What a `vm` builder's machine is made to look like; those with other numbers differ."""
    return Hardware.unlike_this_machine(table.memory, table.disk, table.kvm, table.system, number)


def virtual(
    table: BuilderTable, version: str, place: Place, image: Callable[[], Path], hardware: Hardware
) -> Builder:
    """A builder on a virtual machine of some hardware; it is gone when `place.ending` ends."""
    nix = Nix(version, place.scratch)
    machine = Machine(place.scratch, place.logs, hardware, image)
    place.ending.callback(machine.close)
    return replace(_over_ssh(table, nix, place, machine.destination), power=machine)


def _over_ssh(table: BuilderTable, nix: Nix, place: Place, destination: ssh.Destination) -> Builder:
    nix = replace(nix, extra=destination.environment())

    def kept(path: str, nar: Path) -> bool:
        with nar.open("wb") as stream:
            return destination.run(f"exec nix-store --dump {shlex.quote(path)}", stdout=stream) is not None

    store = RemoteStore(nix, destination.store_uri([*_OVER_THERE, *_settings(table)]), kept)
    return Builder(
        name=table.name,
        kind=table.store,
        store=store,
        logs=place.logs,
        facts=lambda: _facts(destination, store.nix_version),
        operator=table.operator,
        limits=Limits(silence=_silence(table)),
        vouching=vouching_of(store, _key(table)),
        attempts=_ATTEMPTS,
        attesting=_attesting(table, destination),
        spare=table.spare,
    )


def _attesting(table: BuilderTable, destination: ssh.Destination) -> Attesting | None:
    if table.link_key is None:
        return None
    return Attesting(table.link_key, lambda link: destination.ask("tally attest", link))


def _facts(destination: ssh.Destination, said_by_nix: Callable[[], str | None]) -> HostFacts:
    """From a shell on the host, where the account has one; else what can be told without."""
    said = dict(line.partition(" ")[::2] for line in (destination.run(_FACTS) or "").splitlines())
    machine = said.get("machine", "").strip()
    version = re.search(r"(\d+\.\d+\S*)$", said.get("nix", "").strip())
    return HostFacts(
        host.machine_digest(machine) if machine else None, version.group(1) if version else said_by_nix()
    )


def _settings(table: BuilderTable) -> list[tuple[str, str]]:
    """What a table says of how its machine is used, as settings of Nix; none has a space."""
    others = [each for each in table.systems or () if each != host.nix_system()]
    found = [
        ("cores", table.cores),
        ("max-jobs", table.max_jobs),
        ("max-silent-time", table.max_silent),
        ("timeout", table.timeout),
        ("builders", table.builders),
        *(("extra-system-features", feature) for feature in table.features),
        # over ssh, what a host builds for is its own Nix's to say
        *(("extra-extra-platforms", each) for each in others if table.store == "local"),
    ]
    return [(name, str(value)) for name, value in found if value is not None]


def _limits(table: BuilderTable) -> Limits:
    """For a store that takes settings from nix-store's command line."""
    flags = tuple(word for pair in _settings(table) for word in ("--option", *pair))
    return Limits(flags, _silence(table))


def _silence(table: BuilderTable) -> float | None:
    longest = table.max_silent or table.timeout
    return None if longest is None else longest + _GRACE


def _key(table: BuilderTable) -> PublicKey | None:
    if table.key is None:
        return None
    try:
        return PublicKey.parse(table.key)
    except ValueError as error:
        raise TallyError(f"builder {table.name}: {error}") from error
