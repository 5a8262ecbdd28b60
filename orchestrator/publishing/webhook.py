"""One message to a webhook, signed as the Standard Webhooks specification has it. Pure.

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md,
"Symmetric signatures": HMAC-SHA256 over `ID.TIMESTAMP.BODY`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orchestrator.ground.errors import TallyError

_PREFIX: Final = "whsec_"
_LENGTHS: Final = range(24, 65)
"""Bytes of a secret, as the specification has them."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted."""

    id: str
    """The same whenever it is sent again, so that a receiver can tell."""
    time: datetime
    body: bytes

    def headers(self, secret: bytes) -> Mapping[str, str]:
        """Its id, its time, and what signs both with the body."""
        stamp = str(int(self.time.timestamp()))
        signed = b".".join((self.id.encode(), stamp.encode(), self.body))
        signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        return {
            "Content-Type": "application/json",
            "webhook-id": self.id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{signature}",
        }


def secret_of(text: str, file: str) -> bytes:
    """The secret that a file has. Raises TallyError, which does not show it."""
    try:
        secret = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) not in _LENGTHS:
        raise TallyError(
            f"{file} has no webhook secret: it is `{_PREFIX}` and the base64 of 24 to 64 bytes",
            hint=f"echo {_PREFIX}$(openssl rand -base64 32) > {file}",
        )
    return secret
