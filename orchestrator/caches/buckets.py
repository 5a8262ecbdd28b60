"""Binary caches in buckets: each file by an address that AWS's own library signs for some minutes.

Written as Nix writes them (Nix's manual, "S3 Binary Cache Store"): `s3://BUCKET?region=…&endpoint=…`, and
`scheme` and `profile`. Credentials are found by that library, in the places that AWS's documentation names.
Without any, the bucket is asked as anybody is. Nothing is fetched here.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from threading import Lock as Mutex
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from orchestrator.ground.errors import TallyError

_SCHEME: Final = "s3"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SETTINGS: Final = ("region", "endpoint", "scheme", "profile")
_REGION: Final = "us-east-1"
"""Nix's own where none is said."""
_SIGNED_FOR: Final = 900
"""Seconds: longer than the server has for beginning its answer."""
_SHOWN: Final = 400


def is_bucket(address: str) -> bool:
    """Whether a cache's address is one of a bucket."""
    return address.startswith(f"{_SCHEME}://")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a bucket is."""

    name: str
    region: str | None
    endpoint: str | None
    """Of another service than AWS, with its scheme."""
    profile: str | None

    @classmethod
    def parse(cls, address: str) -> Bucket:
        """Raises ValueError with what is wrong, as a sentence that repeats no secret."""
        parts = urlsplit(address)
        if not _NAME.fullmatch(parts.netloc) or parts.path not in ("", "/") or parts.fragment:
            raise ValueError("expected a bucket: s3://NAME, or s3://NAME?region=REGION")
        told = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := sorted(told.keys() - set(_SETTINGS)):
            known = ", ".join(_SETTINGS)
            raise ValueError(f"s3://{parts.netloc} has the setting {unknown[0][:40]}; known are {known}")
        endpoint = told.get("endpoint")
        if endpoint and "://" not in endpoint:
            endpoint = f"{told.get('scheme') or 'https'}://{endpoint}"
        if endpoint and "@" in endpoint:
            raise ValueError(f"the endpoint of s3://{parts.netloc} has credentials in it; leave them out")
        return cls(parts.netloc, told.get("region"), endpoint, told.get("profile"))

    @property
    def place(self) -> str:
        """The address that evidence has: the same on every machine."""
        return f"{_SCHEME}://{self.name}"


class Signed:
    """Addresses of the files in a bucket, for some minutes. Threads may share it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self._mutex = bucket, Mutex()
        self._client: Any = None

    def of(self, file: str) -> str:
        """Raises TallyError where AWS's library is not there, or has not what it needs."""
        with self._mutex:
            try:
                if self._client is None:
                    self._client = self._opened()
                asked = {"Bucket": self._bucket.name, "Key": file}
                signed: str = self._client.generate_presigned_url(
                    "get_object", Params=asked, ExpiresIn=_SIGNED_FOR
                )
            except TallyError:
                raise
            except Exception as error:  # that library's, of any kind
                said = f"{type(error).__name__}: {error}".partition("\n")[0]
                raise TallyError(
                    f"the cache {self._bucket.place} cannot be asked: {said[:_SHOWN]}",
                    hint="see that profile, region and credentials are there, as for `aws s3 ls`",
                ) from error
        return signed

    def _opened(self) -> Any:
        try:
            boto3 = importlib.import_module("boto3")
            botocore = importlib.import_module("botocore")
            config = importlib.import_module("botocore.config")
        except ImportError as error:
            raise TallyError(
                f"the cache {self._bucket.place} needs the package boto3",
                hint="pipx inject tallystick boto3; without pipx, install it beside tally",
            ) from error
        session = boto3.Session(profile_name=self._bucket.profile)
        known = session.get_credentials() is not None
        return session.client(
            "s3",
            region_name=self._bucket.region or session.region_name or _REGION,
            endpoint_url=self._bucket.endpoint,
            config=config.Config(signature_version="s3v4" if known else botocore.UNSIGNED),
        )
