"""The witnesses that `[signing]` of tally.toml asks for, asked before hours are spent on building."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from orchestrator.builders.signing_tables import SigningTable
from orchestrator.bundles import trust
from orchestrator.ground.errors import TallyError
from orchestrator.keys.kinds import Kind
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.signing.rekor import RekorLog
from orchestrator.signing.timestamping import TimestampAuthority
from orchestrator.signing.witnesses import Log, Witnesses


def summoned(signing: SigningTable, embedded: Path, kind: Kind, now: datetime) -> Witnesses:
    """The log and the clock, which answer. `embedded` is the folder of the embedded log, begun if need be;
    `kind` the release key's; `now` is UTC. Raises TallyError for one that will not do."""
    if signing.log != "none" and kind is Kind.ED25519:
        raise TallyError(
            "signatures by an Ed25519 key cannot be entered into a log, whose entries hold digests",
            hint='sign with an ECDSA P-256 key, or set `log = "none"` below [signing] in tally.toml',
        )
    root = TrustedRoot() if signing.trusted_root is None else trust.load(signing.trusted_root)
    log: Log | None = None
    if signing.log not in ("none", "embedded"):
        rekor = RekorLog.of(signing.log, root, now)
        rekor.check()
        log = rekor
    clock = None
    if signing.timestamp is not None:
        clock = TimestampAuthority.of(signing.timestamp, root, now)
        clock.check()
    if signing.log == "embedded":
        log = EmbeddedLog.opened(embedded)
    return Witnesses(log, clock)
