"""A timestamp authority by its address: RFC 3161 over HTTP, each answer checked before it is believed.

Specification: RFC 3161, sections 2.4 (what is asked and answered) and 3.4 (over HTTP).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestrator.bundles import timestamps
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.log.trusted_root import Authority, TrustedRoot
from orchestrator.policy.verdict import Refused
from orchestrator.signing.instance import LATER
from orchestrator.signing.places import named

_QUERY: Final = "application/timestamp-query"
_DELAYS: Final = (1.0, 4.0)
"""Seconds before a timestamp is asked for again."""
_OK, _BUSY, _BROKEN = 200, 429, 500
_ODD: Final = (
    "nothing is signed with such an answer: see that `trusted-root` has this authority's certificates"
)
_APART: Final = timedelta(minutes=10)
"""How far the authority's clock may be from this machine's: either is wrong, and which one nobody knows."""


@dataclass(frozen=True)
class TimestampAuthority:
    """An authority that is asked over HTTP. Every method raises TallyError."""

    address: str
    """The whole of it, as in `https://timestamp.example.org/api/v1/timestamp`."""
    authorities: tuple[Authority, ...]
    """What the trusted root says of it."""
    delays: tuple[float, ...] = _DELAYS
    _http: Downloader = field(default_factory=Downloader, repr=False)

    @classmethod
    def of(cls, address: str, root: TrustedRoot, now: datetime) -> TimestampAuthority:
        """The authority at an address, by what a trusted root says of it. `now` is UTC.

        Trusted roots often leave the addresses of authorities out: then it is any that the root names.
        """
        usable = [each for each in root.timestamp_authorities if each.window.holds(now)]
        found = named(address, usable, lambda each: each.uri) or usable
        if not found:
            raise TallyError(
                f"{address} is to be asked for timestamps, and the trusted root has no authority valid now",
                hint="`trusted-root` below [signing] in tally.toml names the file that has its certificates",
            )
        return cls(address, tuple(found))

    def check(self) -> None:
        """See that the authority answers, and that what it says will be believed."""
        self.stamp(secrets.token_bytes(32))

    def stamp(self, signature: bytes) -> bytes:
        """A response about a signature, in DER, which was checked: RFC 3161, section 2.4.2, and the nonce.

        What passes by is tried again, with growing delays.
        """
        for delay in (*self.delays, None):
            try:
                return self._stamped(signature)
            except _Passing as error:
                if delay is None:
                    raise TallyError(error.message, hint=error.hint) from error
            time.sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def _stamped(self, signature: bytes) -> bytes:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

        request = TimestampRequestBuilder(signature, HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
        response = self._answered(request.as_bytes())
        what = f"the answer of the timestamp authority {self.address}"
        try:
            (moment,) = timestamps.verify([response], signature, self.authorities, what)
            if decode_timestamp_response(response).tst_info.nonce != request.nonce:
                raise ValueError("it answers another request: its nonce differs")
        except Refused as refused:
            raise TallyError(refused.reasons[0].sentence, hint=_ODD) from refused
        except ValueError as error:
            raise TallyError(f"{what}: {error}", hint=_ODD) from error
        now = datetime.now(UTC)
        if abs(moment.time - now) > _APART:
            raise TallyError(
                f"the timestamp authority {self.address} says that it is {moment.time:%Y-%m-%d %H:%M} UTC, "
                f"and this machine {now:%Y-%m-%d %H:%M}",
                hint="set this machine's clock, or ask another authority",
            )
        return response

    def _answered(self, request: bytes) -> bytes:
        try:
            status, body = self._http.ask(self.address, request, _QUERY)
        except Unreachable as error:
            raise _Passing(
                f"the timestamp authority {self.address} does not answer: {error}",
                hint=f"see whether it is there; {LATER}",
            ) from error
        if status == _OK:
            return body
        said = " ".join(body.decode("utf-8", "replace").split())[:200]
        told = (
            f"the timestamp authority {self.address} gave no timestamp (HTTP {status}: {said or 'nothing'})"
        )
        kind = _Passing if status == _BUSY or status >= _BROKEN else TallyError
        raise kind(told, hint="`timestamp` below [signing] in tally.toml is the whole of its address")


class _Passing(TallyError):
    """What may be gone in a moment."""
