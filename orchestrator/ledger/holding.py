"""What need not be built again: derivations on which builders that still qualify agreed before. Pure.

1. A build counts where its builder made it in a run (built or checked), in a sandbox that was proven, and
   where nothing that it was made from was altered, by a look after that.
2. Its builder still qualifies while it has the same name, store, operator, machine and version of Nix.
3. A derivation is known where every builder of this run has a build of it that counts, where these have the
   votes that this run wants, and where nothing that any of them ever had of it is something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from orchestrator.agreement.independence import Level, Party, votes
from orchestrator.ledger.entries import Entry, How, Known, Made

Holding = Mapping[str, Mapping[str, Made]]
"""Builder name to what it made, by output name."""


def known(
    entries: Iterable[Entry], builders: Sequence[Known], needed: int, vote: Level
) -> Mapping[str, Holding]:
    """`.drv` path to what each of `builders` made of it, of all that is known; `entries` oldest first."""
    by_derivation: dict[str, list[Entry]] = {}
    for entry in entries:
        by_derivation.setdefault(entry.derivation, []).append(entry)
    found = {}
    for path, those in by_derivation.items():
        holding = _held(those, builders, needed, vote)
        if holding is not None:
            found[path] = holding
    return found


def restless(entries: Iterable[Entry], builders: Iterable[str]) -> frozenset[str]:
    """`.drv` paths of which one of these builders has had more than one result."""
    names, had = frozenset(builders), dict[tuple[str, str, str], set[object]]()
    for entry in entries:
        if entry.builder.name in names and not _proves_nothing(entry):
            for name, each in entry.outputs.items():
                some = had.setdefault((entry.derivation, entry.builder.name, name), set())
                some.add(_plain(each))
                if each.second is not None:
                    some.add(each.second)
    return frozenset(path for (path, *_), some in had.items() if len(some) > 1)


def abandoned(entries: Iterable[Entry], running: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Builder name to `.drv` paths of what its store has from a run that ended before it looked at it.

    Such a run was killed, or found something altered. Those in `running` go on, and will look. A check leaves
    a store as it is. `entries` are the oldest first.
    """
    found: dict[str, set[str]] = {}
    for entry in entries:
        left = found.setdefault(entry.builder.name, set())
        if entry.counts:
            left.discard(entry.derivation)
        elif entry.how is How.BUILT and entry.run not in running:
            left.add(entry.derivation)
    return {name: frozenset(paths) for name, paths in found.items() if paths}


def _held(entries: Sequence[Entry], builders: Sequence[Known], needed: int, vote: Level) -> Holding | None:
    mine = {each.name: each for each in builders}
    counted: dict[str, Entry] = {}
    made: set[tuple[object, ...]] = set()
    for entry in entries:
        now = mine.get(entry.builder.name)
        if now is None or entry.how is How.FAILED or _proves_nothing(entry):
            continue
        made.add(tuple(sorted((name, _plain(each)) for name, each in entry.outputs.items())))
        if any(each.second is not None for each in entry.outputs.values()):
            return None
        if entry.counts and _is_same(entry.builder, now):
            counted[now.name] = entry
    if len(made) != 1 or counted.keys() != mine.keys():
        return None
    parties = [_party(each.builder) for each in counted.values()]
    if votes(parties, vote) < max(2, needed):
        return None
    return {name: each.outputs for name, each in counted.items()}


def _proves_nothing(entry: Entry) -> bool:
    """Whether its sandbox was not proven, or nobody looked what it was made from: no yes and no no."""
    return entry.how.made and not entry.builder.proven


def _plain(made: Made) -> tuple[str, str, tuple[str, ...]]:
    return made.path, made.nar_hash.hex, made.references


def _party(builder: Known) -> Party:
    return Party(builder.store, builder.operator, builder.machine_id, builder.boot_id)


def _is_same(then: Known, now: Known) -> bool:
    """Whether it is the builder that it was. What is not known of it now is not known to be the same."""
    if now.nix_version is None or now.machine_id is None:
        return False
    return (then.store, then.operator, then.machine_id, then.nix_version) == (
        now.store,
        now.operator,
        now.machine_id,
        now.nix_version,
    )
