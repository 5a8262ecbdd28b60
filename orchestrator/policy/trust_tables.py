"""The tables of a policy that say whom to trust: `[[signer]]` and `[[builder]]`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, StrictBool, model_validator

from orchestrator.evidence.terms import REPRODUCTION
from orchestrator.policy import pattern
from orchestrator.policy.pattern import Pattern
from orchestrator.policy.rules.builders import TrustedBuilder
from orchestrator.policy.rules.rebuilders import TrustedRebuilder
from orchestrator.policy.trust import TrustedIdentity, TrustedKey, TrustedSigner
from orchestrator.policy.validity import Revocation, Validity
from orchestrator.policy.values import Begin, End, Key, Signable, Table, Text

PublicKeys = Callable[[str, str], bytes]
"""From what a `key` says (a file's name, or PEM) and whose it is, to SubjectPublicKeyInfo in DER."""


class RevokedTable(Table):
    """`revoked` of a key."""

    at: Begin = Field(
        description="From when on it counts for nothing: when it may have come into other hands"
    )
    reason: Text = Field(description="Why; reasons tell it")


class Keyed(Table):
    """Something with a key that counts for a time."""

    since: Begin | None = Field(
        default=None, alias="from", description="From when on the key counts; needs a timestamp as its proof"
    )
    until: End | None = Field(default=None, description="Until when the key counts; a date is included")
    revoked: RevokedTable | None = Field(default=None, description="A key that is no longer to be trusted")

    @model_validator(mode="after")
    def _a_window_that_opens(self) -> Keyed:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("`from` is not before `until`, so that the key would never count")
        return self

    @property
    def validity(self) -> Validity:
        revoked = None if self.revoked is None else Revocation(self.revoked.at, self.revoked.reason)
        return Validity(self.since, self.until, revoked)


class Somebody(Keyed):
    """Who signs: a key, or an OIDC identity."""

    name: Text = Field(description="What reasons call it")
    key: Key | None = Field(
        default=None, description="A public key: its file, relative to this one, or the PEM text itself"
    )
    issuer: Text | None = Field(default=None, description="The OIDC issuer that knows the signer, exactly")
    issuer_pattern: Text | None = Field(
        default=None, alias="issuer-pattern", description="A pattern in place of `issuer`"
    )
    subject: Text | None = Field(
        default=None, description="Whom it knows: an e-mail address, or a workflow's URI, exactly"
    )
    subject_pattern: Text | None = Field(
        default=None, alias="subject-pattern", description="A pattern in place of `subject`"
    )
    timestamp: StrictBool = Field(default=False, description="What it signs must have a trusted timestamp")
    log: StrictBool = Field(default=False, description="What it signs must be in a transparency log")

    @model_validator(mode="after")
    def _a_key_or_an_identity(self) -> Somebody:
        issuers = [each for each in (self.issuer, self.issuer_pattern) if each is not None]
        subjects = [each for each in (self.subject, self.subject_pattern) if each is not None]
        if self.key is not None and (issuers or subjects):
            raise ValueError("expected a `key`, or an `issuer` with a `subject`, and not both")
        if self.key is None and (len(issuers), len(subjects)) != (1, 1):
            raise ValueError("expected a `key`, or one `issuer` with one `subject`")
        for plain in (self.issuer, self.subject):
            if plain is not None:
                pattern.exactly(plain)
        if self.issuer_pattern is not None:
            pattern.address(self.issuer_pattern)
        if self.subject_pattern is not None:
            pattern.subject(self.subject_pattern)
        return self

    def who(self, public: PublicKeys, kind: str) -> TrustedKey | TrustedIdentity:
        """Who it is; `kind` is what the policy calls such."""
        if self.key is not None:
            return TrustedKey(public(self.key, f"{kind} {self.name}"))
        return TrustedIdentity(
            Pattern(self.issuer or self.issuer_pattern or ""),
            Pattern(self.subject or self.subject_pattern or ""),
        )


class SignerTable(Somebody):
    """One `[[signer]]`: a key, or an OIDC identity."""

    statements: Annotated[tuple[Signable, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="What it may sign: `provenance`, `reproduction`, `sbom`, `layout`, or predicate types. "
        "Default: these four, which every release has. A third party gets its own types alone",
    )

    def signer(self, public: PublicKeys) -> TrustedSigner:
        statements = None if self.statements is None else frozenset(self.statements)
        who = self.who(public, "signer")
        return TrustedSigner(self.name, who, self.validity, statements, self.timestamp, self.log)


class RebuilderTable(Somebody):
    """One `[[rebuilder]]`, whose word that a release came out the same counts: a key, or an OIDC identity."""

    operator: Text | None = Field(
        default=None, description="Who runs it; rebuilders of one are one vote. Default: its name"
    )

    def rebuilder(self, public: PublicKeys) -> TrustedRebuilder:
        who = self.who(public, "rebuilder")
        statements = frozenset({REPRODUCTION})
        signer = TrustedSigner(self.name, who, self.validity, statements, self.timestamp, self.log)
        return TrustedRebuilder(signer, self.operator or self.name)


class BuilderTable(Keyed):
    """One `[[builder]]` that is trusted: by the key of its links, by its name in them, or by both."""

    name: Text | None = Field(
        default=None, description="Its name in the links. Alone, it is the layout's word"
    )
    key: Key | None = Field(
        default=None,
        description="The key of its links: a file, or PEM. A builder that no layout names, another "
        "organisation's, counts by its key alone",
    )
    operator: Text | None = Field(
        default=None, description="Who runs it; outweighs what the release says. Builders of one are one vote"
    )

    @model_validator(mode="after")
    def _by_something(self) -> BuilderTable:
        if self.name is None and self.key is None:
            raise ValueError("expected a `key`, a `name`, or both")
        return self

    def builder(self, public: PublicKeys) -> TrustedBuilder:
        what = f"builder {self.name or self.operator or ''}".strip()
        key = None if self.key is None else TrustedKey(public(self.key, what))
        return TrustedBuilder(self.name, key, self.operator, self.validity)
