"""Licences: SPDX expressions, evaluated as what their operators mean (SPDX 2.3, annex D; `[licences]`).

`OR` leaves a choice: one alternative has to be allowed. `AND` demands both. `A WITH B` is a licence of its
own, which neither A nor B stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.ground.wording import counted, some
from orchestrator.policy.evidence import Component, Evidence
from orchestrator.policy.verdict import Code, Finding, Reason
from orchestrator.recipe.purltext import unescaped

if TYPE_CHECKING:
    from collections.abc import Callable

Scope = Literal["artifact", "runtime", "all"]
_SEEN = 10  # licences that `policy explain` names
_IN_PARTS = ("pkg:npm/", "pkg:golang/")
"""`@SCOPE/NAME`, `HOST/PATH/NAME`."""
_NOT_KNOWN = (
    "the SBOM has NOASSERTION in place of a licence that is not known; find it out, and "
    '`unknown = "allow"` under [licences] of the policy lets such packages pass'
)


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
        packages: dict[str | None, set[str]] = {}
        for each in evidence.components:
            if self._looks_at(each, evidence):  # the artifact and its package are called the same: one
                packages.setdefault(each.licence, set()).add(_called(each))
        ordered = [(each, sorted(packages[each])) for each in sorted(packages, key=_last_if_unknown)]
        reasons = (self._against(licence, names) for licence, names in ordered)
        known = [licence for licence, _ in ordered if licence]
        number = sum(len(names) for _, names in ordered)
        return Finding(
            self.name,
            f"{counted(number, 'package')}: {some(known, _SEEN) if known else 'no licence'}",
            tuple(each for each in reasons if each is not None),
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

    def _against(self, licence: str | None, names: list[str]) -> Reason | None:
        """What is against a licence that packages of these names have. None: nothing."""
        if licence is None:
            if self.unknown == "allow":
                return None
            said = f"the licence of {some(names)} is not known"
            return Reason(Code.LICENCE_DENIED, said, way_out=_NOT_KNOWN)
        tree = parsed(licence)
        if tree is None:
            said = f"the licence of {some(names)} is no SPDX expression: {licence!r}"
            return Reason(Code.LICENCE_DENIED, said)
        if holds(tree, self._allows):
            return None
        are = "is" if len(names) == 1 else "are"
        said = f"{some(names)} {are} {licence}, which the policy does not allow"
        return Reason(Code.LICENCE_DENIED, said)

    def _allows(self, licence: str) -> bool:
        return licence not in self.denied and (self.allowed is None or licence in self.allowed)


def _called(package: Component) -> str:
    """A package's name and version; its whole name, where SBOMs have the first part in its URL alone."""
    name = package.name
    for each in package.purls:
        if each.startswith(_IN_PARTS):
            path = re.split("[@?#]", each, maxsplit=1)[0]
            name = unescaped(path.partition("/")[2])
    return f"{name} {package.version}" if package.version else name


def _last_if_unknown(licence: str | None) -> tuple[bool, str]:
    return licence is None, licence or ""


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
