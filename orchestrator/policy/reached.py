"""How deep an agreement reaches: of how many derivations, and whose signatures were believed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.links import Link
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BELIEVED
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted
from orchestrator.policy.verdict import Code, Reason

_COUNTED = ("derivations", "rebuilt", "believed", "paths", "levels")


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
        min(rebuilt, believed, paths, levels) < 0
        or whole != rebuilt + believed
        or set(map(type, keys)) != {str}
    ):
        raise MalformedError(f"{what} do not add up")
    return Reached(whole, rebuilt, believed, paths, levels, tuple(keys))


def inputs(provenance: Statement, reproduction: Statement, links: Iterable[Link] = ()) -> Iterator[Reason]:
    """What the agreement and the builders' links say of believed inputs is what the provenance lists.

    Links of earlier versions tell of none.
    """
    what = "a material of the provenance"
    build = member(provenance.predicate, "buildDefinition", dict, "the provenance")
    believed: list[str] = []
    signatures: dict[str, str] = {}
    for each in member(build, "resolvedDependencies", list, "the provenance"):
        annotations = each.get("annotations") if isinstance(each, dict) else None
        if isinstance(annotations, dict) and annotations.get("kind") == BELIEVED:
            believed.append(member(annotations, "key", str, what))
            path = member(annotations, "storePath", str, what)
            signatures[path] = member(annotations, "signature", str, what)
    for link in links:
        theirs = {
            path: member(dict(link.believed), path, dict, what).get("signature") for path in link.believed
        }
        if theirs and theirs != signatures:
            told = f"the link of builder {link.builder} believes other signatures than the provenance"
            yield Reason(Code.CONTRADICTION, told)
    said = reach(reproduction)
    if said is None:
        if believed:
            told = "the provenance lists believed inputs, and the agreement is as if all were rebuilt"
            yield Reason(Code.CONTRADICTION, told)
        return
    internal = member(build, "internalParameters", dict, "the provenance")
    built = len(member(internal, "commands", list, "the provenance"))
    if (said.rebuilt, said.paths, said.keys) != (built, len(believed), tuple(sorted(set(believed)))):
        told = "the agreement says other things of believed inputs than the provenance"
        yield Reason(Code.CONTRADICTION, told)
