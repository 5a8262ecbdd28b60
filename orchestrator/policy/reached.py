"""How deep an agreement reaches: of how many derivations, and whose signatures were believed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.evidence import beliefs
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.commands import read
from orchestrator.evidence.links import Link
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BELIEVED
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted
from orchestrator.nix.outputpath import Places
from orchestrator.nix.signature import PublicKey
from orchestrator.policy.verdict import Code, Reason

_COUNTED = ("derivations", "rebuilt", "believed", "paths", "levels")
EVERY = "rebuilt every input"
"""What is said where nothing was believed."""
_TEXT = frozenset({str})


@dataclass(frozen=True, slots=True)
class Reached:
    """How deep an agreement reaches, where inputs were believed."""

    derivations: int
    rebuilt: int
    believed: int
    paths: int
    levels: int
    """So many levels of inputs below the package were all rebuilt."""
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"rebuilt {self.rebuilt} of {counted(self.derivations, 'derivation')}; "
            f"{self.believed} believed from {', '.join(self.keys)}"
        )


def reach(reproduction: Statement) -> Reached | None:
    """How deep the agreement reaches; None: nothing was believed. Raises MalformedError."""
    attributes = member(reproduction.predicate, "attributes", list, "the reproduction statement")
    if not attributes:
        return None
    conditions = member(attributes[0], "conditions", dict, "the reproduction statement")
    return recorded(member(conditions, "agreement", dict, "the reproduction statement"))


def recorded(agreement: Mapping[str, Any]) -> Reached | None:
    """The same from the agreement itself, as `release.json` has it, too. Raises MalformedError."""
    what = "the agreement's inputs"
    if "inputs" not in agreement:
        return None
    said = member(dict(agreement), "inputs", dict, "the agreement")
    whole, rebuilt, believed, paths, levels = (member(said, name, int, what) for name in _COUNTED)
    keys = member(said, "keys", list, what)
    if (
        min(rebuilt, levels) < 0
        or min(believed, paths) < 1  # a path that is believed was made by something
        or whole != rebuilt + believed
        or set(map(type, keys)) != {str}
    ):
        raise MalformedError(f"{what} do not add up")
    return Reached(whole, rebuilt, believed, paths, levels, tuple(keys))


def inputs(provenance: Statement, reproduction: Statement, links: Sequence[Link] = ()) -> Iterator[Reason]:
    """What the agreement and the builders' links say of believed inputs is what the provenance lists."""
    build = member(provenance.predicate, "buildDefinition", dict, "the provenance")
    internal = member(build, "internalParameters", dict, "the provenance")
    commands = internal.get("commands")
    listed = list(_listed(member(build, "resolvedDependencies", list, "the provenance")))
    for path, (key, signature, *_) in listed:
        if signature.partition(":")[0] != key:
            yield _no(f"{path} is said to be signed by {key}, and its signature is by another key")
    # links tell of beliefs since before commands told their inputs
    told = any(isinstance(each, dict) and "inputs" in each for each in commands or ())
    yield from _linked(dict(listed), links, told)
    said = reach(reproduction)
    if said is None:
        if listed:
            yield _no("the provenance lists believed inputs, and the agreement is as if all were rebuilt")
        return
    built = len(member(internal, "commands", list, "the provenance"))
    keys = tuple(sorted({key for _, (key, *_) in listed}))
    if (said.rebuilt, said.paths, said.keys) != (built, len(listed), keys):
        yield _no("the agreement says other things of believed inputs than the provenance")


def levels(provenance: Statement) -> int | None:
    """No more levels of inputs below the package were rebuilt, by the commands; None: these do not tell.

    The first command that names a believed path was given it. Raises MalformedError.
    """
    build = member(provenance.predicate, "buildDefinition", dict, "the provenance")
    internal = member(build, "internalParameters", dict, "the provenance")
    package = member(member(internal, "package", dict, "the provenance"), "derivation", str, "the package")
    told = [command for command, _ in read(provenance.predicate) or ()]
    listed = dict(_listed(member(build, "resolvedDependencies", list, "the provenance")))
    believed = Places(dict.fromkeys(listed, True))
    makers = Places({path: command for command in told for path in command.outputs.values()})
    level = {each.derivation: each for each in told if each.derivation == package}
    seen: set[str] = set()
    deep = 0
    while level:
        if any(True for each in level.values() for _ in believed.named(each)):
            return deep
        seen |= level.keys()
        below = [used for each in level.values() for used in makers.named(each)]
        level = {each.derivation: each for each in below if each.derivation not in seen}
        deep += 1
    return None


_Told = tuple[str, str, int, tuple[str, ...]]
"""The key's name, the signature, the NAR's size and the references."""


def _listed(materials: Iterable[object]) -> Iterator[tuple[str, _Told]]:
    """What the provenance says of each believed path. Raises MalformedError."""
    what = "a believed material of the provenance"
    for each in materials:
        noted = each.get("annotations") if isinstance(each, dict) else None
        if isinstance(noted, dict) and noted.get("kind") == BELIEVED:
            key, signature = (member(noted, name, str, what) for name in ("key", "signature"))
            references = member(noted, "references", list, what)
            if not _TEXT.issuperset(map(type, references)):
                raise MalformedError(f"{what} has references that are no list of texts")
            size = member(noted, "narSize", int, what)
            yield member(noted, "storePath", str, what), (key, signature, size, tuple(references))


def _linked(listed: Mapping[str, _Told], links: Sequence[Link], told: bool) -> Iterator[Reason]:
    """Each link has the beliefs that are listed, and all have the same keys.

    Links of earlier versions tell of none: then all are so, and nothing else is `told` either.
    """
    found = [(each.builder, beliefs.read(each.believed, f"the link of {each.builder}")) for each in links]
    if not told and not any(theirs for _, theirs in found):
        return
    keys: dict[str, PublicKey] = {}
    for builder, theirs in found:
        said = {
            path: (each.key.name, each.signature, each.nar_size, each.references)
            for path, each in theirs.items()
        }
        if said != listed:
            yield _no(f"the link of builder {builder} believes other things than the provenance")
        if any(keys.setdefault(path, each.key) != each.key for path, each in theirs.items()):
            yield _no(f"the link of builder {builder} believes other keys than the links of others")


def _no(said: str) -> Reason:
    return Reason(Code.CONTRADICTION, said)
