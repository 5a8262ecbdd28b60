"""What a verification found: `Passed`, or `Failed` with its reasons. Values only.

Every code is explained in docs/reference/reasons.md; codes never change their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why a release was refused."""

    UNSAFE_NAME = "unsafe-name"
    MALFORMED = "malformed"
    FILE_MISSING = "file-missing"
    DIGEST_MISMATCH = "digest-mismatch"
    UNSIGNED = "unsigned"
    UNTRUSTED_SIGNER = "untrusted-signer"
    SIGNATURE_INVALID = "signature-invalid"
    NOT_IN_LOG = "not-in-log"
    IDENTITY_MISMATCH = "identity-mismatch"
    LOG_PROOF_INVALID = "log-proof-invalid"
    TIMESTAMP_INVALID = "timestamp-invalid"
    CERTIFICATE_INVALID = "certificate-invalid"
    STATEMENT_MISSING = "statement-missing"
    SUBJECT_MISMATCH = "subject-mismatch"
    SBOM_MISMATCH = "sbom-mismatch"
    LAYOUT_EXPIRED = "layout-expired"
    QUORUM_NOT_MET = "quorum-not-met"
    BUILDERS_DISAGREE = "builders-disagree"
    CONTRADICTION = "contradiction"
    NOT_COVERED = "not-covered"
    INDEX_MISMATCH = "index-mismatch"
    TIMESTAMP_MISSING = "timestamp-missing"


HINTS = {
    Code.UNSAFE_NAME: "do not use this release; names in it lead out of its folder or through links",
    Code.MALFORMED: "get the release again; a part of it cannot be read as what it should be",
    Code.FILE_MISSING: "get the release again, whole",
    Code.DIGEST_MISMATCH: "get the release again; if it stays so, somebody changed it",
    Code.UNSIGNED: "ask the publisher for a signed release",
    Code.UNTRUSTED_SIGNER: "check that --key is the publisher's key, got from a place you trust",
    Code.SIGNATURE_INVALID: "do not use this release; get it again from its publisher",
    Code.NOT_IN_LOG: "get the release again, or name the trusted root of the log that it is in",
    Code.IDENTITY_MISMATCH: "compare the identity and its issuer with the publisher's",
    Code.LOG_PROOF_INVALID: "do not use this release; its proof does not fit what the log's key signed",
    Code.TIMESTAMP_INVALID: "check that the trusted root is of the authority that signed the timestamp",
    Code.CERTIFICATE_INVALID: "check that the trusted root is of the instance that gave the certificate",
    Code.STATEMENT_MISSING: "get the release again, whole; every statement is needed",
    Code.SUBJECT_MISMATCH: "do not use this file; the evidence is about another one",
    Code.SBOM_MISMATCH: "get the release again; its SBOM is not the one that was signed",
    Code.LAYOUT_EXPIRED: "ask the publisher for a newer release, or check this machine's clock",
    Code.QUORUM_NOT_MET: "get the release again, with every builder's link",
    Code.BUILDERS_DISAGREE: "do not use this release; its builders did not make the same bytes",
    Code.CONTRADICTION: "do not use this release, and tell its publisher: its evidence contradicts itself",
    Code.NOT_COVERED: "remove the file from the release's index, or get the release again",
    Code.INDEX_MISMATCH: "get the release again; its index says other things than its signed evidence",
    Code.TIMESTAMP_MISSING: "ask the publisher for a release with trusted timestamps (RFC 3161)",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a no: a stable code and one sentence that names the thing."""

    code: Code
    sentence: str

    @property
    def hint(self) -> str:
        """The way out."""
        return HINTS[self.code]


@dataclass(frozen=True, slots=True)
class Passed:
    """Everything holds."""

    artifact: str
    sha256: str
    builders: tuple[str, ...]
    independence: str
    signers: tuple[str, ...]
    """Fingerprints (sha256, hexadecimal) of the keys that signed the statements, sorted."""
    notices: tuple[str, ...]
    """What is worth knowing and changes nothing."""


@dataclass(frozen=True, slots=True)
class Failed:
    """At least one thing does not hold."""

    reasons: tuple[Reason, ...]

    def __post_init__(self) -> None:
        if not self.reasons:
            raise ValueError("a no has a reason")


Verdict = Passed | Failed


class Refused(Exception):
    """Reasons that end a verification early: what would follow rests on what they refute."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__(*reasons)
        self.reasons = reasons
