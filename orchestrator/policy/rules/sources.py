"""Sources: every one comes from an address, and has a digest, that the policy allows (`[sources]`)."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.ground.wording import some
from orchestrator.policy.evidence import Evidence, Input
from orchestrator.policy.pattern import Pattern
from orchestrator.policy.verdict import Code, Finding, Reason
from orchestrator.recipe.detours import plain

_KINDS = ("source", "fetched")
"""Of materials: those that can be a source. Of what somebody's own derivation fetched nobody knows."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """`sources.addresses`. A source may have come from any of its addresses, so all have to fit."""

    patterns: tuple[Pattern, ...]

    @property
    def name(self) -> str:
        return "sources.addresses"

    def judge(self, evidence: Evidence) -> Finding:
        sources = [each for each in evidence.inputs if each.kind in _KINDS]
        return Finding(
            self.name,
            some([address for each in sources for address in each.addresses]),
            tuple(reason for each in sources if (reason := self._against(each)) is not None),
        )

    def _against(self, source: Input) -> Reason | None:
        if not source.addresses:
            said = f"the source {source.name} does not say where it is from"
            return Reason(Code.MATERIAL_NOT_ALLOWED, said)
        for address in source.addresses:
            if not plain(address) or not any(each.matches(address) for each in self.patterns):
                said = f"the source {source.name} is from {address}, which no pattern allows"
                return Reason(Code.MATERIAL_NOT_ALLOWED, said)
        return None


@dataclass(frozen=True, slots=True)
class Digests:
    """`sources.digests`: sha256 of flat files, and of NARs, in hexadecimal."""

    allowed: frozenset[str]

    @property
    def name(self) -> str:
        return "sources.digests"

    def judge(self, evidence: Evidence) -> Finding:
        sources = [each for each in evidence.inputs if each.kind in _KINDS]
        reasons = []
        for each in sources:
            if not each.digests or not all(value in self.allowed for value in each.digests.values()):
                digest = some([f"{kind}:{value}" for kind, value in each.digests.items()])
                said = f"the source {each.name} is {digest}, which the policy does not list"
                reasons.append(Reason(Code.MATERIAL_NOT_ALLOWED, said))
        return Finding(self.name, some([each.name for each in sources]), tuple(reasons))


@dataclass(frozen=True, slots=True)
class Kinds:
    """`sources.kinds`: whether a recipe, a derivation, an expression or a flake may be released."""

    allowed: frozenset[str]

    @property
    def name(self) -> str:
        return "sources.kinds"

    def judge(self, evidence: Evidence) -> Finding:
        kind = evidence.kind
        if kind in self.allowed:
            return Finding(self.name, kind)
        what = kind or "thing of an unknown kind"
        said = f"it was made from a {what}, and the policy allows {_or(self.allowed)}"
        return Finding(self.name, kind or "unknown", (Reason(Code.SOURCE_NOT_ALLOWED, said),))


def _or(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds)) or "nothing"
