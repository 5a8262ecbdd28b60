"""One piece of advice to a policy's author, and what is known of the place where the policy will be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.log.trusted_root import TrustedRoot


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that is certain of a policy, and that its author is unlikely to have meant."""

    key: str
    """The key, or the table, that it is about, as the policy has it."""
    sentence: str
    hint: str
    """The way out."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """When a policy is looked at, and by whose logs, timestamps and certificates it will judge."""

    now: datetime
    """UTC."""
    root: TrustedRoot | None
    """None: nobody's count."""

    @property
    def logs(self) -> bool:
        return self.root is not None and bool(self.root.tlogs)

    @property
    def clocks(self) -> bool:
        return self.root is not None and bool(self.root.timestamp_authorities)
