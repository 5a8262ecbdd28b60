"""Licences: SPDX expressions, evaluated as what their operators mean (SPDX 2.3, annex D; `[licences]`).

`OR` leaves a choice: one alternative has to be allowed. `AND` demands both. `A WITH B` is a licence of its
own, which neither A nor B stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.ground.wording import counted
from orchestrator.policy.evidence import Component, Evidence
from orchestrator.policy.verdict import Code, Finding, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

Scope = Literal["artifact", "runtime", "all"]


@dataclass(frozen=True, slots=True)
class Licences:
    """`[licences]`. `allowed` None: all that are not denied."""

    allowed: frozenset[str] | None
    denied: frozenset[str]
    scope: Scope = "runtime"
    unknown: Literal["deny", "allow"] = "deny"

    @property
    def name(self) -> str:
        return "licences"

    def judge(self, evidence: Evidence) -> Finding:
        packages = [each for each in evidence.components if self._looks_at(each, evidence)]
        reasons = tuple(reason for each in packages if (reason := self._against(each)) is not None)
        known = sorted({each.licence for each in packages if each.licence})
        return Finding(
            self.name, f"{counted(len(packages), 'package')}: {', '.join(known) or 'no licence'}", reasons
        )

    def _looks_at(self, package: Component, evidence: Evidence) -> bool:
        from orchestrator.evidence.sbom.spdx2_packages import ARTIFACT

        match self.scope:
            case "artifact":
                return package.spdx_id == ARTIFACT
            case "runtime":
                return package.spdx_id in evidence.shipped
            case "all":
                return True

    def _against(self, package: Component) -> Reason | None:
        if package.licence is None:
            if self.unknown == "allow":
                return None
            return Reason(Code.LICENCE_DENIED, f"the licence of {package.name} is not known")
        tree = parsed(package.licence)
        if tree is None:
            said = f"the licence of {package.name} is no SPDX expression: {package.licence!r}"
            return Reason(Code.LICENCE_DENIED, said)
        if holds(tree, self._allows):
            return None
        said = f"the licence of {package.name} is {package.licence}, which the policy does not allow"
        return Reason(Code.LICENCE_DENIED, said)

    def _allows(self, licence: str) -> bool:
        return licence not in self.denied and (self.allowed is None or licence in self.allowed)


def holds(tree: Any, allows: Callable[[str], bool]) -> bool:
    """Whether an expression can be met with licences that are allowed alone."""
    parts = [tree]
    order: list[Any] = []
    while parts:  # without recursion: an expression is as deep as whoever wrote it liked
        node = parts.pop()
        order.append(node)
        parts += _operands(node)
    met: dict[int, bool] = {}
    for node in reversed(order):
        below = [met[id(each)] for each in _operands(node)]
        if not below:
            met[id(node)] = allows(str(node.render("{symbol.key}")))
        else:
            met[id(node)] = all(below) if node.operator.strip() == "AND" else any(below)
    return met[id(tree)]


def _operands(node: Any) -> tuple[Any, ...]:
    return tuple(node.args) if getattr(node, "operator", None) in (" AND ", " OR ", "AND", "OR") else ()


@lru_cache(maxsize=4096)
def parsed(expression: str) -> Any:
    """An expression as a tree of operators and licences; None: it is not one of known licences."""
    from orchestrator.recipe.licences import check_license, spdx

    try:
        return spdx().parse(check_license(expression), validate=False, strict=True)
    except ValueError:
        return None


def licence(text: str) -> str:
    """One licence, perhaps with an exception, in its canonical spelling. Raises ValueError."""
    from orchestrator.recipe.licences import check_license

    found = check_license(text)
    if _operands(parsed(found)):
        raise ValueError(f"expected one licence, got the expression {text!r}; list each of them")
    return found
