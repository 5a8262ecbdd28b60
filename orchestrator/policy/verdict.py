"""What a verification found: `Passed`, or `Failed` with its reasons. Values only.

Every code is explained in docs/reference/reasons.md; codes never change their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.evidence.canonical import shortened
from orchestrator.ground.values import dataclass, field


class Code(StrEnum):
    """Why a release was refused."""

    POLICY_EMPTY = "policy-empty"
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
    DENIED = "denied"
    CONTRADICTION = "contradiction"
    NOT_COVERED = "not-covered"
    INDEX_MISMATCH = "index-mismatch"
    POLICY_EXPIRED = "policy-expired"
    KEY_REVOKED = "key-revoked"
    KEY_EXPIRED = "key-expired"
    KEY_NOT_YET_VALID = "key-not-yet-valid"
    TIMESTAMP_MISSING = "timestamp-missing"
    BUILDERS_NOT_INDEPENDENT = "builders-not-independent"
    NOT_REPRODUCED = "not-reproduced"
    CLOSURE_NOT_AGREED = "closure-not-agreed"
    SANDBOX_NOT_SHOWN = "sandbox-not-shown"
    MATERIAL_NOT_ALLOWED = "material-not-allowed"
    SOURCE_NOT_ALLOWED = "source-not-allowed"
    UNCOMMITTED = "uncommitted"
    TOOLCHAIN_NOT_ALLOWED = "toolchain-not-allowed"
    INPUTS_BELIEVED = "inputs-believed"
    LICENCE_DENIED = "licence-denied"
    PACKAGE_DENIED = "package-denied"
    TOO_OLD = "too-old"
    RULE_NOT_MET = "rule-not-met"
    RULE_ERROR = "rule-error"


HINTS = {
    Code.POLICY_EMPTY: "name whom you trust, in a [[signer]] of the policy or with --key",
    Code.UNSAFE_NAME: "do not use this release; names in it lead out of its folder or through links",
    Code.MALFORMED: "get it again; it cannot be read as what it should be",
    Code.FILE_MISSING: "get the release again, whole",
    Code.DIGEST_MISMATCH: "get the release again; if it stays so, somebody changed it",
    Code.UNSIGNED: "ask the publisher for a signed release",
    Code.UNTRUSTED_SIGNER: "compare the keys and identities that you trust with the publisher's word; "
    "certificates count by --trusted-root",
    Code.SIGNATURE_INVALID: "do not use this release; get it again from its publisher",
    Code.NOT_IN_LOG: "name the trusted root of its log, from elsewhere than the release, or get a logged one",
    Code.IDENTITY_MISMATCH: "compare the identity and its issuer with the publisher's, and with the policy's",
    Code.LOG_PROOF_INVALID: "do not use this release; its proof does not fit what the log's key signed",
    Code.TIMESTAMP_INVALID: "check that the trusted root is of the authority that signed the timestamp",
    Code.CERTIFICATE_INVALID: "check that the trusted root is of the instance that gave the certificate",
    Code.STATEMENT_MISSING: "get the release again, whole; every statement is needed",
    Code.SUBJECT_MISMATCH: "do not use this file; the evidence is about another one",
    Code.SBOM_MISMATCH: "get the release again; its SBOM is not the one that was signed",
    Code.LAYOUT_EXPIRED: "ask the publisher for a newer release, or check this machine's clock",
    Code.QUORUM_NOT_MET: "get the release again, with every builder's link",
    Code.NOT_REPRODUCED: "get the rebuilders' evidence and give it with --evidence, or make it again with "
    "`tally rebuild`",
    Code.CLOSURE_NOT_AGREED: "get what more operators made of it (`tally ledger export`), and give it with "
    "--evidence",
    Code.BUILDERS_DISAGREE: "do not use this release; its builders did not make the same bytes",
    Code.DENIED: "do not use this file; ask whoever signed that what is wrong with it",
    Code.CONTRADICTION: "do not use this release, and tell its publisher: its evidence contradicts itself",
    Code.NOT_COVERED: "remove the file from the release's index, or get the release again",
    Code.INDEX_MISMATCH: "get the release again; its index says other things than its signed evidence",
    Code.POLICY_EXPIRED: "review the policy, and give it a new `expires`",
    Code.KEY_REVOKED: "ask the publisher for the release signed with another key",
    Code.KEY_EXPIRED: "ask for a newer release, or for one with a timestamp from the key's time",
    Code.KEY_NOT_YET_VALID: "check `from` in the policy, and this machine's clock",
    Code.TIMESTAMP_MISSING: "get a release with timestamps, or name the trusted root of their authority",
    Code.BUILDERS_NOT_INDEPENDENT: "have the release built on builders that are further apart",
    Code.SANDBOX_NOT_SHOWN: "have the release built on builders whose sandbox holds",
    Code.MATERIAL_NOT_ALLOWED: "review the source, and allow it in [sources] of the policy",
    Code.SOURCE_NOT_ALLOWED: "review where it is from, and allow that in [sources] of the policy",
    Code.UNCOMMITTED: "ask for a release from files that were all committed before it was built",
    Code.TOOLCHAIN_NOT_ALLOWED: "review the toolchain, and allow it in a [[toolchain]] of the policy",
    Code.INPUTS_BELIEVED: "ask for a release with more rebuilt; see [inputs] of the policy",
    Code.LICENCE_DENIED: "review the licence; [licences] of the policy says which are allowed",
    Code.PACKAGE_DENIED: "have the release built again without that package",
    Code.TOO_OLD: "get a newer release",
    Code.RULE_NOT_MET: "the rule's own message says what it is about",
    Code.RULE_ERROR: "mend the rule: test with has() what may be absent, and give true or false",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a no: a stable code and one sentence that names the thing."""

    code: Code
    sentence: str
    rule: str | None = None
    """The rule of the policy that it is of; None: of the steps that no policy can leave out."""
    way_out: str | None = None
    """The way out of just this; None: that of its code."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", shortened(self.sentence))
        object.__setattr__(self, "way_out", self.way_out and shortened(self.way_out))

    @property
    def hint(self) -> str:
        """The way out."""
        return self.way_out or HINTS[self.code]


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
    rebuilders: tuple[str, ...] = ()
    """Who made it again, of those whom the policy counts."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """What the policy calls each of `signers`, where it has names for them."""
    of_the_run: tuple[str, ...] = ()
    """Those of the notices that are about how the verification was asked for: the same for every release."""


@dataclass(frozen=True, slots=True)
class Failed:
    """At least one thing does not hold."""

    reasons: tuple[Reason, ...]

    def __post_init__(self) -> None:
        if not self.reasons:
            raise ValueError("a no has a reason")
        object.__setattr__(self, "reasons", tuple(dict.fromkeys(self.reasons)))


Verdict = Passed | Failed


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule of a policy saw, and what it has against it; nothing: the rule holds."""

    rule: str
    saw: str
    reasons: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        # what is against several things, and names none of them, is said once
        object.__setattr__(self, "reasons", tuple(dict.fromkeys(self.reasons)))

    @property
    def holds(self) -> bool:
        return not self.reasons


class Refused(Exception):
    """Reasons that end a verification early: what would follow rests on what they refute."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__(*reasons)
        self.reasons = reasons
