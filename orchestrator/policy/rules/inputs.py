"""Inputs that nobody rebuilt: whose signatures may be believed, and how close to the package (`[inputs]`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.terms import BELIEVED, NAR_SHA256, PROVENANCE, REPRODUCTION
from orchestrator.ground.digest import NarHash
from orchestrator.ground.wording import counted
from orchestrator.nix.signature import PublicKey, fingerprint
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.reached import Reached, levels, reach
from orchestrator.policy.verdict import Code, Finding, Reason

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Inputs:
    """`[inputs]`. A release that believed nothing meets all of it."""

    refused: bool
    """Whether every input has to be rebuilt."""
    keys: tuple[PublicKey, ...] | None = None
    """Whose signatures may be believed; they are checked here again. None: anybody's."""
    levels: int = 0
    """So many levels of inputs below the package have to be rebuilt."""

    @property
    def name(self) -> str:
        return "inputs"

    def judge(self, evidence: Evidence) -> Finding:
        believed = _believed(evidence)
        reached = reach(evidence.own[REPRODUCTION].statement)
        if reached is None and not believed:
            return Finding(self.name, "every input was rebuilt")
        saw = "believed inputs" if reached is None else str(reached)
        reasons: list[Reason] = []
        if self.refused:
            reasons.append(
                _against(f"{counted(len(believed), 'input')} of it {_were(len(believed))} believed")
            )
        if self.levels and (there := _rebuilt(reached, evidence)) < self.levels:
            whole = counted(self.levels, "level")
            reasons.append(_against(f"{whole} of inputs have to be rebuilt, and {there} are"))
        if self.keys is not None:
            reasons += self._unsigned(believed)
        return Finding(self.name, saw, tuple(reasons))

    def _unsigned(self, believed: list[Mapping[str, Any]]) -> Iterator[Reason]:
        assert self.keys is not None
        wrong = [told for each in believed if (told := _by_none_of(self.keys, each)) is not None]
        for told in wrong[:_SHOWN]:
            yield _against(told)
        if len(wrong) > _SHOWN:
            yield _against(f"{len(wrong) - _SHOWN} more are believed by no key of the policy")


def _rebuilt(reached: Reached | None, evidence: Evidence) -> int:
    """How many levels: as the signer says, and no more than the commands show."""
    if reached is None:
        return 0
    shown = levels(evidence.own[PROVENANCE].statement)
    return reached.levels if shown is None else min(reached.levels, shown)


def _believed(evidence: Evidence) -> list[Mapping[str, Any]]:
    """The materials of that kind."""
    what = "the provenance"
    build = member(evidence.own[PROVENANCE].statement.predicate, "buildDefinition", dict, what)
    found = []
    for each in member(build, "resolvedDependencies", list, what):
        annotations = each.get("annotations") if isinstance(each, dict) else None
        if isinstance(annotations, dict) and annotations.get("kind") == BELIEVED:
            found.append(each)
    return found


def _by_none_of(keys: tuple[PublicKey, ...], material: Mapping[str, Any]) -> str | None:
    """Why a material's signature is by none of these keys over what is there; None: it is by one."""
    what = "a believed material"
    noted = member(dict(material), "annotations", dict, what)
    path = member(noted, "storePath", str, what)
    digest = member(member(dict(material), "digest", dict, what), NAR_SHA256, str, what)
    references = member(noted, "references", list, what)
    try:
        nar_hash = NarHash(digest)
    except ValueError as error:
        raise MalformedError(f"{what}: {error}") from None
    size = member(noted, "narSize", int, what)
    text = fingerprint(path, nar_hash, size, [str(each) for each in references])
    signature = member(noted, "signature", str, what)
    if any(key.verifies(signature, text) for key in keys):
        return None
    return (
        f"{path} is believed from {member(noted, 'key', str, what)}, by no signature of a key of the policy"
    )


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _against(said: str) -> Reason:
    return Reason(Code.INPUTS_BELIEVED, said)
