"""`[signing]` of `tally.toml`: who signs, and who says when, and into which log it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from orchestrator.builders.table import Table, Text
from orchestrator.ground import key_address
from orchestrator.ground.addresses import unseen
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.values import Matching

_Address = Annotated[
    str,
    Field(max_length=2000),
    Matching("[!-~]+", "an address of printable ASCII characters without spaces"),
]


class KeylessTable(Table):
    """`[signing.keyless]`: an identity signs, and no key that lasts."""

    instance: Annotated[str, Field(min_length=1)] = Field(
        default="public",
        description="`public`: Sigstore's own instance. Else a file with a ClientTrustConfig, relative to "
        "this file's folder",
    )
    identity: Text | None = Field(
        default=None, description="Whom the certificate has to name; default: whoever logs in"
    )
    issuer: Text | None = Field(default=None, description="Who has to vouch for the identity")


class SigningTable(Table):
    """`[signing]`."""

    key: str | None = Field(
        default=None,
        description="The release key: a file, relative to this file's folder, or an address, as pkcs11:…",
    )
    keyless: KeylessTable | None = Field(
        default=None, description="Signing by an identity, with a certificate, in place of a key"
    )
    log: _Address = Field(
        default="embedded",
        description="`embedded`: what a key signs goes into the log in the state folder. `https://…`: into "
        "the Rekor v2 log at this address. `none`: into no log",
    )
    timestamp: _Address | None = Field(
        default=None,
        description="The address of an RFC 3161 timestamp authority, which says when a key signed",
    )
    trusted_root: Path | None = Field(
        default=None,
        alias="trusted-root",
        description="A Sigstore trusted root with the keys of that log and the certificates of that "
        "authority, relative to this file's folder",
    )

    @field_validator("log")
    @classmethod
    def _is_a_log(cls, log: str) -> str:
        return log if log in ("embedded", "none") else _service(log, "`embedded`, `none` or ")

    @field_validator("timestamp")
    @classmethod
    def _is_an_authority(cls, timestamp: str | None) -> str | None:
        return None if timestamp is None else _service(timestamp)

    @model_validator(mode="after")
    def _by_one(self) -> SigningTable:
        if self.key is not None and self.keyless is not None:
            raise ValueError("expected `key` or `keyless`: a release has one signer")
        asked = "log" if self.log not in ("embedded", "none") else "timestamp" if self.timestamp else None
        if asked and self.keyless is not None:
            raise ValueError(f"`{asked}` is for signing with a key: the instance of `keyless` has its own")
        if asked and self.trusted_root is None:
            raise ValueError(f"`{asked}` needs `trusted-root`, the file that says whose answers are believed")
        return self

    @field_validator("key")
    @classmethod
    def _is_a_key_address(cls, key: str | None) -> str | None:
        if key is not None:
            try:
                key_address.parse(key)
            except TallyError as error:
                raise ValueError(f"{error.message}; {error.hint}") from None
        return key


def _service(address: str, others: str = "") -> str:
    """The address of a service that is sent nothing secret, and must be the one that was meant."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  (raises when the port is not a number)
        usable = unseen(address)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"expected {others}an address: https://…, or http:// on this machine itself")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("expected an address without a user, a query or a fragment")
    return address
