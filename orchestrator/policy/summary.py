"""What a verification found, as a statement that others can rely on. Pure.

Specification: https://slsa.dev/spec/v1.0/verification_summary. Our fields: docs/predicates/verification.md.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime

from orchestrator import __version__
from orchestrator.evidence.canonical import render, seconds
from orchestrator.evidence.terms import STATEMENT, VERIFICATION, VERIFIER
from orchestrator.ground.digest import Sha256
from orchestrator.policy.policy import Policy
from orchestrator.policy.verdict import Failed, Passed, Verdict
from orchestrator.recipe.purls import package_url


def summary(
    artifact: str,
    sha256: Sha256,
    verdict: Verdict,
    policy: Policy,
    attestations: Mapping[str, Sha256],
    now: datetime,
) -> bytes:
    """The statement's exact bytes. `attestations` are all that were judged, by their file in the release."""
    predicate: dict[str, object] = {
        "verifier": {"id": VERIFIER, "version": {"tallystick": __version__}},
        "timeVerified": seconds(now),
        "resourceUri": package_url("generic", artifact, checksum=f"sha256:{sha256.hex}"),
        "policy": {
            "uri": policy.uri or named(policy.sha256),
            "digest": {"sha256": policy.sha256.hex},
            "annotations": {"signers": [each.name for each in policy.signers.signers]},
        },
        "inputAttestations": [
            {"uri": file, "digest": {"sha256": digest.hex}} for file, digest in sorted(attestations.items())
        ],
        "slsaVersion": "1.0",
    }
    match verdict:
        case Passed(independence=independence):
            predicate["verificationResult"] = "PASSED"
            level = independence.upper().replace("-", "_")
            predicate["verifiedLevels"] = ["SLSA_BUILD_LEVEL_1", f"TALLYSTICK_REPRODUCED_{level}"]
        case Failed(reasons=reasons):
            predicate["verificationResult"] = "FAILED"
            predicate["verifiedLevels"] = ["FAILED"]
            predicate[f"{VERIFIER}#reasons"] = list(dict.fromkeys(str(each.code) for each in reasons))
    return render(
        {
            "_type": STATEMENT,
            "subject": [{"name": artifact, "digest": {"sha256": sha256.hex}}],
            "predicateType": VERIFICATION,
            "predicate": predicate,
        }
    )


def named(sha256: Sha256) -> str:
    """A name for bytes that have no address (RFC 6920, section 3)."""
    return f"ni:///sha-256;{urlsafe_b64encode(bytes.fromhex(sha256.hex)).decode('ascii').rstrip('=')}"
