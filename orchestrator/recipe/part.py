"""What all parts of a recipe share, and the systems that it can be for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

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
