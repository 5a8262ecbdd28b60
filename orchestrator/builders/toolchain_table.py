"""`[toolchain]` of `tally.toml`: which release of Debian recipes are built with that name none."""

from __future__ import annotations

from pydantic import Field

from orchestrator.builders.table import Table
from orchestrator.recipe.suites import Suite, SuiteName


class ToolchainTable(Table):
    """`[toolchain]`."""

    suite: SuiteName | None = Field(
        default=None,
        description="The Debian release of recipes that name none; default: the one in tally.lock. "
        "`tally lock` writes it there, and builds read it from there",
    )

    @property
    def debian(self) -> Suite | None:
        """None: what the lock has already."""
        return None if self.suite is None else Suite(self.suite)
