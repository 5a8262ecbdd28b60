"""`policy.toml`, as its authors write it, and the policy that it means. Pure."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from orchestrator.ground.digest import Sha256
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.policy import Policy
from orchestrator.policy.rule_tables import (
    BuildersTable,
    ClosureTable,
    DenyTable,
    InputsTable,
    LicencesTable,
    RebuildersTable,
    RequireTable,
    RuleTable,
    SourcesTable,
    ToolchainTable,
)
from orchestrator.policy.rules import cel, packages
from orchestrator.policy.rules.builders import Builders
from orchestrator.policy.rules.closure import Closure
from orchestrator.policy.rules.rebuilders import Rebuilders
from orchestrator.policy.rules.signers import Signers
from orchestrator.policy.rules.toolchains import Toolchains
from orchestrator.policy.trust_tables import BuilderTable, PublicKeys, RebuilderTable, SignerTable
from orchestrator.policy.values import End, Table, Text
from orchestrator.recipe.values import Matching

_URI = Matching(r"[a-z][a-z0-9+.-]*:[!-~]+", "a URI, as https://example.org/policy.toml")


class PolicyDocument(Table):
    """The whole of `policy.toml`."""

    name: Text | None = Field(
        default=None, description="What reasons call the policy; default: its file's name"
    )
    uri: Annotated[str, Field(max_length=500), _URI] | None = Field(
        default=None, description="Where people find it; verification summaries name it"
    )
    expires: End | None = Field(default=None, description="Until when it may be used; a date is included")
    trusted_root: Text | None = Field(
        default=None,
        alias="trusted-root",
        description="A Sigstore trusted root's file, relative to this one: whose logs, timestamps and "
        "certificates count. In place of --trusted-root",
    )
    signer: tuple[SignerTable, ...] = Field(
        default=(), description="Whom to trust. Without any, the policy is empty, and accepts nothing"
    )
    builder: tuple[BuilderTable, ...] = Field(
        default=(), description="Which builders count; default: those that a trusted signer's layout names"
    )
    builders: BuildersTable | None = Field(default=None, description="How many builders, and how independent")
    rebuilder: tuple[RebuilderTable, ...] = Field(
        default=(), description="Whose word counts that a release was made again, and came out the same"
    )
    rebuilders: RebuildersTable | None = Field(
        default=None, description="How many of them have to say so; default: one, where any is named"
    )
    closure: ClosureTable | None = Field(
        default=None,
        description="How many operators have to have made each derivation of the build-time closure, by the "
        "ledgers that rebuilders export",
    )
    require: RequireTable = Field(default=RequireTable(), description="What a release has to show")
    sources: SourcesTable = Field(default=SourcesTable(), description="Where sources may come from")
    inputs: InputsTable | None = Field(
        default=None, description="What of inputs that were believed and not rebuilt; default: any may be"
    )
    toolchain: tuple[ToolchainTable, ...] = Field(
        default=(), description="The toolchains that are allowed; default: any"
    )
    licences: LicencesTable | None = Field(default=None, description="The licences that are allowed")
    deny: tuple[DenyTable, ...] = Field(default=(), description="Packages that are not")
    rule: tuple[RuleTable, ...] = Field(default=(), description="Rules of your own, in CEL")

    @field_validator("signer", "rebuilder", "rule")
    @classmethod
    def _names_of_their_own(cls, tables: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [table.name for table in tables]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two of them have the name {twice[0]!r}")
        return tables

    @model_validator(mode="after")
    def _rebuilders_of_some_use(self) -> PolicyDocument:
        if self.rebuilders is not None and not self.rebuilders.quorum and self.closure is None:
            raise ValueError(
                "`rebuilders.quorum` is 0 and there is no [closure]: rebuilders would say nothing"
            )
        return self

    def policy(self, public: PublicKeys, root: TrustedRoot | None, file: str, sha256: Sha256) -> Policy:
        """The policy that it means; `root` is what `trusted_root` names.

        Raises whatever `public` does for a key that cannot be had.
        """
        builders: Builders | None = None
        if self.builder or self.builders is not None:
            asked = self.builders or BuildersTable()
            chosen = tuple(each.builder(public) for each in self.builder)
            builders = Builders(chosen, asked.quorum, asked.per, asked.independence)
        signers = tuple(each.signer(public) for each in self.signer)
        rebuilders: Rebuilders | None = None
        if self.rebuilder or self.rebuilders is not None:
            wanted = self.rebuilders or RebuildersTable()
            trusted = tuple(each.rebuilder(public) for each in self.rebuilder)
            rebuilders = Rebuilders(trusted, wanted.quorum, builders, signers)
        closure: Closure | None = None
        if self.closure is not None:
            named = rebuilders or Rebuilders(builders=builders)
            closure = Closure(self.closure.operators, named, refuses=self.closure.dissent == "refuse")
            rebuilders = rebuilders if rebuilders is not None and rebuilders.quorum else None
        rules = [*self.require.rules(), *self.sources.rules()]
        if self.inputs is not None:
            rules.append(self.inputs.rule)
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
            signers=Signers(signers, self.require.timestamp, self.require.log),
            builders=builders,
            rebuilders=rebuilders,
            closure=closure,
            rules=tuple(rules),
            expires=self.expires,
            root=root,
        )
