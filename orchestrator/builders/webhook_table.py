"""`[[webhook]]` of `tally.toml`: who is told when what a target comes to has changed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, StrictBool, field_validator

from orchestrator.builders.table import Table
from orchestrator.ground.addresses import unseen, without_credentials


class WebhookTable(Table):
    """One `[[webhook]]`."""

    url: str = Field(
        max_length=2000,
        description="Where to post to: `https://…`, or `http://…` on this machine itself",
    )
    secret: Path = Field(
        description="The file with the secret that bodies are signed with, `whsec_` and base64, relative to "
        "this file's folder"
    )
    every: StrictBool = Field(
        default=False, description="Tell what every build came to, and not only what changed"
    )

    @field_validator("url")
    @classmethod
    def _is_unseen(cls, url: str) -> str:
        if not unseen(url):
            shown = without_credentials(url)
            raise ValueError(f"{shown} is neither https:// nor http:// on this machine itself")
        return url
