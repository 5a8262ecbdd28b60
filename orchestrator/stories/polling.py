"""Who has a vote on what a target is made with: builders of tally.toml, each by its operator, and others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.builders.configuration import BuilderTable, Configuration
from orchestrator.builders.host import machine_id
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.keys.key import PublicKey
from orchestrator.ledger.entries import Entry, How, Known, Result
from orchestrator.ledger.named import result_of
from orchestrator.ledger.operators import Signed, by_operator, operators
from orchestrator.ledger.reading import read
from orchestrator.ledger.resolving import told_alone
from orchestrator.ledger.votes import Count, count
from orchestrator.stories.others import Paths, Said, paths_of, taken_in

HERE: Final = "here"
"""What the operator of this machine is called where no builder of tally.toml names one."""
_THIS_MACHINE: Final = "this machine"


@dataclass(frozen=True, slots=True)
class Polled:
    """Operators, by the names that they go by."""

    said: Mapping[str, tuple[Entry, ...]]
    names: Mapping[str, frozenset[str]]
    """The same to the names that were given for it."""
    own: frozenset[str]
    """Those who run builders of ours."""

    def of(self, told: Collection[str], paths: Paths) -> Polled:
        """What they have of outputs at these paths that are told of: who wants fewer builds the same."""
        said = {name: tuple(told_alone(entries, paths, told)) for name, entries in self.said.items()}
        return replace(self, said=said)


def polled(
    state: State, tables: Sequence[BuilderTable], others: Iterable[Said], keys: Iterable[str], paths: Paths
) -> Polled:
    """What everybody says of these derivations. Raises TallyError for a ledger that cannot be read."""
    entries: list[Entry] = []
    if state.ledger.exists():
        with read(state) as ledger:
            entries = list(ledger.entries(list(paths)))
    own = list(own_of(state, entries, tables, keys))
    found = operators([*own, *(each.signed(paths) for each in others)])
    ours = {id(each) for each in own}
    return Polled(
        {each.name: each.entries for each in found},
        {each.name: frozenset(one.operator for one in each.members) for each in found},
        frozenset(each.name for each in found if any(id(one) in ours for one in each.members)),
    )


def votes(
    state: State, target: str, needed: int | None, configuration: Configuration
) -> tuple[Result, Count]:
    """The votes on a target that was built here, and on its build-time closure.

    Raises TallyError for a target that is unknown, and for what is not as it was signed.
    """
    with read(state) as ledger:
        result = result_of(ledger, target)
        below = ledger.inputs(result.artifact)
        fixed = ledger.fixed(list(below))
        entries = list(ledger.entries(list(below)))
    paths = paths_of(entries, below)
    signed = [
        *own_of(state, entries, configuration.builder),
        *(each.signed(paths) for each in taken_in(state)),
    ]
    return result, count(result.artifact, below, fixed, by_operator(signed), needed)


def own_of(
    state: State, entries: Iterable[Entry], tables: Sequence[BuilderTable], keys: Iterable[str] = ()
) -> Iterator[Signed]:
    """What builders of tally.toml made, by who runs them. Those on this machine are one operator's.

    What a builder made that tally.toml no longer has, or has in another store, is no vote.
    """
    by_name = {each.name: each for each in tables}
    said: dict[str, list[Entry]] = {each.operator or HERE: [] for each in tables}
    for entry in entries:
        table = by_name.get(entry.builder.name)
        if table is not None and table.store == entry.builder.store:  # who runs it is as tally.toml says now
            said[table.operator or HERE].append(entry)
        else:  # what was not proven is no vote and against nobody; its machine counts all the same
            counts = entry.how is How.HELD or entry.builder.proven
            had = replace(entry, how=How.HELD, outputs=entry.outputs if counts else {})
            said.setdefault(entry.builder.operator or HERE, []).append(had)
    known = {place: PublicKey.load(place).keyid for place in sorted(state.keys.glob("builder-*.pub"))}
    marks: dict[str, set[str]] = {operator: set() for operator in said}
    for each in tables:
        mine = marks[each.operator or HERE]
        if each.here:
            mine.add(_THIS_MACHINE)
        if (place := state.keys / f"builder-{each.name}.pub") in known:
            mine.add(known.pop(place))
        if each.link_key is not None and each.link_key.exists():
            mine.add(PublicKey.load(each.link_key).keyid)
    # whoever signs here is one of ours, and adds no vote
    signs = next((each for each in tables if each.here), tables[0])
    marks[signs.operator or HERE].update((*known.values(), *keys))
    for operator, those in said.items():
        here = (_this_machine(),) if _THIS_MACHINE in marks[operator] else ()
        yield Signed(operator, tuple(those), frozenset(marks[operator]), here)


def _this_machine() -> Known:
    """It, before any builder of it was seen."""
    try:
        return Known(HERE, HERE, machine_id=machine_id())
    except TallyError:  # it has none; builders say so
        return Known(HERE, HERE)
