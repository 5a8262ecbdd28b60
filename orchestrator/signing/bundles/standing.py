"""What stands behind a signature: when it was there, and the logs that it is in, by one trusted root.

Specification: https://github.com/sigstore/architecture-docs/blob/main/client-spec.md, "Establishing a Time
for the Signature" and "Transparency Log Entry".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.evidence.canonical import MalformedError
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.signing.bundles import entry_body, log_proof, timestamps
from orchestrator.signing.bundles.bundle import SigstoreBundle
from orchestrator.signing.bundles.entry_body import Logged
from orchestrator.signing.bundles.timestamps import Moment


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it held: nothing was passed over."""

    moments: tuple[Moment, ...] = ()
    """When the signature is proven to have been there."""
    logs: tuple[str, ...] = ()
    """The logs' names, one for each entry."""


def verify(bundle: SigstoreBundle, logged: Logged, root: TrustedRoot, now: datetime, what: str) -> Standing:
    """Every timestamp, and every log entry. `now` is UTC. Raises Refused for one that does not hold."""
    moments = [*timestamps.verify(bundle.timestamps, logged.signature, root.timestamp_authorities, what)]
    logs = []
    for number, entry in enumerate(bundle.entries, 1):
        place = f"log entry {number} of {what}"
        try:
            entry_body.check(entry, logged, place)
        except MalformedError as error:
            raise Refused(Reason(Code.NOT_IN_LOG, str(error))) from None
        log, promised = log_proof.verify(entry, root, moments, now, place)
        logs.append(log)
        moments += [promised] if promised else []
    return Standing(tuple(moments), tuple(logs))
