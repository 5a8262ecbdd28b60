"""What the tables of `tally.toml` have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.recipe.values import ONE_LINE

Text = Annotated[str, Field(min_length=1, max_length=200), ONE_LINE]


class Table(BaseModel):
    """A table in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)
