"""`policy.toml`, as its authors write it: checked models, and the policy that they mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from orchestrator.agreement.independence import Level
from orchestrator.digest import Sha256
from orchestrator.evidence.terms import PROVENANCE, REPRODUCTION, SPDX
from orchestrator.policy import pattern
from orchestrator.policy.pattern import Pattern
from orchestrator.policy.policy import Policy
from orchestrator.policy.rules import cel, licences, packages
from orchestrator.policy.rules.builders import Builders, TrustedBuilder
from orchestrator.policy.rules.required import PROPERTIES, MaximumAge, Sandbox, Statements
from orchestrator.policy.rules.rule import Rule
from orchestrator.policy.rules.signers import Signers
from orchestrator.policy.rules.sources import Addresses, Digests
from orchestrator.policy.rules.toolchains import AllowedToolchain, Toolchains
from orchestrator.policy.trust import LAYOUT_TYPE, TrustedIdentity, TrustedKey, TrustedSigner
from orchestrator.policy.validity import Revocation, Validity

PublicKeys = Callable[[str, str], bytes]
"""From what a `key` says (a file's name, or PEM) and whose it is, to SubjectPublicKeyInfo in DER."""

TYPES = {"provenance": PROVENANCE, "reproduction": REPRODUCTION, "sbom": SPDX}
"""Short names for the predicate types that every release has."""
_AGE = re.compile(r"([1-9][0-9]{0,4})(h|d|w)")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def _begin(value: Any) -> Any:
    return _moment(value, timedelta(0))


def _end(value: Any) -> Any:
    return _moment(value, timedelta(days=1))


def _moment(value: Any, day: timedelta) -> Any:
    try:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError("expected a time with its offset, as 2027-01-01T00:00:00Z, or a date")
            return value.astimezone(UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC) + day
    except OverflowError as error:
        raise ValueError("expected a time between the years 1 and 9999") from error
    raise ValueError("expected a date, as 2027-01-01 without quotes, or a time with its offset")


_TIME = WithJsonSchema(
    {"anyOf": [{"format": "date", "type": "string"}, {"format": "date-time", "type": "string"}]}
)
Begin = Annotated[datetime, BeforeValidator(_begin), _TIME]
"""A date stands for its beginning, UTC."""
End = Annotated[datetime, BeforeValidator(_end), _TIME]
"""A date is included: it stands for its end, UTC."""


def _age(value: str) -> str:
    if not _AGE.fullmatch(value):
        raise ValueError('expected hours, days or weeks, as "12h", "90d" or "8w"')
    return value


def _type(value: str) -> str:
    if value not in TYPES and not re.fullmatch(r"[a-z][a-z0-9+.-]*:[!-~]+", value):
        raise ValueError(f"expected {', '.join(TYPES)} or the URI of a predicate type; got {value[:80]!r}")
    return TYPES.get(value, value)


def _signable(value: str) -> str:
    return value if value == LAYOUT_TYPE else _type(value)


def _property(value: str) -> str:
    if value not in PROPERTIES:
        raise ValueError(f"expected one of {', '.join(PROPERTIES)}; got {value[:80]!r}")
    return value


def _address(value: str) -> str:
    return pattern.address(value).text


def _digest(value: str) -> str:
    return Sha256(value).hex


Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Type = Annotated[str, StringConstraints(max_length=500), AfterValidator(_type)]
Signable = Annotated[str, StringConstraints(max_length=500), AfterValidator(_signable)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=5000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class RevokedTable(_Table):
    """`revoked` of a key."""

    at: Begin = Field(
        description="From when on it counts for nothing: when it may have come into other hands"
    )
    reason: Text = Field(description="Why; reasons tell it")


class _Keyed(_Table):
    since: Begin | None = Field(
        default=None, alias="from", description="From when on the key counts; needs a timestamp as its proof"
    )
    until: End | None = Field(default=None, description="Until when the key counts; a date is included")
    revoked: RevokedTable | None = Field(default=None, description="A key that is no longer to be trusted")

    @model_validator(mode="after")
    def _a_window_that_opens(self) -> _Keyed:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("`from` is not before `until`, so that the key would never count")
        return self

    @property
    def validity(self) -> Validity:
        revoked = None if self.revoked is None else Revocation(self.revoked.at, self.revoked.reason)
        return Validity(self.since, self.until, revoked)


class SignerTable(_Keyed):
    """One `[[signer]]`: a key, or an OIDC identity."""

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
    statements: Annotated[tuple[Signable, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="What it may sign: `provenance`, `reproduction`, `sbom`, `layout`, or predicate types. "
        "Default: all that a release has. A third party gets its own types alone",
    )
    timestamp: bool = Field(default=False, description="What it signs must have a trusted timestamp")
    log: bool = Field(default=False, description="What it signs must be in a transparency log")

    @model_validator(mode="after")
    def _a_key_or_an_identity(self) -> SignerTable:
        issuers = [each for each in (self.issuer, self.issuer_pattern) if each is not None]
        subjects = [each for each in (self.subject, self.subject_pattern) if each is not None]
        if self.key is not None and (issuers or subjects):
            raise ValueError("expected a `key`, or an `issuer` with a `subject`, and not both")
        if self.key is None and (len(issuers), len(subjects)) != (1, 1):
            raise ValueError("expected a `key`, or one `issuer` with one `subject`")
        for plain in (self.issuer, self.subject):
            if plain is not None:
                pattern.exactly(plain)
        for wild in (self.issuer_pattern, self.subject_pattern):
            if wild is not None:
                pattern.checked(wild)
        return self

    def signer(self, public: PublicKeys) -> TrustedSigner:
        if self.key is not None:
            who: TrustedKey | TrustedIdentity = TrustedKey(public(self.key, f"signer {self.name}"))
        else:
            who = TrustedIdentity(
                Pattern(self.issuer or self.issuer_pattern or ""),
                Pattern(self.subject or self.subject_pattern or ""),
            )
        statements = None if self.statements is None else frozenset(self.statements)
        return TrustedSigner(self.name, who, self.validity, statements, self.timestamp, self.log)


class BuilderTable(_Keyed):
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


class BuildersTable(_Table):
    """`[builders]`: how many must vouch, and how far apart they must be."""

    quorum: Annotated[int, Field(ge=2, le=1000)] = Field(default=2, description="How many votes are needed")
    per: Literal["operator", "builder"] = Field(
        default="operator",
        description="What makes a vote: every operator whose name is known, or every builder",
    )
    independence: Level | None = Field(
        default=None, description="The least level, as computed from what was observed of the builders' hosts"
    )


class RequireTable(_Table):
    """`[require]`: what a release has to show."""

    statements: tuple[Type, ...] = Field(
        default=(), description="Statements that somebody trusted with them has signed of the artifact"
    )
    timestamp: bool = Field(default=False, description="Every statement must have a trusted timestamp")
    log: bool = Field(default=False, description="Every statement must be in a transparency log")
    maximum_age: Annotated[str, AfterValidator(_age)] | None = Field(
        default=None, alias="maximum-age", description="Since the builds' end: `12h`, `90d`, `8w`"
    )
    sandbox: tuple[Annotated[str, AfterValidator(_property)], ...] = Field(
        default=(), description="What every builder's sandbox has shown to hold: " + ", ".join(PROPERTIES)
    )

    def rules(self) -> list[Rule]:
        found: list[Rule] = []
        if self.statements:
            found.append(Statements(self.statements))
        if self.maximum_age is not None:
            number, unit = _AGE.fullmatch(self.maximum_age).groups()  # type: ignore[union-attr]  # as checked
            found.append(MaximumAge(timedelta(**{_UNITS[unit]: int(number)})))
        if self.sandbox:
            found.append(Sandbox(self.sandbox))
        return found


class SourcesTable(_Table):
    """`[sources]`."""

    addresses: tuple[Annotated[Text, AfterValidator(_address)], ...] | None = Field(
        default=None, description="Patterns, of which every address of every source fits one"
    )
    digests: tuple[Annotated[str, AfterValidator(_digest)], ...] | None = Field(
        default=None,
        description="Every source has one of these: sha256 of a file, or of a NAR, in hexadecimal",
    )

    def rules(self) -> list[Rule]:
        found: list[Rule] = []
        if self.addresses is not None:
            found.append(Addresses(tuple(map(Pattern, self.addresses))))
        if self.digests is not None:
            found.append(Digests(frozenset(self.digests)))
        return found


class PackageTable(_Table):
    """Packages: of one package URL, and perhaps of a range of versions."""

    purl: Text = Field(description="A package URL without a version, or with one")
    versions: Text | None = Field(
        default=None, description="A range in the order of that kind of package: `vers:deb/>=5.6.0|<5.6.2`"
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> PackageTable:
        packages.Packages(self.purl, self.versions)
        return self

    @property
    def packages(self) -> packages.Packages:
        return packages.Packages(self.purl, self.versions)


class DenyTable(PackageTable):
    """One `[[deny]]`: packages that neither the release nor its toolchain may have."""

    reason: Text = Field(description="Why; reasons tell it")


class ToolchainTable(_Table):
    """One `[[toolchain]]` that is allowed, with its pins."""

    from_: Literal["debian", "nixpkgs"] = Field(alias="from", description="Where its tools come from")
    suite: Text | None = Field(default=None, description="`debian`: the Debian release, as `bookworm`")
    rev: Text | None = Field(default=None, description="`nixpkgs`: the commit")
    nar_hash: Text | None = Field(
        default=None, alias="nar-hash", description="`nixpkgs`: the tree's hash, as flake.lock has it"
    )
    packages: tuple[PackageTable, ...] = Field(
        default=(), description="`debian`: every package of the toolchain is one of these"
    )

    @model_validator(mode="after")
    def _pins_of_its_own(self) -> ToolchainTable:
        debian = self.suite is not None or bool(self.packages)
        nixpkgs = self.rev is not None or self.nar_hash is not None
        if (self.from_ == "debian" and nixpkgs) or (self.from_ == "nixpkgs" and debian):
            raise ValueError("debian is pinned by `suite` and `packages`, nixpkgs by `rev` and `nar-hash`")
        return self

    @property
    def toolchain(self) -> AllowedToolchain:
        chosen = tuple(each.packages for each in self.packages)
        return AllowedToolchain(self.from_, self.suite, self.rev, self.nar_hash, chosen)


class LicencesTable(_Table):
    """`[licences]`: SPDX identifiers, `A WITH B` among them."""

    allowed: tuple[Annotated[Text, AfterValidator(licences.licence)], ...] | None = Field(
        default=None, description="All that are allowed; default: all that are not denied"
    )
    denied: tuple[Annotated[Text, AfterValidator(licences.licence)], ...] = Field(
        default=(), description="Those that are not"
    )
    scope: licences.Scope = Field(
        default="runtime",
        description="Whose licences: the `artifact`'s, those of all that is needed to run it (`runtime`), "
        "or of every package in the SBOM (`all`)",
    )
    unknown: Literal["deny", "allow"] = Field(
        default="deny", description="What of a package whose licence is not known"
    )

    @model_validator(mode="after")
    def _says_something(self) -> LicencesTable:
        if self.allowed is None and not self.denied:
            raise ValueError("expected `allowed`, `denied`, or both")
        return self

    @property
    def rule(self) -> Rule:
        allowed = None if self.allowed is None else frozenset(self.allowed)
        return licences.Licences(allowed, frozenset(self.denied), self.scope, self.unknown)


class RuleTable(_Table):
    """One `[[rule]]` in CEL."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = Field(
        description="Its name in reasons"
    )
    cel: str = Field(description="An expression that is true of every release that is to be accepted")
    message: Text = Field(description="What a no means")

    @model_validator(mode="after")
    def _compiles(self) -> RuleTable:
        cel.CelRule.compile(self.name, self.cel, self.message)
        return self


class PolicyDocument(_Table):
    """The whole of `policy.toml`."""

    name: Text | None = Field(
        default=None, description="What reasons call the policy; default: its file's name"
    )
    uri: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*:[!-~]+$", max_length=500)] | None = Field(
        default=None, description="Where people find it; verification summaries name it"
    )
    expires: End | None = Field(default=None, description="Until when it may be used; a date is included")
    signer: tuple[SignerTable, ...] = Field(
        default=(), description="Whom to trust. Without any, the policy is empty, and accepts nothing"
    )
    builder: tuple[BuilderTable, ...] = Field(
        default=(), description="Which builders count; default: those that a trusted signer's layout names"
    )
    builders: BuildersTable | None = Field(default=None, description="How many builders, and how independent")
    require: RequireTable = Field(default=RequireTable(), description="What a release has to show")
    sources: SourcesTable = Field(default=SourcesTable(), description="Where sources may come from")
    toolchain: tuple[ToolchainTable, ...] = Field(
        default=(), description="The toolchains that are allowed; default: any"
    )
    licences: LicencesTable | None = Field(default=None, description="The licences that are allowed")
    deny: tuple[DenyTable, ...] = Field(default=(), description="Packages that are not")
    rule: tuple[RuleTable, ...] = Field(default=(), description="Rules of your own, in CEL")

    @field_validator("signer", "rule")
    @classmethod
    def _names_of_their_own(cls, tables: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [table.name for table in tables]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two of them have the name {twice[0]!r}")
        return tables

    def policy(self, public: PublicKeys, file: str, sha256: Sha256) -> Policy:
        """The policy that it means. Raises whatever `public` does for a key that cannot be had."""
        builders: Builders | None = None
        if self.builder or self.builders is not None:
            asked = self.builders or BuildersTable()
            chosen = tuple(each.builder(public) for each in self.builder)
            builders = Builders(chosen, asked.quorum, asked.per, asked.independence)
        rules = [*self.require.rules(), *self.sources.rules()]
        if self.toolchain:
            rules.append(Toolchains(tuple(each.toolchain for each in self.toolchain)))
        if self.licences is not None:
            rules.append(self.licences.rule)
        if self.deny:
            denied = tuple(packages.Denied(each.packages, each.reason) for each in self.deny)
            rules.append(packages.Deny(denied))
        rules += (
            cel.CelRule.compile(each.name, each.cel, each.message, frozenset(self.require.statements))
            for each in self.rule
        )
        return Policy(
            name=self.name or file,
            uri=self.uri,
            sha256=sha256,
            signers=Signers(
                tuple(each.signer(public) for each in self.signer), self.require.timestamp, self.require.log
            ),
            builders=builders,
            rules=tuple(rules),
            expires=self.expires,
        )
