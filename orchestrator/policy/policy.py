"""A policy: whom to trust, and what must hold besides. Pure; policy_file.py reads one from disk.

The smallest policy trusts keys and asks for nothing more; `tally verify --key` is that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.evidence.canonical import MalformedError, render
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass, replace
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.rules.builders import Builders
from orchestrator.policy.rules.rule import Rule
from orchestrator.policy.rules.signers import Signers
from orchestrator.policy.signer import IdentitySigner, Signer
from orchestrator.policy.trust import TrustedIdentity, TrustedKey, TrustedSigner, trusted
from orchestrator.policy.validity import shown
from orchestrator.policy.verdict import Code, Finding, Reason

if TYPE_CHECKING:
    from orchestrator.policy.rules.closure import Closure
    from orchestrator.policy.rules.rebuilders import Rebuilders


@dataclass(frozen=True)
class Policy:
    """What must hold of a release."""

    name: str
    uri: str | None
    """Where people find it."""
    sha256: Sha256
    """Of the policy's file; of the smallest policy's keys, as `trusting` has it."""
    signers: Signers
    builders: Builders | None
    """None: whom the layout names, as many as it asks for."""
    rules: tuple[Rule, ...]
    """All others, in the order in which their reasons are told."""
    rebuilders: Rebuilders | None = None
    """None: nobody has to have made it again."""
    closure: Closure | None = None
    """None: what it was made with is its own builders' affair."""
    expires: datetime | None = None
    root: TrustedRoot | None = None
    """Whose logs, timestamps and certificates count; None: whoever verifies says so, or nobody's do."""

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys, as SubjectPublicKeyInfo in DER, whose signatures on statements and layouts count."""
        return _keys(each.who for each in self.signers.signers)

    @property
    def identities(self) -> bool:
        """Whether anybody counts who signs by a certificate."""
        return any(isinstance(each.who, TrustedIdentity) for each in self.signers.signers)

    @property
    def builder_keys(self) -> tuple[bytes, ...]:
        """The keys of builders that the policy names, in whatever layout they are."""
        return _keys(each.key for each in self.builders.trusted) if self.builders else ()

    def against_itself(self, now: datetime) -> Iterator[Reason]:
        """Why this policy decides nothing."""
        if not self.signers.signers:
            yield Reason(Code.POLICY_EMPTY, f"{self.name} trusts nobody, so that it could accept nothing")
        if self.expires is not None and self.expires <= now:
            said = f"{self.name} was to be used until {shown(self.expires)}"
            yield Reason(Code.POLICY_EXPIRED, said, "expires")

    def trusts(self, signer: Signer, kind: str, what: str) -> Iterator[Reason]:
        """The reason, if there is one, for which a signer does not count for a document of this kind."""
        found = trusted(self.signers.signers, signer, kind, what)
        if isinstance(found, Reason):
            yield found

    @property
    def asked(self) -> tuple[Rule, ...]:
        """Every rule, in the order in which findings are told."""
        parties = (self.signers, self.builders, self.rebuilders, self.closure)
        return (*(each for each in parties if each is not None), *self.rules)

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """What every rule finds; all of them are asked, whatever the others find."""
        return (*self._own(evidence.now), *(_found(rule, evidence) for rule in self.asked))

    def _own(self, now: datetime) -> Iterator[Finding]:
        if self.expires is not None:
            yield Finding("expires", shown(self.expires), tuple(self.against_itself(now)))


def trusting(keys: Sequence[bytes], identity: IdentitySigner | None = None) -> Policy:
    """The smallest policy: these keys (SubjectPublicKeyInfo in DER), and what holds for every release.

    Or this one identity beside them, exactly. Raises ValueError for one with a `*`, which is a pattern's.
    """
    trusted_keys = [TrustedKey(spki) for spki in dict.fromkeys(keys)]
    signers = [TrustedSigner(f"key {key.signer.fingerprint[:8]}", key, named=False) for key in trusted_keys]
    document: dict[str, object] = {"keys": sorted(key.signer.fingerprint for key in trusted_keys)}
    if identity is not None:
        from orchestrator.policy.pattern import exactly

        who = TrustedIdentity(exactly(identity.issuer), exactly(identity.subject))
        signers.append(TrustedSigner(str(identity), who, named=False))
        document["identity"] = {"issuer": identity.issuer, "subject": identity.subject}
    return Policy(
        name="the policy of --key" if identity is None else "the policy of --identity",
        uri=None,
        sha256=Sha256.of(render(document)),
        signers=Signers(tuple(signers)),
        builders=None,
        rules=(),
    )


def _found(rule: Rule, evidence: Evidence) -> Finding:
    try:
        found = rule.judge(evidence)
    except MalformedError as error:
        found = Finding(rule.name, "what cannot be read", (Reason(Code.MALFORMED, str(error)),))
    return replace(found, reasons=tuple(replace(reason, rule=rule.name) for reason in found.reasons))


def _keys(of: Iterable[object]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(each.spki for each in of if isinstance(each, TrustedKey)))
