"""How independent builders are, by what was observed of their hosts, and what makes a vote. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from orchestrator.ground.values import dataclass

if TYPE_CHECKING:
    from orchestrator.builders.build import Identity

Level = Literal["same-host", "separate-hosts", "separate-operators"]
SAME_HOST: Final = "same-host"
SEPARATE_HOSTS: Final = "separate-hosts"
SEPARATE_OPERATORS: Final = "separate-operators"
LEVELS: Final[tuple[Level, ...]] = (SAME_HOST, SEPARATE_HOSTS, SEPARATE_OPERATORS)
"""From the least to the most."""

HERE: Final = ("local", "daemon", "vm")
"""Stores on the orchestrator's own machine; a virtual machine there has a kernel of its own and no host."""

OWN_STORES: Final = ("local", "vm")
"""Addresses by which every builder has a store of its own: a folder, or a machine that it started."""


@dataclass(frozen=True, slots=True)
class Party:
    """What tells one builder's host and operator from another's. None: not observed, or not configured."""

    store: str
    operator: str | None
    machine_id: str | None
    boot_id: str | None
    host_id: str | None = None
    """Of a virtual machine: the id of the machine under it."""

    @classmethod
    def of(cls, identity: Identity) -> Party:
        return cls(identity.store, identity.operator, identity.machine_id, identity.boot_id, identity.host_id)

    @property
    def machines(self) -> frozenset[str]:
        """The ids of the machines that it is on."""
        return frozenset(each for each in (self.machine_id, self.host_id) if each is not None)


def one_store(one: Identity, other: Identity) -> bool:
    """Whether two builders may share a store: one address, or one running host under two.

    Stores of their own aside, a host has one. A machine id that was not observed tells no host from another.
    """
    if one.store in OWN_STORES or other.store in OWN_STORES:
        return False
    if one.store == other.store:
        return True
    known = one.machine_id is not None and other.machine_id is not None
    same = one.boot_id is not None and one.boot_id == other.boot_id
    return same and (not known or one.machine_id == other.machine_id)


def votes(parties: Sequence[Party], level: Level) -> int:
    """How many votes parties have: one each at `same-host`, else those that cannot be told apart have one.

    Parties are on one host when they show one machine id, one boot id, or both a store on the orchestrator's
    machine. A virtual machine is on the host that it says is under it. One without a configured operator may
    be any other's.
    """
    if level == SAME_HOST:
        return len(parties)
    groups: list[list[Party]] = []
    for party in parties:
        same = [group for group in groups if any(_one(party, other, level) for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append([party, *(other for group in same for other in group)])
    return len(groups)


def level_of(parties: Sequence[Party], quorum: int) -> Level:
    """The highest level at which parties that all agreed have `quorum` votes, and never fewer than two."""
    needed = max(2, quorum)
    return next((level for level in reversed(LEVELS) if votes(parties, level) >= needed), SAME_HOST)


def _one(party: Party, other: Party, level: Level) -> bool:
    """Whether two parties could be one."""
    if party.store in HERE and other.store in HERE:
        return True
    if not party.machines.isdisjoint(other.machines):
        return True
    if party.boot_id is not None and party.boot_id == other.boot_id:
        return True
    unknown = party.operator is None or other.operator is None
    return level == SEPARATE_OPERATORS and (unknown or party.operator == other.operator)
