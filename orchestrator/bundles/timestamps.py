"""RFC 3161 timestamps over a signature, by the authorities of a trusted root."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.bundles import cms
from orchestrator.ground.values import dataclass
from orchestrator.log.trusted_root import Authority
from orchestrator.policy.verdict import Code, Reason, Refused

if TYPE_CHECKING:
    from rfc3161_client import Verifier


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that somebody trusted vouches for: the signature was there then. UTC."""

    time: datetime
    source: str


def verify(
    responses: Sequence[bytes], signature: bytes, authorities: Sequence[Authority], what: str
) -> tuple[Moment, ...]:
    """What every response proves. Raises Refused when one does not hold: none is passed over."""
    return tuple(
        _verified(response, signature, authorities, f"timestamp {number} of {what}")
        for number, response in enumerate(responses, 1)
    )


def known(
    responses: Sequence[bytes], signature: bytes, authorities: Sequence[Authority], what: str
) -> tuple[tuple[Moment, ...], tuple[str, ...]]:
    """What those prove that hold, and for each other why it proves nothing, as if it were not there.

    So one that is added does no harm, and to take a bad one away does not help.
    """
    moments, doubts = [], []
    for number, response in enumerate(responses, 1):
        try:
            moments.append(_verified(response, signature, authorities, f"timestamp {number} of {what}"))
        except Refused as refused:
            doubts.append(refused.reasons[0].sentence)
    return tuple(moments), tuple(doubts)


def _verified(response: bytes, signature: bytes, authorities: Sequence[Authority], what: str) -> Moment:
    """RFC 3161, 2.3 and 2.4.2: granted, about this signature, by a certificate for it, valid then."""
    from rfc3161_client import decode_timestamp_response

    try:
        parsed = decode_timestamp_response(response)
        time = parsed.tst_info.gen_time
        cms.check_algorithms(response)
    except ValueError as error:
        raise _refused(f"{what} is not an RFC 3161 response: {error}") from None
    why = "no authority of the trusted root signed it"
    for authority in authorities:
        refuted = _refuted(response, signature, authority.chain)
        if refuted is None and authority.window.holds(time):
            return Moment(time, authority.uri or authority.common_name or "a timestamp authority")
        if refuted is None:
            why = f"its time, {time:%Y-%m-%dT%H:%M:%SZ}, is outside its authority's"
        elif len(authorities) == 1:
            why = refuted
    raise _refused(f"{what} does not hold: {why}")


@lru_cache(maxsize=64)  # a release's own root and the caller's often name one authority
def _refuted(response: bytes, signature: bytes, chain: tuple[bytes, ...]) -> str | None:
    """What speaks against a response's being by this chain's authority, about the signature; None: it is."""
    from rfc3161_client import decode_timestamp_response

    if len(chain) < 2:
        return "its authority has no certificate but its root"
    try:
        parsed = decode_timestamp_response(response)
        with warnings.catch_warnings(action="ignore"):  # of odd certificates, which are refused or harmless
            _verifier(chain).verify_message(parsed, signature)
    except Exception as error:  # noqa: BLE001  an attacker's certificates: the libraries raise what they like
        return " ".join(str(error).split()) or type(error).__name__
    return None


@lru_cache(maxsize=64)
def _verifier(chain: tuple[bytes, ...]) -> Verifier:
    """Releases of one publisher have the same authority's timestamps. Raises what the libraries like."""
    from cryptography.x509 import load_der_x509_certificate
    from rfc3161_client import VerifierBuilder

    own, *between, root = (load_der_x509_certificate(each) for each in chain)
    builder = VerifierBuilder().tsa_certificate(own).add_root_certificate(root)
    for certificate in between:
        builder = builder.add_intermediate_certificate(certificate)
    return builder.build()


def _refused(sentence: str) -> Refused:
    return Refused(Reason(Code.TIMESTAMP_INVALID, sentence))
