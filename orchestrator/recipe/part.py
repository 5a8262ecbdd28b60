"""What all parts of a recipe share, and the systems that it can be for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.recipe.values import Digest, FileName, Url, distinct, one_or_more

System = Literal[
    "x86_64-linux",
    "aarch64-linux",
    "i686-linux",
    "armv7l-linux",
    "riscv64-linux",
    "powerpc64le-linux",
    "s390x-linux",
]


class Part(BaseModel):
    """What all parts of a recipe share: no key that we do not know, and no change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Addressed(Part):
    """A file that may be at several addresses; the digest decides which bytes are right."""

    url: Annotated[
        tuple[Url, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
        Field(min_length=1, max_length=50),
        AfterValidator(distinct),
    ]
    sha256: Digest
    name: FileName | None = None
    """What the file is called, where the addresses do not say it."""
