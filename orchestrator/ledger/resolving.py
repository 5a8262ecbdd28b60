"""What each build was made from: what its builder had of each direct input then. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import replace

from orchestrator.ledger.entries import Entry, How, Made


def resolved(entries: Iterable[Entry], inputs: Mapping[str, Collection[str]]) -> Iterator[Entry]:
    """Every build with its inputs, as far as these entries tell; `entries` are the oldest first of each.

    `inputs` are derivations to their direct inputs, those with fixed outputs left out. What a builder had is
    what it had in the same run, else what it was the last to have before. Of something that came out in
    several ways nobody knows which one was used.
    """
    every = list(entries)
    had: dict[tuple[str, str | None, str], list[Entry]] = {}
    for entry in every:
        if entry.outputs and entry.how is not How.FAILED and entry.builder.proven:
            had.setdefault(_place(entry, entry.derivation), []).append(entry)
    for entry in every:
        if not entry.how.made:
            continue
        found = {below: _used(entry, had.get(_place(entry, below), ())) for below in inputs[entry.derivation]}
        yield replace(entry, inputs={below: made for below, made in found.items() if made})


def told_alone(
    entries: Iterable[Entry], paths: Mapping[str, Mapping[str, str]], told: Container[str]
) -> Iterator[Entry]:
    """What entries have of these derivations; of outputs that are to be at these paths, those `told` of.

    What they have of an output at another path stays: it is another result.
    """

    def those(derivation: str, outputs: Mapping[str, Made]) -> Mapping[str, Made]:
        at = paths[derivation]
        return {name: made for name, made in outputs.items() if name not in at or at[name] in told}

    for entry in entries:
        if entry.derivation in paths and (outputs := those(entry.derivation, entry.outputs)):
            inputs = {path: those(path, of) for path, of in entry.inputs.items() if path in paths}
            yield replace(entry, outputs=outputs, inputs=inputs)


def _place(entry: Entry, derivation: str) -> tuple[str, str | None, str]:
    return entry.builder.name, entry.builder.machine_id, derivation


def _used(entry: Entry, those: Iterable[Entry]) -> Mapping[str, Made]:
    """What the builder of an entry had of an input; nothing where that is not one thing."""
    before = [each for each in those if each.run <= entry.run]
    same = [each for each in before if each.run == entry.run] or before[-1:]
    if len(same) != 1 or any(made.second is not None for made in same[0].outputs.values()):
        return {}
    return same[0].outputs
