"""`[toolchain]` of `tally.toml`: which release of Debian recipes are built with that name none."""

from __future__ import annotations

from pydantic import Field, StrictBool, model_validator

from orchestrator.builders.table import Table
from orchestrator.recipe.suites import Snapshot, Suite, SuiteName, refuse_stray, suite_of


class ToolchainTable(Table):
    """`[toolchain]`."""

    suite: SuiteName | None = Field(
        default=None,
        description="The Debian release of recipes that name none; default: the one in tally.lock. "
        "`tally lock` writes it there, and builds read it from there",
    )

    security: StrictBool = Field(
        default=False, description="Whether packages of its security suite count, too"
    )
    updates: StrictBool = Field(default=False, description="Whether those of its `-updates` suite do")
    snapshot: Snapshot | None = Field(
        default=None, description="The time of the archive's snapshot that it is taken from"
    )

    @model_validator(mode="after")
    def _of_a_suite(self) -> ToolchainTable:
        refuse_stray(self.suite, security=self.security, updates=self.updates, snapshot=self.snapshot)
        return self

    @property
    def debian(self) -> Suite | None:
        """None: what the lock has already."""
        if self.suite is None:
            return None
        return suite_of(self.suite, self.security, self.updates, self.snapshot)
