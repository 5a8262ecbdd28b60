"""Rules in CEL, the Common Expression Language, over the parsed evidence (`[[rule]]`).

Specification: https://github.com/google/cel-spec. What is not plainly true is a no: an expression that is
false, one that errs, and one that gives anything but a boolean. CEL always ends; the library bounds its
iterations and depth besides, and we bound the evidence that is handed to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal

from orchestrator.policy.evidence import Evidence
from orchestrator.policy.verdict import Code, Finding, Reason

LONGEST: Final = 4000
_DEEPEST: Final = 64
"""How deep evidence may be nested: the library converts it by recursion, in C++."""

VARIABLES: Final = ("artifact", "provenance", "reproduction", "sbom", "links", "attestations", "now")
"""docs/reference/policy.md tells what each holds."""


@dataclass(frozen=True, slots=True)
class CelRule:
    """One `[[rule]]`, compiled."""

    called: str
    expression: str
    message: str
    types: frozenset[str]
    """The predicate types that the policy requires. Of others nothing is shown: whoever keeps back such a
    statement could otherwise meet a rule that asks for its absence."""
    _compiled: Any = field(repr=False, compare=False)

    @classmethod
    def compile(
        cls, called: str, expression: str, message: str, types: frozenset[str] = frozenset()
    ) -> CelRule:
        """Raises ValueError for what is not CEL, knows other variables, or cannot give a boolean."""
        if len(expression) > LONGEST or "\0" in expression:
            raise ValueError(f"expected an expression in CEL of at most {LONGEST} characters, without NUL")
        try:
            compiled = _environment(VARIABLES).compile(expression)
            given: str = compiled.return_type().name()
        except (RuntimeError, ValueError, TypeError) as error:
            said = re.sub(r"^[A-Z_]+: ERROR: <input>:", "", str(error)).split("\n")[0]
            raise ValueError(f"not CEL: {said.removesuffix(' [INVALID_ARGUMENT]')}") from error
        if given not in ("BOOL", "DYN"):
            raise ValueError(f"expected an expression that is true or false; it gives {given}")
        return cls(called, expression, message, types, compiled)

    @property
    def name(self) -> str:
        return f"rule {self.called}"

    def uses(self, *variables: str) -> bool:
        """Whether the expression is about any of these variables."""
        others = tuple(name for name in VARIABLES if name not in variables)
        try:
            _environment(others).compile(self.expression)
        except (RuntimeError, ValueError, TypeError):
            return True
        return False

    def whatever(self, now: datetime | None) -> Literal["true", "false", "an error"] | None:
        """What it is of every release, at this time or, with None, at any; None: the release decides.

        `||`, `&&` and the macros take no notice of an error where their other side decides (cel-spec,
        langdef.md, "Logical Operators"): what is a boolean while no variable has a value is so for all.
        """
        try:
            value = self._compiled.eval(data={} if now is None else {"now": now})
            if value.type().name() == "BOOL":
                return "true" if value.plain_value() else "false"
        except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError):
            pass
        return None if self.uses(*VARIABLES) else "an error"

    def judge(self, evidence: Evidence) -> Finding:
        try:
            data = {
                name: of(evidence, self.types)
                for name, of in _DATA.items()
                if re.search(rf"\b{name}\b", self.expression)
            }
            _fit(data)
            value = self._compiled.eval(data=data)
            kind, plain = value.type().name(), value.plain_value()
        except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
            return self._erred(str(error))
        if kind == "ERROR":
            return self._erred(str(plain))
        if kind != "BOOL" or not isinstance(plain, bool):
            return self._erred(f"it gives {kind} and not true or false")
        if plain:
            return Finding(self.name, "true")
        said = f"{self.called}: {self.message}"
        return Finding(self.name, "false", (Reason(Code.RULE_NOT_MET, said),))

    def _erred(self, why: str) -> Finding:
        said = f"{self.called} could not be judged: {why[:200]}"
        return Finding(self.name, "an error", (Reason(Code.RULE_ERROR, said),))


@lru_cache(maxsize=16)
def _environment(variables: tuple[str, ...]) -> Any:
    from cel_expr_python import cel

    kinds = {name: cel.Type.TIMESTAMP if name == "now" else cel.Type.DYN for name in variables}
    return cel.NewEnv(variables=kinds)


def _fit(data: dict[str, Any]) -> None:
    """Raises ValueError for evidence that is nested too deeply or is no text."""
    below: list[Any] = [data]
    for _ in range(_DEEPEST):
        deeper: list[Any] = []
        for each in below:
            items = [*each, *each.values()] if isinstance(each, dict) else each
            for item in items:
                if isinstance(item, dict | list):
                    deeper.append(item)
                elif isinstance(item, str):
                    _text(item)
        if not deeper:
            return
        below = deeper
    raise ValueError(f"the evidence is nested more than {_DEEPEST} deep")


def _text(item: str) -> None:
    if "\0" in item:  # the library would take what stands before it for the whole text
        raise ValueError(f"the evidence has a NUL in {item[:80]!r}")
    if not item.isascii():
        item.encode("utf-8")  # half a surrogate pair is no text


def _artifact(evidence: Evidence, types: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": evidence.artifact, "sha256": evidence.sha256.hex}
    return found if evidence.size is None else found | {"size": evidence.size}


def _links(evidence: Evidence, types: frozenset[str]) -> list[dict[str, Any]]:
    return [
        {
            "builder": dict(each.link.identity),
            "materials": dict(each.link.materials),
            "products": dict(each.link.products),
            "sandbox": dict(each.link.sandbox),
            "signer": str(each.signer),
        }
        for each in evidence.links
    ]


def _attestations(evidence: Evidence, types: frozenset[str]) -> list[dict[str, Any]]:
    """Each once: whoever shows evidence can show it twice, and a rule may count."""
    once = {(each.signer, each.statement.payload): each for each in evidence.others}
    return [
        {
            "predicateType": each.statement.predicate_type,
            "predicate": dict(each.statement.predicate),
            "signer": str(each.signer),
        }
        for each in once.values()
        if each.statement.predicate_type in types
    ]


_DATA: Final[Mapping[str, Callable[[Evidence, frozenset[str]], Any]]] = {
    "artifact": _artifact,
    "provenance": lambda evidence, _: dict(evidence.provenance),
    "reproduction": lambda evidence, _: dict(evidence.reproduction),
    "sbom": lambda evidence, _: dict(evidence.sbom),
    "links": _links,
    "attestations": _attestations,
    "now": lambda evidence, _: evidence.now,
}
