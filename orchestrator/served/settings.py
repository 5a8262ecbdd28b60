"""How a build is set up to make what is served: each setting, and where it is from. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """One."""

    name: str
    value: str
    because: str
    """Where it is from."""
    published: bool
    """Whether it was read off the published file, and not the source's own word or the usual value."""

    def describe(self) -> str:
        return f"{self.name}: {self.value} ({self.because})"

    def document(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "because": self.because,
            "readOffPublishedFile": self.published,
        }
