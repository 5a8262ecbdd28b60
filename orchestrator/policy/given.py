"""Which commands of a provenance were given what others of it made, whether they name it or not. Pure.

An output's path follows from the hashes of all that its derivation was given (nix/outputpath.py). So a
command whose outputs are where they are computed to be was given just that, and each hash is one of a fixed
output that is listed, or of another command: else it was given what the provenance does not tell of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from orchestrator.evidence.terms import FETCHED_KINDS, NAR_SHA256
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.values import dataclass
from orchestrator.nix.outputpath import Command, Inputs, derivation_hash, fixed_hash
from orchestrator.nix.storepath import ByContent
from orchestrator.policy.commands import Told, known_to
from orchestrator.policy.evidence import Input


@dataclass(frozen=True, slots=True)
class Given:
    """What commands were given of what other commands made."""

    below: Mapping[str, tuple[str, ...]]
    """`.drv` path to those whose outputs it was given, sorted."""
    paths: Mapping[str, frozenset[str]]
    """The same to those outputs."""


def given(told: Told) -> Given | str:
    """What each command was given; a text: why that cannot be told."""
    known, fixed = known_to(told), frozenset(_fixed(told.materials))
    addressed = _addressed(told.materials)
    makers: dict[str, list[Command]] = {}
    below: dict[str, tuple[str, ...]] = {}
    paths: dict[str, frozenset[str]] = {}
    for (command, said), computed in zip(told.commands or (), told.computed, strict=True):
        inputs = said or known.inputs(command)
        if computed is None or inputs is None:
            return f"the provenance does not tell all that {command.name} was made with"
        if built := sorted(set(inputs.sources) - addressed):
            return (
                f"{command.name} was given {_name(built[0])} as a source, and nothing shows that its path "
                "follows from its content: some build may have made it"
            )
        used = _used(inputs, makers, fixed)
        if used is None:
            return f"{command.name} was given something of which the provenance does not tell what made it"
        below[command.derivation] = tuple(sorted({each.derivation for each, _ in used}))
        paths[command.derivation] = frozenset(path for _, path in used)
        known.add(command, inputs)
        makers.setdefault(derivation_hash(command, inputs), []).append(command)
    return Given(below, paths)


def _addressed(materials: Collection[Input]) -> frozenset[str]:
    """Sources whose paths follow from their content, and so from no build, with all that they refer to."""
    found: dict[str, Collection[str]] = {}
    for each in materials:
        if each.path is None or NAR_SHA256 not in each.digests:
            continue
        by = each.by_content or ByContent("source", None)
        if by.path(_name(each.path), each.digests[NAR_SHA256]) == each.path:
            found[each.path] = by.references
    while left := [path for path, references in found.items() if not found.keys() >= set(references)]:
        for path in left:
            del found[path]
    return frozenset(found)


def _name(path: str) -> str:
    return path.rpartition("/")[2][33:]


def _used(
    inputs: Inputs, makers: Mapping[str, list[Command]], fixed: Collection[str]
) -> list[tuple[Command, str]] | None:
    """The commands that made inputs, each with an output that is used; None: some input is nobody's."""
    found: list[tuple[Command, str]] = []
    for digest, names in inputs.derivations.items():
        if digest in fixed:
            continue
        if digest not in makers:
            return None
        for each in makers[digest]:
            if not each.outputs.keys() >= set(names):
                return None
            found += ((each, each.outputs[name]) for name in names)
    return found


def _fixed(materials: Collection[Input]) -> Iterator[str]:
    """Every hash that a fixed output can have, by the digests that the provenance has of it."""
    for each in materials:
        if each.path is None or each.kind not in FETCHED_KINDS:
            continue
        if each.fixed_by is not None:
            method, _, rest = each.fixed_by.rpartition(":")
            algorithm = method.removeprefix("r:")
            yield fixed_hash(each.path, OtherDigest(algorithm, rest, nar=method.startswith("r:")))
        for algorithm, digits in each.digests.items():
            try:
                if algorithm == NAR_SHA256:
                    yield fixed_hash(each.path, NarHash(digits))
                elif algorithm == "sha256":
                    yield fixed_hash(each.path, Sha256(digits))
                else:
                    yield fixed_hash(each.path, OtherDigest(algorithm, digits, nar=False))
            except ValueError:  # no digest, and so of nothing that any command was given
                continue
