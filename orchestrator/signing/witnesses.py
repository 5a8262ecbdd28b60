"""Who vouches for a signature beside its key: a log that it is known, an authority for its time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from orchestrator.log.entry import LogEntry, Signed
from orchestrator.log.trusted_root import Authority, LogInstance, TrustedRoot


class Log(Protocol):
    """A transparency log that takes entries: the embedded one, or one by address."""

    @property
    def instances(self) -> tuple[LogInstance, ...]:
        """What its proofs are checked with."""

    def enter(self, signed: Sequence[Signed]) -> Sequence[LogEntry]:
        """Each signature's entry, with its place and proof. Raises TallyError, and Taken."""


class Clock(Protocol):
    """A timestamp authority."""

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """What its timestamps are checked with."""

    def stamp(self, signature: bytes) -> bytes:
        """An RFC 3161 response about a signature, in DER. Raises TallyError."""


class Taken(Exception):
    """A log has an entry already and gives no proof of it: another signature is another entry."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Those of a release; None: there is none."""

    log: Log | None = None
    clock: Clock | None = None

    @property
    def root(self) -> TrustedRoot | None:
        """What a release's bundles can be checked with; None where nobody vouches."""
        if self.log is None and self.clock is None:
            return None
        return TrustedRoot(
            tlogs=self.log.instances if self.log else (),
            timestamp_authorities=self.clock.authorities if self.clock else (),
        )


NOBODY: Final = Witnesses()
