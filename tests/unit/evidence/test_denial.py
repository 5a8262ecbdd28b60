"""What a signed statement says against its subject, by type."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.evidence.denial import denial
from orchestrator.evidence.terms import NOT_REPRODUCED, REPRODUCIBLE

SUMMARY = "https://slsa.dev/verification_summary/"
TESTS = "https://in-toto.io/attestation/test-result/v0.1"
SCAI = "https://in-toto.io/attestation/scai/v0.3"


@pytest.mark.parametrize(
    ("kind", "predicate"),
    [
        (SUMMARY + "v1", {"verificationResult": "PASSED"}),
        (SUMMARY + "v1", {"verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_2"]}),
        (SUMMARY + "v0.2", {"verification_result": "PASSED"}),
        (TESTS, {"result": "PASSED"}),
        (TESTS, {"result": "WARNED", "failedTests": []}),
        (SCAI, {"attributes": [{"attribute": REPRODUCIBLE}]}),
        ("https://slsa.dev/provenance/v1", {"verificationResult": "FAILED"}),
        ("https://slsa.dev/verification_summary_of_mine/v1", {}),
    ],
)
def test_no_denial(kind: str, predicate: object) -> None:
    assert denial(kind, predicate) is None


@pytest.mark.parametrize(
    ("kind", "predicate", "says"),
    [
        (SUMMARY + "v1", {"verificationResult": "FAILED"}, "its verificationResult is FAILED"),
        (SUMMARY + "v1", {"verificationResult": "passed"}, "its verificationResult is passed"),
        (SUMMARY + "v0.2", {"verification_result": "FAILED"}, "its verification_result is FAILED"),
        (SUMMARY + "v1", {"verificationResult": "PASSED", "verification_result": "FAILED"}, "FAILED"),
        (SUMMARY + "v1", {"verificationResult": "PASSED", "verifiedLevels": ["FAILED"]}, "verifiedLevels"),
        (SUMMARY + "v1", {"verificationResult": True}, "no result that is known"),
        (SUMMARY + "v1", {}, "it has no verificationResult"),
        (SUMMARY + "v1", None, "it has no verificationResult"),
        (TESTS, {"result": "FAILED"}, "its result is FAILED"),
        (TESTS, {"result": "PASSED", "failedTests": ["a"]}, "its failedTests has a"),
        (SCAI, {"attributes": [1, {"attribute": NOT_REPRODUCED}]}, "made different things"),
    ],
)
def test_denial(kind: str, predicate: Any, says: str) -> None:
    found = denial(kind, predicate)
    assert found is not None
    assert says in found.told
    assert found.of_builders == (kind == SCAI)
