"""What log entries and timestamps prove of what a key signed: to whom, and that a release is whole.

By the release's own trusted root they only show that nothing was lost or changed. They prove something to a
policy by the caller's root alone, whose logs and authorities are known from elsewhere. Of bundles by
certificates certified.py has judged them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from orchestrator.bundles import signature, standing
from orchestrator.bundles.entry_body import Logged
from orchestrator.bundles.opened import OpenedBundle
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.bundles.standing import Shown, Standing
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.keys.key import PublicKey
from orchestrator.log.entry import KIND, VERSION
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.evidence import Judged
from orchestrator.policy.verdict import Code, Reason, Refused

_Verify = Callable[[Shown, Logged, TrustedRoot, datetime, str], Standing]


def unwhole(opened: Mapping[str, OpenedBundle], own: TrustedRoot, now: datetime) -> Iterator[Reason]:
    """What a release lacks of what its own root promises. `now` is UTC.

    Each bundle has an entry in a log of that root where it names logs, and timestamps by its authorities, and
    no others, where it names authorities.
    """
    for name, each in _by_keys(opened):
        if own.timestamp_authorities and not each.bundle.timestamps:
            told = f"{name} has no timestamp, and the release's own root names who made one"
            yield Reason(Code.TIMESTAMP_MISSING, told)
        found = _proven(each, name, own, now, _whole)
        if not isinstance(found, Standing):
            yield from found


def witnessed(
    opened: Mapping[str, OpenedBundle], trusted: TrustedRoot, now: datetime
) -> Mapping[str, Judged]:
    """The statements, with what the caller's root proves of each. `now` is UTC.

    Raises Refused where a bundle is in no log of a root that names logs, or does not hold what one of these
    is said to have.
    """
    judged = {name: each.judged for name, each in opened.items()}
    reasons: list[Reason] = []
    for name, each in _by_keys(opened):
        found = _proven(each, name, trusted, now, standing.verify_known)
        if isinstance(found, Standing):
            judged[name] = _with(each.judged, found)
        else:
            reasons += found
    if reasons:
        raise Refused(*reasons)
    return judged


def of_theirs(judged: Judged, parsed: Bundle, key: PublicKey, root: TrustedRoot, now: datetime) -> Judged:
    """Somebody else's statement, with what the caller's root proves of it. Raises Refused."""
    return _with(judged, standing.verify_known(_shown(parsed), _logged(parsed, key), root, now, judged.file))


def _with(judged: Judged, proven: Standing) -> Judged:
    times = [each.time for each in proven.moments]
    first, last = min(times, default=None), max(times, default=None)
    return replace(judged, time=first, last=last, logged=bool(proven.logs), doubts=proven.doubts)


def _whole(shown: Shown, logged: Logged, own: TrustedRoot, now: datetime, what: str) -> Standing:
    """An entry of another log is passed over, since anybody may enter a signature anywhere, later too."""
    ids = {log.log_id for log in own.tlogs}
    known = tuple(each for each in shown.entries if each.log_id in ids)
    stamps = shown.timestamps if own.timestamp_authorities else ()
    return standing.verify(Shown(known, stamps), logged, own, now, what)


def _proven(
    each: OpenedBundle, name: str, root: TrustedRoot, now: datetime, verify: _Verify
) -> Standing | tuple[Reason, ...]:
    """What a release's bundle proves by a root, or why it does not."""
    ids = {log.log_id for log in root.tlogs}
    known = [entry for entry in each.bundle.entries if entry.log_id in ids]
    if ids and not known:
        names = ", ".join(log.origin for log in root.tlogs)
        return (Reason(Code.NOT_IN_LOG, f"{name} has no entry in a log that is to be trusted: {names}"),)
    for entry in known:  # a release's entries have one form
        told = f"the log entry {entry.index} of {name}"
        if (entry.kind, entry.version) != (KIND, VERSION):
            told += f" is of the kind {entry.kind} {entry.version}, and not {KIND} {VERSION}"
            return (Reason(Code.LOG_PROOF_INVALID, told),)
        if entry.promise or entry.integrated_time:
            told += " has a promise or a time of its own, which such entries do not have"
            return (Reason(Code.LOG_PROOF_INVALID, told),)
    try:
        return verify(_shown(each.bundle), _logged(each.bundle, each.key), root, now, name)
    except Refused as refused:
        return refused.reasons
    except TallyError as error:  # a log's key in the root that is none
        return (Reason(Code.LOG_PROOF_INVALID, f"{name}: {error.message}"),)


def _shown(bundle: Bundle) -> Shown:
    return Shown(bundle.entries, bundle.timestamps)


def _logged(bundle: Bundle, key: PublicKey) -> Logged:
    """What a log entry has to be about."""
    return signature.logged_envelope(bundle.envelope, key, bundle.envelope.signatures[0].sig)


def _by_keys(opened: Mapping[str, OpenedBundle]) -> Iterator[tuple[str, OpenedBundle]]:
    return ((name, each) for name, each in opened.items() if not each.certified)
