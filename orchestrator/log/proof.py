"""What a bundle's log entries prove, against the logs that a trusted root names. Pure.

Specification: sigstore client specification, "Transparency log entry"; Rekor v2's CLIENTS.md; C2SP
tlog-checkpoint; RFC 9162, section 2.1.3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from orchestrator.evidence.canonical import MalformedError
from orchestrator.log import note
from orchestrator.log.entry import KIND, VERSION, LogEntry, Signed
from orchestrator.log.merkle import leaf_hash, verify_inclusion
from orchestrator.log.trusted_root import LogInstance
from orchestrator.policy.verdict import Code, Reason


def reasons(
    what: str, entries: Sequence[LogEntry], signed: Signed, logs: Sequence[LogInstance], moment: datetime
) -> Iterator[Reason]:
    """Why `signed`, a signature in the file `what`, does not count as logged in one of `logs`; none: it does.

    No two of `logs` have one id. `moment` (UTC) is when a log's key has to be valid: that of a signed
    timestamp, else now. Entries of other logs are passed over, as they prove nothing to those who do not know
    these; one that is of a known log and does not hold is a no, whatever the others are.
    """
    by_id = {log.log_id: log for log in logs}
    known = [each for each in entries if each.log_id in by_id]
    if not known:
        names = ", ".join(log.origin for log in logs)
        yield Reason(Code.NOT_IN_LOG, f"{what} has no entry in a log that is to be trusted: {names}")
    for entry in known:
        log = by_id[entry.log_id]
        if (why := _against(entry, signed, log, moment)) is not None:
            place = f"its entry {entry.index} in the log {log.origin}"
            yield Reason(Code.LOG_PROOF_INVALID, f"{what}: {place} {why}")


def _against(entry: LogEntry, signed: Signed, log: LogInstance, moment: datetime) -> str | None:
    """What is wrong with an entry of this log: the end of a sentence."""
    # 1. The log's key is valid at that moment.
    if not log.window.holds(moment):
        return f"is by a key that is not valid on {moment:%Y-%m-%d}"

    # 2. The entry is, byte for byte, the one that stands for this signature, by this key, over these bytes.
    if (entry.kind, entry.version) != (KIND, VERSION):
        return f"is of the kind {entry.kind} {entry.version}, and not {KIND} {VERSION}"
    if entry.promise or entry.integrated_time:
        return "has a promise or a time of its own, which such entries do not have"
    try:
        body = signed.body()
    except MalformedError as error:
        return f"stands for no signature: {error}"
    if entry.body != body:
        return "is not the one that follows from the bundle"

    # 3. The head of the log's tree is signed by the log, in its own name.
    if (proof := entry.proof) is None:
        return "has no inclusion proof"
    try:
        head = note.parse(proof.checkpoint, "its checkpoint")
        checkpoint = note.parse_checkpoint(head, "its checkpoint")
        in_its_name = checkpoint.origin == log.origin and head.signed_by(log.key)
    except MalformedError as error:
        return f"cannot be checked: {error}"
    if not in_its_name:
        return "has a checkpoint that the log did not sign in its own name"

    # 4. The proof is about this entry, in that tree.
    if (proof.index, proof.size, proof.root) != (entry.index, checkpoint.size, checkpoint.root):
        return "has a proof for another entry or another tree than the one that was signed"

    # 5. The entry is in the tree.
    if not verify_inclusion(proof.index, proof.size, leaf_hash(body), proof.hashes, proof.root):
        return "is not in the tree that the log signed"
    return None
