"""`[inputs]` of `tally.toml`: whether inputs are rebuilt or believed, and by whose signature."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from orchestrator.builders.table import Table
from orchestrator.caches.buckets import Bucket, is_bucket
from orchestrator.nix.signature import PublicKey
from orchestrator.recipe.values import Matching

_Address = Annotated[
    str,
    Field(max_length=2000),
    Matching("[!-~]+", "an address of printable ASCII characters without spaces"),
]


class InputsTable(Table):
    """`[inputs]`."""

    from_: Literal["build", "cache"] = Field(
        default="build",
        alias="from",
        description="`build`: every builder builds every input. `cache`: inputs come from a binary cache, "
        "where one has them by a signature that is believed; what is released never does",
    )
    caches: tuple[_Address, ...] = Field(
        default=(),
        description="Addresses of binary caches: `https://…`, `http://…`, `s3://…` or `file:///…`. All are "
        "asked, and have to have the same bytes",
    )
    keys: tuple[str, ...] = Field(
        default=(),
        description="The public keys whose signatures are believed: NAME:BASE64, as in Nix's "
        "`trusted-public-keys`",
    )

    @field_validator("caches")
    @classmethod
    def _are_caches(cls, caches: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(map(_cache, caches))
        if len({Bucket.parse(each).place if is_bucket(each) else each for each in found}) < len(found):
            raise ValueError("one cache is there twice")
        return found

    @field_validator("keys")
    @classmethod
    def _are_nix_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            PublicKey.parse(key)
        return keys

    @model_validator(mode="after")
    def _names_whom_it_believes(self) -> InputsTable:
        if self.from_ == "cache":
            if not self.caches:
                raise ValueError('`from = "cache"` needs `caches`, the addresses that inputs come from')
            if not self.keys:
                raise ValueError('`from = "cache"` needs `keys`, whose signatures are believed')
        elif (self.caches or self.keys) and "from_" not in self.model_fields_set:
            raise ValueError('`caches` and `keys` are for `from = "cache"`, which is missing')
        return self

    @property
    def believed_keys(self) -> tuple[PublicKey, ...]:
        return tuple(map(PublicKey.parse, self.keys))


def _cache(address: str) -> str:
    """An address without a `/` at its end. What may hold a password is not repeated in an error."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  (raises when the port is not a number)
    except ValueError:
        raise ValueError("one cache has an address that cannot be read as one") from None
    if "@" in parts.netloc:
        raise ValueError(
            f"the address of {parts.hostname} has credentials in it; leave them out: caches are asked without"
        )
    if is_bucket(address):
        Bucket.parse(address)
        return address
    if parts.query or parts.fragment:
        raise ValueError(f"the address of {parts.hostname or parts.path} has a query in it; leave it out")
    usable = (
        parts.path.startswith("/") and not parts.netloc if parts.scheme == "file" else bool(parts.hostname)
    )
    if parts.scheme not in ("https", "http", "file") or not usable:
        meant = f"file://{address}" if address.startswith("/") else f"https://{address}"
        likely = f"; did you mean {meant}?" if not parts.scheme and "@" not in address else ""
        raise ValueError(
            f"expected an address of a cache: https://HOST, http://HOST, s3://BUCKET or file:///FOLDER{likely}"
        )
    return address.rstrip("/")
