"""Which certificate authorities and certificate transparency logs of a root count at which times. Pure.

Specification: sigstore/protobuf-specs `sigstore_trustroot.proto`, `CertificateAuthority.valid_for` and
`TransparencyLogInstance.public_key.valid_for`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.log.trusted_root import Authority, LogInstance, TrustedRoot, Window


@dataclass(frozen=True, slots=True)
class InUse:
    """A trusted root with those alone whose windows hold every moment asked about."""

    root: TrustedRoot
    no_authorities: tuple[str, ...]
    no_logs: tuple[str, ...]
    """Who was left out and why, a part of a sentence each."""


def in_use(root: TrustedRoot, signed: Sequence[datetime], certified: Sequence[datetime]) -> InUse:
    """The root without the authorities and logs that were not in use. All times are UTC.

    `signed` is when the signature is proven to have been there, which is what its certificate is judged by;
    `certified` when the certificate was entered into a certificate transparency log, as its timestamps say.
    """
    no_authorities: list[str] = []
    no_logs: list[str] = []

    def holds(window: Window, moments: Sequence[datetime], who: str, out: list[str]) -> bool:
        outside = next((each for each in moments if not window.holds(each)), None)
        if outside is not None:
            out.append(f"{who} counts {_span(window)}, and not on {outside:%Y-%m-%d}")
        return outside is None

    authorities = tuple(
        each
        for each in root.certificate_authorities
        if holds(each.window, signed, _authority(each), no_authorities)
    )
    logs = tuple(each for each in root.ctlogs if holds(each.window, certified, _log(each), no_logs))
    used = replace(root, certificate_authorities=authorities, ctlogs=logs)
    return InUse(used, tuple(no_authorities), tuple(no_logs))


def _authority(each: Authority) -> str:
    return f"the certificate authority {each.common_name or each.uri!r}"


def _log(each: LogInstance) -> str:
    return f"the key of the certificate transparency log {each.origin or each.log_id.hex()[:16]}"


def _span(window: Window) -> str:
    ends = (("from", window.start), ("to", window.end))
    return " ".join(f"{word} {end:%Y-%m-%d}" for word, end in ends if end is not None)
