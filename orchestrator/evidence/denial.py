"""Signed statements that say no: of a verification, of tests, of builders that disagreed. Pure.

Specifications: https://slsa.dev/spec/v1.0/verification_summary (`verificationResult`; `verification_result`
before v1), and of the in-toto attestation framework spec/predicates/test-result.md (`result`) and scai.md
(`attributes`).
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.evidence.terms import NOT_REPRODUCED

_SUMMARY = "https://slsa.dev/verification_summary"
_TESTS = "https://in-toto.io/attestation/test-result"
_SCAI = "https://in-toto.io/attestation/scai"
_RESULTS = {
    _SUMMARY: (("verificationResult", "verification_result"), frozenset({"PASSED"})),
    _TESTS: (("result",), frozenset({"PASSED", "WARNED"})),
}
"""Where a type says its result, and which results approve."""
_FAILURES = {_SUMMARY: ("verifiedLevels", "verification_level"), _TESTS: ("failedTests",)}


@dataclass(frozen=True, slots=True)
class Denial:
    """What a statement says against what it is about."""

    told: str
    """What follows the statement's name in a sentence."""
    of_builders: bool = False
    """Whether it says that builders made different things."""


def denial(predicate_type: str, predicate: object) -> Denial | None:
    """What a statement of a known type says against its subject; None: nothing, or its type has no such word.

    A type that has a result approves by that alone: one without a result that is known is no approval.
    """
    said = predicate if isinstance(predicate, dict) else {}
    if _is_of(predicate_type, _SCAI):
        attributes = said.get("attributes")
        for each in attributes if isinstance(attributes, list) else ():
            if isinstance(each, dict) and each.get("attribute") == NOT_REPRODUCED:
                return Denial("says that builders made different things of it", of_builders=True)
        return None
    for kind, (names, approving) in _RESULTS.items():
        if not _is_of(predicate_type, kind):
            continue
        results = {name: said[name] for name in names if name in said}
        for name, result in results.items():
            if not isinstance(result, str) or result not in approving:
                return Denial(f"does not approve it: its {name} is {_shown(result)}")
        if not results:
            return Denial(f"does not approve it: it has no {names[0]}")
        return _failure(said, kind)
    return None


def _failure(said: dict[str, object], kind: str) -> Denial | None:
    """A failure that stands beside a result that approves."""
    for name in _FAILURES[kind]:
        listed = said.get(name)
        entries = listed if isinstance(listed, list) else [listed]
        failed = [each for each in entries if each and (kind == _TESTS or each == "FAILED")]
        if failed:
            return Denial(f"does not approve it: its {name} has {_shown(failed[0])}")
    return None


def _is_of(predicate_type: str, kind: str) -> bool:
    """In any version of it."""
    return predicate_type == kind or predicate_type.startswith(f"{kind}/")


def _shown(value: object) -> str:
    return value[:80] if isinstance(value, str) and value else "no result that is known"
