"""What stands behind a signature: when it was there, and the logs that it is in, by one trusted root.

Specification: https://github.com/sigstore/architecture-docs/blob/main/client-spec.md, "Establishing a Time
for the Signature" and "Transparency Log Entry".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orchestrator.bundles import entry_body, log_proof, timestamps
from orchestrator.bundles.entry_body import Logged
from orchestrator.bundles.timestamps import Moment
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.values import dataclass, replace
from orchestrator.log.entry import LogEntry
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.verdict import Code, Reason, Refused


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it held: nothing was passed over."""

    moments: tuple[Moment, ...] = ()
    """When the signature is proven to have been there."""
    logs: tuple[str, ...] = ()
    """The logs' names, one for each entry."""
    doubts: tuple[str, ...] = ()
    """Why timestamps were passed over, one for each."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a bundle has to show for itself; nothing of it is believed yet."""

    entries: tuple[LogEntry, ...]
    timestamps: tuple[bytes, ...]
    """RFC 3161 responses in DER."""


def verify(shown: Shown, logged: Logged, root: TrustedRoot, now: datetime, what: str) -> Standing:
    """Every timestamp, and every log entry. `now` is UTC. Raises Refused for one that does not hold."""
    moments = timestamps.verify(shown.timestamps, logged.signature, root.timestamp_authorities, what)
    return _standing(shown.entries, moments, logged, root, now, what)


def verify_known(shown: Shown, logged: Logged, root: TrustedRoot, now: datetime, what: str) -> Standing:
    """What this root vouches for. `now` is UTC. Raises Refused for an entry of its logs that does not hold.

    Entries of other logs, and timestamps that do not hold by this root's authorities, are passed over: they
    prove nothing to those who know no other.
    """
    ids = {log.log_id for log in root.tlogs}
    known = [each for each in shown.entries if each.log_id in ids]
    moments, doubts = timestamps.known(shown.timestamps, logged.signature, root.timestamp_authorities, what)
    return replace(_standing(known, moments, logged, root, now, what), doubts=doubts)


def _standing(
    entries: Sequence[LogEntry],
    proven: Sequence[Moment],
    logged: Logged,
    root: TrustedRoot,
    now: datetime,
    what: str,
) -> Standing:
    moments, logs = list(proven), []
    for number, entry in enumerate(entries, 1):
        place = f"log entry {number} of {what}"
        try:
            entry_body.check(entry, logged, place)
        except MalformedError as error:
            way = "do not use it; get it again from whoever signed it: the entry beside it is another's"
            raise Refused(Reason(Code.NOT_IN_LOG, str(error), way_out=way)) from None
        log, promised = log_proof.verify(entry, root, moments, now, place)
        logs.append(log)
        moments += [promised] if promised else []
    return Standing(tuple(moments), tuple(logs))
