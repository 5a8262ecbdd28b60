"""Who is one operator, whatever names, keys and machines it shows: one vote each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from orchestrator.ground.wording import folded
from orchestrator.ledger.entries import Entry, Known

_SAME: Final = " = "
"""Between the names of one operator, as signed statements have them."""
RELEASE: Final = "the release's own"
"""What a release's own operator is called where a policy names none."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What was said in one operator's name."""

    operator: str
    entries: tuple[Entry, ...]
    keys: frozenset[str] = field(default=frozenset())
    """Whatever tells one key from another, of those that signed it."""
    builders: tuple[Known, ...] = ()
    """Those that are its own besides: of them nothing is counted."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator, and all that was said in its names."""

    name: str
    """The names that it goes by."""
    members: tuple[Signed, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that it said."""
        return tuple(entry for each in self.members for entry in each.entries)


def by_operator(signed: Iterable[Signed]) -> Mapping[str, tuple[Entry, ...]]:
    """Each operator, by its names, with all that it said."""
    return {each.name: each.entries for each in operators(signed)}


def operators(signed: Iterable[Signed]) -> tuple[Operator, ...]:
    """Every operator once, by name.

    Those are one operator's that share a name (however it is spaced, composed, and in whatever case), a key,
    or a machine: what cannot be told apart has one vote together.
    """
    groups: list[tuple[set[str], list[Signed]]] = []
    for each in signed:
        marks, members = _marks(each), [each]
        apart = []
        for group in groups:
            if marks.isdisjoint(group[0]):
                apart.append(group)
            else:
                marks |= group[0]
                members = [*group[1], *members]
        groups = [*apart, (marks, members)]
    found: dict[str, tuple[Signed, ...]] = {}
    for _, members in groups:
        name = _called(members)
        found[name] = (*found.get(name, ()), *members)  # a name may have a ` = ` of its own
    return tuple(Operator(name, members) for name, members in sorted(found.items()))


def names_of(name: str) -> list[str]:
    """The names that are counted as this operator."""
    return name.split(_SAME)


def in_words(name: str) -> str:
    """An operator in sentences: `us`; `here and us: one operator, by a shared machine or key`.

    Who has the same name is called by it alone. A builder that a policy has no key of is the release's own.
    """
    *first, last = names = names_of(name)
    if not first:
        return name
    or_else = ", or since the policy has no key of theirs" if RELEASE in names else ""
    return f"{', '.join(first)} and {last}: one operator, by a shared machine or key{or_else}"


def listed(names: Iterable[str], between: str) -> str:
    """Operators in a sentence; apart from each other by semicolons where one of them has several names."""
    found = [in_words(each) for each in names]
    return ("; " if any(": one operator" in each for each in found) else between).join(found)


def _marks(signed: Signed) -> set[str]:
    marks = {f"name {folded(signed.operator)}", *(f"key {each}" for each in signed.keys)}
    for builder in (*signed.builders, *(entry.builder for entry in signed.entries)):
        ids = {"machine": builder.machine_id, "boot": builder.boot_id}
        marks.update(f"{kind} {each}" for kind, each in ids.items() if each is not None)
    return marks


def _called(members: Iterable[Signed]) -> str:
    """The names that it goes by; of one name the first spelling."""
    names: dict[str, str] = {}
    for each in members:
        name = " ".join(each.operator.split())
        names[folded(name)] = min(names.get(folded(name), name), name)
    return _SAME.join(sorted(names.values()))
