"""`[closure]` and `[[rebuilder]]` of `tally.toml`: how many operators have to have made all of a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from orchestrator.builders.table import Table, Text


class ClosureTable(Table):
    """`[closure]`, in the words of a policy."""

    operators: Annotated[StrictInt, Field(ge=2, le=1000)] = Field(
        description="How many operators have to have made each derivation the same, before anything is signed"
    )
    dissent: Literal["refuse", "tell"] = Field(
        default="refuse",
        description="What of an operator who made something else, where enough agree and the difference "
        "does not end below the artifact",
    )
    evidence: tuple[Path, ...] = Field(
        default=(),
        description="What others signed of their builds, relative to this file's folder: exported ledgers, "
        "releases, what `tally rebuild --attest` wrote; besides what `tally ledger merge` took in",
    )


class RebuilderTable(Table):
    """One `[[rebuilder]]`: whose evidence counts."""

    name: Text = Field(description="What messages call it")
    key: Path = Field(description="The file of its public key, relative to this file's folder")
    operator: Text | None = Field(
        default=None, description="Who runs it; default: its name. Rebuilders of one operator are one vote"
    )

    @property
    def runs(self) -> str:
        """Its operator."""
        return self.operator or self.name
