"""That an entry is in a log that is trusted: Rekor v1's promise, and the proof with its checkpoint. Pure.

Specifications: RFC 6962, section 2.1.1; C2SP tlog-checkpoint and signed-note; the signed entry timestamp of
https://docs.sigstore.dev/logging/verify-release/ and sigstore/rekor `pkg/verify`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from orchestrator.bundles.timestamps import Moment
from orchestrator.evidence.canonical import MalformedError, encoded, render
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.log import note
from orchestrator.log.entry import LogEntry
from orchestrator.log.merkle import leaf_hash, verify_inclusion
from orchestrator.log.trusted_root import LogInstance, TrustedRoot
from orchestrator.policy.verdict import Code, Reason, Refused

_PROVED_ONLY = frozenset({("hashedrekord", "0.0.2"), ("dsse", "0.0.2")})
"""Rekor v2 gives no promises."""


def verify(
    entry: LogEntry, root: TrustedRoot, known: Sequence[Moment], now: datetime, what: str
) -> tuple[str, Moment | None]:
    """The log that an entry is in, and when it was promised to be, if it was. Raises Refused.

    `known` is when the signature is proven to have been there; `now` is UTC.
    """
    logs = [log for log in root.tlogs if log.log_id == entry.log_id]
    if not logs:
        raise Refused(
            Reason(
                Code.NOT_IN_LOG,
                f"{what} is in a log that the trusted root has not: {entry.log_id.hex()[:16]}…",
            )
        )
    refused = None
    for log in logs:  # a log whose key has several windows is there several times
        try:
            return _verified(entry, log, known, now, what)
        except Refused as error:
            refused = refused or error
    raise refused or AssertionError("a log either proves or refuses")


def _verified(
    entry: LogEntry, log: LogInstance, known: Sequence[Moment], now: datetime, what: str
) -> tuple[str, Moment | None]:
    if entry.proof is None and (not entry.promise or (entry.kind, entry.version) in _PROVED_ONLY):
        raise _invalid(f"{what} has no inclusion proof")
    try:
        promised = _promised(entry, log, what) if entry.promise else None
        if entry.proof is not None:
            _included(entry, log, what)
    except MalformedError as error:
        raise _invalid(str(error)) from None
    _in_time(log, [*known, *([promised] if promised else [])], now, what)
    return log.origin, promised


def _promised(entry: LogEntry, log: LogInstance, what: str) -> Moment:
    """The signed entry timestamp: canonical JSON over the entry, signed by the log."""
    document = {
        "body": encoded(entry.body),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.index,
    }
    if not entry.integrated_time or not _usable(log).verifies(entry.promise, render(document)):
        raise _invalid(f"the promise of {what} is not by {log.origin}, or about another entry")
    try:
        return Moment(datetime.fromtimestamp(entry.integrated_time, UTC), log.origin)
    except (OverflowError, ValueError, OSError):
        raise _invalid(f"{what} has a time that is none: {entry.integrated_time}") from None


def _included(entry: LogEntry, log: LogInstance, what: str) -> None:
    proof = entry.proof
    if proof is None:
        raise AssertionError("only entries with a proof come here")
    # 1. The checkpoint is the log's: signed under its name by its key, and of its origin.
    place = f"the checkpoint of {what}"
    signed = note.parse(proof.checkpoint, place)
    name = log.origin
    first_version = (entry.kind, entry.version) not in _PROVED_ONLY
    if first_version and any(each.name == log.authority for each in signed.signatures):
        name = log.authority  # a private Rekor v1 is called by its port, too; a Rekor v2 never is
    if not signed.signed_by(replace(_usable(log), name=name)):
        raise _invalid(f"{place} is not signed by {name}")
    head = note.parse_checkpoint(signed, place)
    # only Rekor v1's origins end with a tree's number: such a log has several, and counts over all of them
    trees = "( - [0-9]+)?" if first_version else ""
    if not re.fullmatch(re.escape(name) + trees, head.origin):
        raise _invalid(f"{place} is of another log: {head.origin}")
    if head.origin == name and entry.index != proof.index:
        raise _invalid(f"{what} and its proof are of different places in the log")
    # 2. The proof is about the tree that the checkpoint is about.
    if (head.size, head.root) != (proof.size, proof.root):
        raise _invalid(f"the proof of {what} is about another tree than its checkpoint")
    # 3. The entry is a leaf of that tree.
    if not verify_inclusion(proof.index, proof.size, leaf_hash(entry.body), proof.hashes, proof.root):
        raise _invalid(f"{what} is not in the tree that the log signed")


def _in_time(log: LogInstance, known: Sequence[Moment], now: datetime, what: str) -> None:
    """The log's key was in use then; without any proven time, now: an end that has passed settles nothing."""
    for moment in known:
        if not log.window.holds(moment.time):
            raise _invalid(f"{what} is of {moment.time:%Y-%m-%d}, when {log.origin} had another key")
    if not known and log.window.start is not None and now < log.window.start:
        raise _invalid(f"{what} is by a key that {log.origin} uses from {log.window.start:%Y-%m-%d} on")
    if not known and log.window.end is not None and log.window.end < now:
        raise Refused(
            Reason(
                Code.TIMESTAMP_MISSING,
                f"{log.origin} stopped using its key on {log.window.end:%Y-%m-%d}, and nothing proves that"
                f" {what} is older",
            )
        )


def _usable(log: LogInstance) -> note.NoteKey:
    try:
        _ = log.key.log_id
    except MalformedError as error:
        raise TallyError(f"the trusted root cannot be used: {error}") from None
    return log.key


def _invalid(sentence: str) -> Refused:
    return Refused(Reason(Code.LOG_PROOF_INVALID, sentence))
