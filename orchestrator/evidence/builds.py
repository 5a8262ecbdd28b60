"""What an operator's builders made of many derivations, as a signed statement: an exported ledger. Pure.

docs/predicates/builds.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from orchestrator.evidence import statement
from orchestrator.evidence.canonical import MalformedError, member, moment, render, seconds
from orchestrator.evidence.statement import nar_name
from orchestrator.evidence.terms import BUILDS, BUILDS_1, NAR_SHA256, ORCHESTRATOR, STATEMENT
from orchestrator.ground.digest import NarHash
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.nix.storepath import is_store_path

_HOW: Final = {How.BUILT.value: How.BUILT, How.CHECKED.value: How.CHECKED}


def payload_of(entries: Iterable[Entry]) -> bytes:
    """The statement about these builds, each made in a sandbox that was proven, as an envelope's payload.

    A builder that made several things of one derivation is told with all of them. Raises ValueError for none.
    """
    last: dict[tuple[object, ...], Entry] = {}
    for entry in _by_machine(entries):
        of = tuple((path, _hashes(made)) for path, made in sorted(entry.inputs.items()))
        last[entry.derivation, entry.builder.name, _hashes(entry.outputs), of] = entry
    kept = sorted(last.values(), key=lambda each: (each.derivation, each.builder.name, each.run))
    digests: dict[str, set[str]] = {}
    for entry in kept:
        for made in entry.outputs.values():
            seen = digests.setdefault(made.path, set())
            seen.update(each.hex for each in (made.nar_hash, made.second) if each is not None)
    subjects = [
        {"name": nar_name(path), "digest": {"sha256": one}}
        for path, (one, *others) in sorted((path, sorted(found)) for path, found in digests.items())
        if not others
    ]
    if not subjects:
        raise ValueError("nothing was built that came out one way")
    predicate = {
        "builders": [_builder(each) for each in _builders(kept)],
        "builds": [_build(each) for each in kept],
        "producer": {"uri": ORCHESTRATOR},
    }
    return render({"_type": STATEMENT, "subject": subjects, "predicateType": BUILDS, "predicate": predicate})


def parse(payload: bytes, what: str) -> tuple[Entry, ...]:
    """The builds that a payload tells of, in its order; their run has no name. Raises MalformedError."""
    found = statement.parse(payload, what)
    if found.predicate_type not in (BUILDS, BUILDS_1):
        raise MalformedError(f"{what} is no exported ledger, but a {found.predicate_type!r}")
    builders = {}
    for each in member(found.predicate, "builders", list, what):
        builder = _known(each, f"{what}, builder")
        builders[builder.name] = builder
    entries = []
    for each in member(found.predicate, "builds", list, what):
        name = member(each, "builder", str, f"{what}, build")
        if name not in builders:
            raise MalformedError(f"{what} has a build by {name!r}, and no such builder")
        entry = _entry(each, builders[name], what)
        entries.append(entry if found.predicate_type == BUILDS_1 else _with_inputs(entry, each, what))
    return tuple(entries)


def _by_machine(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The same, where a builder's name that was given to several machines tells them apart: `a`, `a-2`."""
    machines: dict[str, list[str | None]] = {}
    for entry in entries:
        known = machines.setdefault(entry.builder.name, [])
        if entry.builder.machine_id not in known:
            known.append(entry.builder.machine_id)
        number = known.index(entry.builder.machine_id)
        name = entry.builder.name if not number else f"{entry.builder.name}-{number + 1}"
        yield replace(entry, builder=replace(entry.builder, name=name))


def _hashes(of: Mapping[str, Made]) -> tuple[object, ...]:
    """All that was made: also what came out when it was built again, and was something else."""
    return tuple(
        (name, made.path, made.nar_hash.hex, made.second.hex if made.second is not None else None)
        for name, made in sorted(of.items())
    )


def _builders(entries: Iterable[Entry]) -> list[Known]:
    return list({each.builder.name: each.builder for each in entries}.values())


def _builder(known: Known) -> dict[str, Any]:
    said = {
        "name": known.name,
        "nixVersion": known.nix_version,
        "machineIdSha256": known.machine_id,
        "bootIdSha256": known.boot_id,
        "system": known.system,
    }
    return {name: value for name, value in said.items() if value is not None}


def _build(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "derivation": entry.derivation,
        "builder": entry.builder.name,
        "outcome": entry.how.value,
        "outputs": {name: _output(made) for name, made in sorted(entry.outputs.items())},
    }
    if entry.inputs:
        found["inputs"] = {
            path: {
                name: {"path": each.path, NAR_SHA256: each.nar_hash.hex} for name, each in sorted(of.items())
            }
            for path, of in sorted(entry.inputs.items())
        }
    if entry.finished is not None:
        found["finished"] = seconds(entry.finished)
    return found


def _output(made: Made) -> dict[str, Any]:
    found: dict[str, Any] = {
        "path": made.path,
        NAR_SHA256: made.nar_hash.hex,
        "narSize": made.nar_size,
        "references": list(made.references),
    }
    if made.second is not None:
        found["second"] = {NAR_SHA256: made.second.hex}
    return found


def _known(said: object, what: str) -> Known:
    texts: dict[str, str | None] = {}
    for name in ("nixVersion", "machineIdSha256", "bootIdSha256", "system"):
        value = said.get(name) if isinstance(said, dict) else None
        if value is not None and not isinstance(value, str):
            raise MalformedError(f"{what} has a {name!r} that is no text")
        texts[name] = value
    return Known(
        name=member(said, "name", str, what),
        store="signed",
        nix_version=texts["nixVersion"],
        machine_id=texts["machineIdSha256"],
        boot_id=texts["bootIdSha256"],
        system=texts["system"],
        proven=True,
    )


def _entry(said: object, builder: Known, what: str) -> Entry:
    what = f"{what}, build"
    derivation, how = member(said, "derivation", str, what), member(said, "outcome", str, what)
    if how not in _HOW:
        raise MalformedError(f"{what} has the outcome {how!r}, which is none that counts")
    if not _is_derivation(derivation):
        raise MalformedError(f"{what} is of {derivation!r}, which is no derivation")
    outputs = member(said, "outputs", dict, what)
    if not outputs:
        raise MalformedError(f"{what} of {derivation} has no output")
    finished = said.get("finished") if isinstance(said, dict) else None
    return Entry(
        run="",
        builder=builder,
        derivation=derivation,
        how=_HOW[how],
        outputs={name: _made(each, f"{what} of {derivation}") for name, each in outputs.items()},
        finished=None if finished is None else moment(str(finished), what),
    )


def _with_inputs(entry: Entry, said: object, what: str) -> Entry:
    """With what it was made from, which version 1 does not tell."""
    if not isinstance(said, dict) or "inputs" not in said:
        return entry
    what = f"{what}, inputs of {entry.derivation}"
    told = member(said, "inputs", dict, what)
    inputs = {}
    for derivation in told:
        if not _is_derivation(derivation):
            raise MalformedError(f"{what} have {derivation!r}, which is no derivation")
        outputs = member(told, derivation, dict, what)
        inputs[derivation] = {name: _input(each, what) for name, each in outputs.items()}
    return replace(entry, inputs=inputs)


def _input(said: object, what: str) -> Made:
    path = member(said, "path", str, what)
    if not is_store_path(path):
        raise MalformedError(f"{what} name what is no store path")
    return Made(path, _hash(said, what), 0, ())


def _is_derivation(path: str) -> bool:
    return is_store_path(path) and path.endswith(".drv")


def _made(said: object, what: str) -> Made:
    path = member(said, "path", str, what)
    references = member(said, "references", list, what)
    if not all(isinstance(each, str) and is_store_path(each) for each in (path, *references)):
        raise MalformedError(f"{what} names what is no store path")
    second = said.get("second") if isinstance(said, dict) else None
    return Made(
        path,
        _hash(said, what),
        member(said, "narSize", int, what),
        tuple(references),
        None if second is None else _hash(second, what),
    )


def _hash(said: object, what: str) -> NarHash:
    try:
        return NarHash(member(said, NAR_SHA256, str, what))
    except ValueError as error:
        raise MalformedError(f"{what} has an output without a hash: {error}") from None
