"""One bucket, through AWS's own library: it finds credentials, region and endpoint as it does for everybody.

Amazon S3's API reference, version 2006-03-01, names the operations and the errors. What that library raises
stops here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any, Final

from orchestrator.ground.addresses import unseen, without_credentials
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ground.filebody import FileBody
from orchestrator.ground.values import dataclass
from orchestrator.publishing.folder import UnsafeNameError, checked
from orchestrator.publishing.objects.patience import as_it_comes, wait_as_asked, waiting_for
from orchestrator.publishing.objects.retention import Lock
from orchestrator.publishing.reference import ObjectStore

_REGION: Final = "us-east-1"
"""AWS's own where none is said; other services take any."""
_PART: Final = 5 << 20
"""Bytes of a part: the least that S3 takes."""
_LARGE_PART: Final = 16 << 20
"""Of a file, which holds none in memory: half the requests of that library's own 8 MiB."""
_HELD: Final = 6
"""Parts in memory, at most: that library's own ten would be more than a large file is worth."""
_MOST_PARTS: Final = 9000  # S3 takes 10,000
_MOST_OBJECTS: Final = 100_000  # versions below one release: far more than a release has files
_DIGEST: Final = "sha256"
"""The metadata that says what an object was put as. It is believed by nobody who fetches."""
_SIGNED: Final = "payload_signing_enabled"
_ABSENT: Final = ("404", "NoSuchKey", "NoSuchVersion", "NotFound")
_DENIED: Final = (
    "403",
    "AccessDenied",
    "AllAccessDisabled",
    "Forbidden",
    "MethodNotAllowed",
    "NotImplemented",
)
_UNLOCKED: Final = (
    "ObjectLockConfigurationNotFoundError",
    "InvalidRequest",
    "MethodNotAllowed",
    "NotImplemented",
    "NoSuchObjectLockConfiguration",
)
"""How servers say that a bucket has no object lock, or that they have none at all."""
_TAKEN: Final = ("412", "PreconditionFailed", "ConditionalRequestConflict")
_SHOWN: Final = 300

_HINTS: Final[Mapping[str, str]] = {
    "NoSuchBucket": "see its name, and that AWS_ENDPOINT_URL is the service that has it; none is made here",
    "AccessDenied": "see whose credentials are found (`aws sts get-caller-identity`), and what they may do",
    "InvalidAccessKeyId": "see the credentials in the environment or in ~/.aws",
    "SignatureDoesNotMatch": "see the credentials in the environment or in ~/.aws",
    "ExpiredToken": "get new credentials, and run the command again: it goes on where it stopped",
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, as for `aws`",
    "QuotaExceeded": "free some room there, and run the command again: it goes on where it stopped",
}
_AGAIN: Final = "see whether it is there; the same command goes on where it stopped"


class Unlocked(TallyError):
    """A server that lets go of what it was told to hold."""

    exit_code = ExitCode.NO


@dataclass(frozen=True, slots=True)
class Version:
    """One of the objects that a key has had."""

    key: str
    id: str | None
    """None: the one that is there now, in a bucket that keeps no others or tells of none."""
    size: int
    latest: bool
    when: datetime | None = None
    """When it was put there, by the server's clock."""


@dataclass(frozen=True, slots=True)
class State:
    """What a bucket does with its objects, as the server says."""

    versioned: bool
    locks: bool
    by_default: bool
    """Whether every object is locked, also without being asked."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the server says of one version."""

    id: str | None
    size: int
    sha256: str | None
    until: datetime | None
    mode: str | None


@dataclass(frozen=True, slots=True)
class Service:
    """Which service has a bucket, where its address says so."""

    region: str | None = None
    endpoint: str | None = None
    """With its scheme; None: what AWS's library finds, as in AWS_ENDPOINT_URL."""
    profile: str | None = None


class Bucket:
    """A bucket; `publish`: credentials have to be there."""

    def __init__(
        self, reference: ObjectStore, *, publish: bool = False, service: Service | None = None
    ) -> None:
        self._name, self._place = reference.bucket, f"s3://{reference.bucket}"
        self._client = self._opened(service or Service(), publish=publish)
        if not (reference.plain or unseen(str(self._client.meta.endpoint_url))):
            raise TallyError(
                f"the endpoint of {self._place} has no TLS: anybody on the way could read and change it",
                hint="use an https:// endpoint; http:// is for this machine, or with --allow-http",
            )

    def _opened(self, service: Service, *, publish: bool) -> Any:
        try:
            boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
            core, unsigned = importlib.import_module("botocore.session"), importlib.import_module("botocore")
        except ImportError as error:
            raise TallyError(
                f"{self._place} needs the package boto3",
                hint="pipx inject tallystick boto3; without pipx, install it beside tally",
            ) from error
        with self._speaking("cannot be asked"):
            found = core.Session(profile=service.profile)
            session = boto3.Session(botocore_session=found)
            known = session.get_credentials() is not None
            if publish and not known:
                raise TallyError(
                    f"there are no credentials to publish to {self._place} with",
                    hint=_HINTS["NoCredentialsError"],
                )
            client = session.client(
                "s3",
                region_name=service.region or session.region_name or _REGION,
                endpoint_url=service.endpoint,
                config=config.Config(
                    signature_version="s3v4" if known else unsigned.UNSIGNED, s3=_hashing(found)
                ),
            )
        wait_as_asked(client, self._place)
        return client

    def state(self) -> State:
        """Whether it keeps versions, and locks them. Raises TallyError."""
        self.reach()
        with self._speaking("does not say whether it keeps versions"):
            versioned = self._client.get_bucket_versioning(Bucket=self._name).get("Status") == "Enabled"
        found: Mapping[str, Any] = {}
        with self._speaking("does not say whether it locks objects", quiet=_UNLOCKED):
            found = self._client.get_object_lock_configuration(Bucket=self._name)
        settings = found.get("ObjectLockConfiguration") or {}
        default = bool((settings.get("Rule") or {}).get("DefaultRetention"))
        return State(versioned, settings.get("ObjectLockEnabled") == "Enabled", default)

    def reach(self) -> None:
        """Raises TallyError where it is not there, or is not reached."""
        with self._speaking("cannot be asked"):
            self._client.head_bucket(Bucket=self._name)

    def has_any(self) -> bool:
        """Whether there is any object. Raises TallyError."""
        with self._speaking("cannot be listed"):
            found = self._client.list_objects_v2(Bucket=self._name, MaxKeys=1)
        return bool(found.get("Contents"))

    def folders(self, prefix: str, most: int) -> tuple[str, ...]:
        """The names of folders directly below a prefix, the first of them. Raises TallyError."""
        with self._speaking("cannot be listed"):
            found = self._client.list_objects_v2(
                Bucket=self._name, Prefix=prefix, Delimiter="/", MaxKeys=most
            )
        names = (each["Prefix"][len(prefix) :].rstrip("/") for each in found.get("CommonPrefixes", ()))
        return tuple(name for name in names if _is_name(name))

    def every_folder(self, prefix: str) -> Iterator[str]:
        """The names of all folders directly below a prefix. Raises TallyError."""
        with self._speaking("cannot be listed", told=False):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._name, Prefix=prefix, Delimiter="/"):
                for each in page.get("CommonPrefixes", ()):
                    if name := each["Prefix"][len(prefix) :].rstrip("/"):
                        yield name

    def versions(self, prefix: str) -> Mapping[str, tuple[Version, ...]] | None:
        """All that is or was below a prefix, by key, the oldest first; None: the server does not tell.

        Raises TallyError.
        """
        found: dict[str, list[Version]] = {}
        seen, told = 0, False
        with self._speaking("cannot be listed", quiet=_DENIED):
            pages = self._client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self._name, Prefix=prefix):
                told = True
                for each in page.get("Versions", ()):
                    seen += 1
                    if seen > _MOST_OBJECTS:
                        raise TallyError(
                            f"{self._place}/{prefix} has more than {_MOST_OBJECTS} versions of objects",
                            hint="no release has so many: see who writes there",
                        )
                    version = None if each["VersionId"] == "null" else each["VersionId"]
                    one = Version(
                        each["Key"], version, each["Size"], each["IsLatest"], each.get("LastModified")
                    )
                    found.setdefault(each["Key"], []).insert(0, one)
        return {key: tuple(each) for key, each in found.items()} if told else None

    def told(self, key: str, version: str | None = None) -> Told | None:
        """What the server says of an object, without its bytes; None: there is none. Raises TallyError."""
        found: Any = None
        with self._speaking(f"does not tell of {key}", quiet=_ABSENT):
            found = self._client.head_object(Bucket=self._name, Key=key, **_version(version))
        if found is None:
            return None
        return Told(
            found.get("VersionId"),
            found["ContentLength"],
            found.get("Metadata", {}).get(_DIGEST),
            found.get("ObjectLockRetainUntilDate"),
            found.get("ObjectLockMode"),
        )

    def read(self, key: str, version: str | None = None) -> Iterator[bytes] | None:
        """The bytes of an object, as they come; None: there is none. Raises TallyError, also on the way."""
        found: Any = None
        with self._speaking(f"does not give {key}", quiet=_ABSENT):
            found = self._client.get_object(Bucket=self._name, Key=key, **_version(version))
        return None if found is None else self._chunks(key, found["Body"], found.get("ContentLength"))

    def _chunks(self, key: str, body: Any, size: int | None) -> Iterator[bytes]:
        try:
            with self._speaking(f"stopped in the middle of {key}", told=False):
                yield from as_it_comes(body, size, f"{self._place}/{key}")
        finally:
            body.close()

    def put(
        self, key: str, size: int, digest: Sha256, chunks: Callable[[], Iterable[bytes]], lock: Lock | None
    ) -> None:
        """Put an object, in parts if it is large: it is there once it is whole. Raises TallyError.

        Of a file that library reads each part by itself, as it does for everybody, and holds none in memory.
        """
        transfer = importlib.import_module("boto3.s3.transfer")
        body, extra = chunks(), {"Metadata": {_DIGEST: digest.hex}, **_lock(lock)}
        if isinstance(body, FileBody):
            with self._speaking(f"does not take {key}", told=False), body.named() as name:
                if name is not None:
                    settings = transfer.TransferConfig(
                        multipart_threshold=_LARGE_PART, multipart_chunksize=_LARGE_PART
                    )
                    self._client.upload_file(name, self._name, key, ExtraArgs=extra, Config=settings)
                    return
        part = max(_PART, -(-size // _MOST_PARTS))
        settings = transfer.TransferConfig(
            multipart_threshold=part, multipart_chunksize=part, max_concurrency=_HELD
        )
        settings.max_in_memory_upload_chunks = _HELD
        with self._speaking(f"does not take {key}", told=False):
            self._client.upload_fileobj(
                _Stream(iter(body)), self._name, key, ExtraArgs=extra, Config=settings
            )

    def put_first(self, key: str, data: bytes, lock: Lock | None) -> bool:
        """Put a small object that nobody has put yet; whether it was so. Raises TallyError."""
        settings = {"Bucket": self._name, "Key": key, "Body": data, **_lock(lock)}
        settings["Metadata"] = {_DIGEST: Sha256.of(data).hex}
        with self._speaking(f"does not take {key}", quiet=(*_TAKEN, "NotImplemented")) as refused:
            self._client.put_object(**settings, IfNoneMatch="*")
        if refused and refused[0] == "NotImplemented":  # a server without conditions
            with self._speaking(f"does not take {key}"):
                self._client.put_object(**settings)
            return True
        return not refused

    def hold(self, key: str, version: str | None, lock: Lock) -> None:
        """Lock what is there already. Raises TallyError."""
        with self._speaking(f"does not lock {key}"):
            self._client.put_object_retention(
                Bucket=self._name,
                Key=key,
                **_version(version),
                Retention={"Mode": lock.mode.upper(), "RetainUntilDate": lock.until},
            )

    def deletes(self, key: str, version: str | None) -> bool:
        """Whether it lets us delete a version for good. Raises TallyError where it answers neither."""
        refusals = ("403", "AccessDenied", "Forbidden", "InvalidRequest", "ObjectLocked", "MethodNotAllowed")
        with self._speaking(f"does not say whether {key} can be deleted", quiet=refusals) as refused:
            self._client.delete_object(Bucket=self._name, Key=key, **_version(version))
        return not refused

    @contextmanager
    def _speaking(self, what: str, quiet: tuple[str, ...] = (), *, told: bool = True) -> Iterator[list[str]]:
        """What that library raises as a TallyError; codes that are `quiet` are answers, and are listed.

        `told`: whether who waits is told where it takes long, as what is small should not.
        """
        answers: list[str] = []
        try:
            with waiting_for(self._place) if told else nullcontext():
                yield answers
        except TallyError:
            raise
        except Exception as error:  # that library's, and of those that it stands on: of any kind
            code, said = _code(error)
            if code in quiet:
                answers.append(code)
                return
            raise TallyError(
                f"{self._place} {what}: {without_credentials(said)[:_SHOWN]}",
                hint=_HINTS.get({"403": "AccessDenied", "Forbidden": "AccessDenied"}.get(code, code), _AGAIN),
            ) from error


class _Stream:
    """What that library reads from: no more than it asks for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int = -1) -> bytes:
        found = [self._rest]
        have = len(self._rest)
        while size < 0 or have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            found.append(chunk)
            have += len(chunk)
        data = b"".join(found)
        cut = len(data) if size < 0 else size
        self._rest = data[cut:]
        return data[:cut]


def _hashing(session: Any) -> Mapping[str, bool]:
    """What is sent is not hashed once more for its signature, unless the user's own configuration says so.

    Its checksum is signed, as over https by default, and it is fetched back and judged by its digest.
    """
    own = session.get_scoped_config().get("s3")
    return {} if isinstance(own, dict) and _SIGNED in own else {_SIGNED: False}


def _is_name(text: str) -> bool:
    """Whether a release can be called so: others write there, too."""
    try:
        return "/" not in checked(text)
    except UnsafeNameError:
        return False


def _version(version: str | None) -> Mapping[str, str]:
    return {} if version is None else {"VersionId": version}


def _lock(lock: Lock | None) -> Mapping[str, Any]:
    if lock is None:
        return {}
    return {"ObjectLockMode": lock.mode.upper(), "ObjectLockRetainUntilDate": lock.until}


def _code(error: Exception) -> tuple[str, str]:
    """The server's code for an error, or its kind; and what is said of it in a line."""
    told = getattr(error, "response", None)
    if isinstance(told, dict) and isinstance(told.get("Error"), dict):
        code = str(told["Error"].get("Code") or "an error without a code")
        said = str(told["Error"].get("Message") or "").partition("\n")[0]
        status = told.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code == "404" and getattr(error, "operation_name", "") == "HeadBucket":
            return "NoSuchBucket", "there is no such bucket"
        return code, f"{code} ({status}), {said}" if said else f"{code} ({status})"
    return type(error).__name__, f"{type(error).__name__}: {error}".partition("\n")[0]
