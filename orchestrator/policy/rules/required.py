"""What a release has to show: statements, an age, a sandbox (`[require]`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from orchestrator.ground.wording import some
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.validity import shown
from orchestrator.policy.verdict import Code, Finding, Reason

_SKEW = timedelta(minutes=10)
"""By how much a builder's clock may be ahead of ours."""

PROPERTIES: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "no-network": ("networkInterfaces", lambda value: value in ([], ["lo"])),
    "no-host-files": ("hostFileVisible", lambda value: value is False),
    "fixed-uid": ("uid", lambda value: value == 1000 and not isinstance(value, bool)),
    "fixed-build-directory": ("buildDirectory", lambda value: value == "/build"),
    "fixed-host-name": ("hostName", lambda value: value == "localhost"),
}
"""What a sandbox can be asked to have: the member of the probe's report that shows it, and when it does."""


@dataclass(frozen=True, slots=True)
class Statements:
    """`require.statements`: predicate types that somebody trusted has stated of this artifact."""

    types: tuple[str, ...]

    @property
    def name(self) -> str:
        return "require.statements"

    def judge(self, evidence: Evidence) -> Finding:
        there = {each.statement.predicate_type for each in evidence.statements}
        reasons: list[Reason] = []
        for kind in self.types:
            if kind not in there:
                against = [why for of, why in evidence.uncounted if of == kind]
                reasons += against or [Reason(Code.STATEMENT_MISSING, f"there is no signed statement {kind}")]
        return Finding(self.name, some(sorted(there)), tuple(reasons))


@dataclass(frozen=True, slots=True)
class MaximumAge:
    """`require.maximum-age`, from the end of the builds as the provenance says."""

    age: timedelta
    stamped: bool = False
    """Whether timestamps are asked for; else one that makes it older would only be taken away."""

    @property
    def name(self) -> str:
        return "require.maximum-age"

    def judge(self, evidence: Evidence) -> Finding:
        # whoever signed it can only make it older: builders' links and a trusted time that are earlier count
        ends = [each.link.finished for each in evidence.links if each.link.finished and not each.theirs]
        built = min(max(ends, default=evidence.built), evidence.built)
        built = min(built, (self.stamped and evidence.covered) or built)
        saw = f"built on {shown(built)}"
        if evidence.built - evidence.now > _SKEW:
            said = f"it says that it was built on {shown(evidence.built)}, which is yet to come"
            return Finding(self.name, saw, (Reason(Code.TOO_OLD, said),))
        if evidence.now - built <= self.age:
            return Finding(self.name, saw)
        said = f"it was built on {shown(built)}, more than {_duration(self.age)} ago"
        return Finding(self.name, saw, (Reason(Code.TOO_OLD, said),))


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`require.sandbox`: what the probe on every builder that vouches has shown of its sandbox."""

    properties: tuple[str, ...]

    @property
    def name(self) -> str:
        return "require.sandbox"

    def judge(self, evidence: Evidence) -> Finding:
        reasons = []
        for vouched in evidence.links:
            lacking = [name for name in self.properties if not _shows(vouched.link.sandbox, name)]
            if lacking:
                reasons.append(
                    Reason(
                        Code.SANDBOX_NOT_SHOWN,
                        f"builder {vouched.link.builder} has not shown a sandbox with {some(lacking)}",
                    )
                )
        saw = f"the probes of {some([vouched.link.builder for vouched in evidence.links])}"
        return Finding(self.name, saw, tuple(reasons))


def _shows(sandbox: Mapping[str, Any], name: str) -> bool:
    member, holds = PROPERTIES[name]
    return member in sandbox and holds(sandbox[member])


def _duration(of: timedelta) -> str:
    return f"{of.days} days" if of.days else f"{of.seconds // 3600} hours"
