"""Whom a policy trusts, and for what. Values only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from orchestrator.evidence.terms import CYCLONEDX, PROVENANCE, REPRODUCTION, SPDX, SPDX3
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import some
from orchestrator.policy.signer import IdentitySigner, KeySigner, Signer
from orchestrator.policy.validity import ALWAYS, Moment, Validity
from orchestrator.policy.verdict import Code, Reason

if TYPE_CHECKING:
    from orchestrator.policy.pattern import Pattern

LAYOUT_TYPE: Final = "layout"
"""What a signer is trusted for when it signs a layout, which has no predicate type."""
RELEASE: Final = {PROVENANCE: "provenance", REPRODUCTION: "reproduction", SPDX: "sbom", LAYOUT_TYPE: "layout"}
"""What has to be signed of every release, and what a policy calls it."""
_ALIKE: Final = {SPDX3: SPDX, CYCLONEDX: SPDX}
"""The SBOM's other forms: whoever may sign the one may sign all of them."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key: its SubjectPublicKeyInfo in DER."""

    spki: bytes

    @property
    def signer(self) -> KeySigner:
        return KeySigner.of(self.spki)


@dataclass(frozen=True, slots=True)
class TrustedIdentity:
    """Everybody whose OIDC issuer and subject both fit."""

    issuer: Pattern
    subject: Pattern


@dataclass(frozen=True, slots=True)
class TrustedSigner:
    """One `[[signer]]`."""

    name: str
    who: TrustedKey | TrustedIdentity
    validity: Validity = ALWAYS
    statements: frozenset[str] | None = None
    """The predicate types that it may sign; None: all that a release has, and its layout."""
    timestamp: bool = False
    log: bool = False
    """Whether what it signs has to have a trusted timestamp, or a proof that it is in a log."""
    named: bool = True
    """Whether `name` is what somebody calls it; else it is made from the key or identity."""

    def is_(self, signer: Signer) -> bool:
        match self.who, signer:
            case TrustedKey() as key, KeySigner():
                return key.signer == signer
            case TrustedIdentity(issuer, subject), IdentitySigner():
                return issuer.matches(signer.issuer) and subject.matches(signer.subject)
            case _:
                return False

    def may_sign(self, kind: str) -> bool:
        allowed = RELEASE if self.statements is None else self.statements
        return kind in allowed or _ALIKE.get(kind) in allowed


def trusted(signers: Sequence[TrustedSigner], signer: Signer, kind: str, what: str) -> TrustedSigner | Reason:
    """The first entry that trusts `signer` with a document of this kind, or why there is none."""
    known = [each for each in signers if each.is_(signer)]
    for each in known:
        if each.may_sign(kind):
            return each
    if known:
        return Reason(
            Code.UNTRUSTED_SIGNER, f"{what} is signed by {known[0].name}, who is not trusted with {kind}"
        )
    if isinstance(signer, IdentitySigner) and any(
        isinstance(each.who, TrustedIdentity) and each.who.issuer.matches(signer.issuer) for each in signers
    ):
        told = f"{what} is signed by {signer}, whom the policy does not name: it names {_listed(signers)}"
        return Reason(Code.IDENTITY_MISMATCH, told)
    told = f"{what} is signed by {signer}, whom you do not trust; you trust {_listed(signers)}"
    return Reason(Code.UNTRUSTED_SIGNER, told)


def _listed(signers: Sequence[TrustedSigner]) -> str:
    return some([each.name for each in signers], 3)


def against(
    signers: Sequence[TrustedSigner], entry: TrustedSigner, signer: Signer, what: str, moment: Moment
) -> Iterator[Reason]:
    """Why `what`, signed at `moment` by `signer`, does not count, whom `entry` trusts.

    Its times are those of that entry. A revocation counts wherever it stands, whatever its entry is for:
    an identity may fit several, and who it is has been in other hands for all of them.
    """
    yield from entry.validity.against(entry.name, what, moment)
    for each in signers:
        if each is not entry and each.validity.revocation is not None and each.is_(signer):
            yield from Validity(revocation=each.validity.revocation).against(each.name, what, moment)
