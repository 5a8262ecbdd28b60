"""The tables of a policy that become rules. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, field_validator, model_validator

from orchestrator.agreement.independence import Level
from orchestrator.nix.signature import PublicKey
from orchestrator.policy.pattern import Pattern
from orchestrator.policy.rules import cel, licences, packages
from orchestrator.policy.rules.inputs import Inputs
from orchestrator.policy.rules.repository import Committed, Repositories
from orchestrator.policy.rules.required import PROPERTIES, MaximumAge, Sandbox, Statements
from orchestrator.policy.rules.rule import Rule
from orchestrator.policy.rules.sources import Addresses, Digests, Kinds
from orchestrator.policy.rules.toolchains import AllowedToolchain
from orchestrator.policy.values import (
    Address,
    Age,
    Digest,
    Licence,
    Property,
    RepositoryAddress,
    Table,
    Text,
    Type,
    duration,
)
from orchestrator.recipe.values import Matching

_NAME = Matching(
    r"[a-z0-9][a-z0-9-]{0,63}", "at most 64 lower-case letters, digits and -, a letter or digit first"
)


class BuildersTable(Table):
    """`[builders]`: how many must vouch, and how far apart they must be."""

    quorum: Annotated[StrictInt, Field(ge=2, le=1000)] = Field(
        default=2, description="How many votes are needed"
    )
    per: Literal["operator", "builder"] = Field(
        default="operator",
        description="What makes a vote: every operator whose name is known, or every builder",
    )
    independence: Level | None = Field(
        default=None, description="The least level, as computed from what was observed of the builders' hosts"
    )


class RebuildersTable(Table):
    """`[rebuilders]`: how many have to have made the release again."""

    quorum: Annotated[StrictInt, Field(ge=0, le=1000)] = Field(
        default=1,
        description="How many operators of rebuilders, none of them the release's own; 0, with [closure] "
        "alone: only their exported ledgers are asked for",
    )


class ClosureTable(Table):
    """`[closure]`: how many have to have made each derivation that the release was made with."""

    operators: Annotated[StrictInt, Field(ge=2, le=1000)] = Field(
        description="How many operators made each derivation the same, the release's own counted once"
    )
    dissent: Literal["refuse", "tell"] = Field(
        default="refuse",
        description="What of an operator who made something else, where enough agree and the difference "
        "does not end below the artifact",
    )


class RequireTable(Table):
    """`[require]`: what a release has to show."""

    statements: tuple[Type, ...] = Field(
        default=(), description="Statements that somebody trusted with them has signed of the artifact"
    )
    timestamp: StrictBool = Field(default=False, description="Every statement must have a trusted timestamp")
    log: StrictBool = Field(default=False, description="Every statement must be in a transparency log")
    maximum_age: Age | None = Field(
        default=None, alias="maximum-age", description="Since the builds' end: `12h`, `90d`, `8w`"
    )
    sandbox: tuple[Property, ...] = Field(
        default=(), description="What every builder's sandbox has shown to hold: " + ", ".join(PROPERTIES)
    )

    commit: StrictBool = Field(
        default=False,
        description="Recipe and lock must be byte for byte as a commit of their repository has them",
    )

    def rules(self) -> list[Rule]:
        found: list[Rule] = []
        if self.statements:
            found.append(Statements(self.statements))
        if self.maximum_age is not None:
            found.append(MaximumAge(duration(self.maximum_age), self.timestamp))
        if self.sandbox:
            found.append(Sandbox(self.sandbox))
        if self.commit:
            found.append(Committed())
        return found


class SourcesTable(Table):
    """`[sources]`."""

    addresses: tuple[Address, ...] | None = Field(
        default=None, description="Patterns, of which every address of every source fits one"
    )
    digests: tuple[Digest, ...] | None = Field(
        default=None,
        description="Every source has one of these: sha256 of a file, or of a NAR, in hexadecimal",
    )

    repositories: tuple[RepositoryAddress, ...] | None = Field(
        default=None,
        description="Patterns, of which the repository that the recipe is from fits one: https://HOST/PATH, "
        "also for ssh at its usual port; http:// and git:// have to be named",
    )

    kinds: tuple[Literal["recipe", "derivation", "expression", "flake"], ...] | None = Field(
        default=None, description="What it may be made from: `recipe`, `derivation`, `expression`, `flake`"
    )

    def rules(self) -> list[Rule]:
        found: list[Rule] = []
        if self.kinds is not None:
            found.append(Kinds(frozenset(self.kinds)))
        if self.addresses is not None:
            found.append(Addresses(tuple(map(Pattern, self.addresses))))
        if self.digests is not None:
            found.append(Digests(frozenset(self.digests)))
        if self.repositories is not None:
            found.append(Repositories(tuple(map(Pattern, self.repositories))))
        return found


class InputsTable(Table):
    """`[inputs]`: what of inputs that nobody rebuilt."""

    believed: Literal["allow", "refuse"] = Field(
        default="allow", description="`refuse`: every input has to be rebuilt by the builders"
    )
    keys: tuple[str, ...] | None = Field(
        default=None,
        description="The keys that may be believed, NAME:BASE64; their signatures are checked. Default: any",
    )
    rebuilt_levels: Annotated[StrictInt, Field(ge=0, le=1000)] = Field(
        default=0,
        alias="rebuilt-levels",
        description="How many levels of inputs below the package have to be rebuilt; 1: those that it uses",
    )

    @field_validator("keys")
    @classmethod
    def _are_nix_keys(cls, keys: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for key in keys or ():
            PublicKey.parse(key)
        return keys

    @model_validator(mode="after")
    def _says_something(self) -> InputsTable:
        if self.believed == "allow" and self.keys is None and not self.rebuilt_levels:
            raise ValueError('expected `believed = "refuse"`, `keys` or `rebuilt-levels`')
        return self

    @property
    def rule(self) -> Rule:
        keys = None if self.keys is None else tuple(map(PublicKey.parse, self.keys))
        return Inputs(self.believed == "refuse", keys, self.rebuilt_levels)


class PackageTable(Table):
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


class ToolchainTable(Table):
    """One `[[toolchain]]` that is allowed, with its pins."""

    from_: Literal["containers", "debian", "files", "nixpkgs"] = Field(
        alias="from", description="Where its tools come from"
    )
    suite: Text | None = Field(default=None, description="`debian`: the Debian release, as `bookworm`")
    rev: Text | None = Field(default=None, description="`nixpkgs`: the commit")
    nar_hash: Text | None = Field(
        default=None, alias="nar-hash", description="`nixpkgs`: the tree's hash, as flake.lock has it"
    )
    image: Text | None = Field(default=None, description="`containers`: the image, as HOST/NAME@sha256:…")
    packages: tuple[PackageTable, ...] = Field(
        default=(), description="`debian`: every package of the toolchain is one of these"
    )

    @model_validator(mode="after")
    def _pins_of_its_own(self) -> ToolchainTable:
        debian = self.suite is not None or bool(self.packages)
        nixpkgs = self.rev is not None or self.nar_hash is not None
        if (self.image is not None) and self.from_ != "containers":
            raise ValueError("`image` is for containers")
        of_debian = self.from_ in ("debian", "files")
        if (self.from_ != "nixpkgs" and nixpkgs) or (not of_debian and debian):
            raise ValueError(
                "debian and files are pinned by `suite` and `packages`, nixpkgs by `rev` and `nar-hash`"
            )
        return self

    @property
    def toolchain(self) -> AllowedToolchain:
        chosen = tuple(each.packages for each in self.packages)
        return AllowedToolchain(self.from_, self.suite, self.rev, self.nar_hash, chosen, self.image)


class LicencesTable(Table):
    """`[licences]`: SPDX identifiers, `A WITH B` among them."""

    allowed: tuple[Licence, ...] | None = Field(
        default=None, description="All that are allowed; default: all that are not denied"
    )
    denied: tuple[Licence, ...] = Field(default=(), description="Those that are not")
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


class RuleTable(Table):
    """One `[[rule]]` in CEL."""

    name: Annotated[str, _NAME] = Field(description="Its name in reasons")
    cel: str = Field(description="An expression that is true of every release that is to be accepted")
    message: Text = Field(description="What a no means")

    @model_validator(mode="after")
    def _compiles(self) -> RuleTable:
        cel.CelRule.compile(self.name, self.cel, self.message)
        return self
