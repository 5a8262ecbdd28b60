"""References: where a published release is, as people write it. Pure; docs/reference/references.md.

    dir:PATH[#RELEASE]            a folder of releases, as a web server has it
    file:///PATH[#RELEASE]        the same, as an address
    https://HOST/PATH/[#RELEASE]  the same, behind a web server
    oci://HOST/REPO[:TAG][@sha256:HEX]
    s3://BUCKET/PREFIX[#RELEASE]
    cache+ADDRESS

RELEASE is a release's name, or `sha256:` and the digest of its release.json.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from orchestrator.ground.addresses import unseen, without_credentials
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass
from orchestrator.publishing.folder import UnsafeNameError, checked

FORMS: Final = (
    "dir:PATH",
    "file:///PATH",
    "https://HOST/PATH/",
    "oci://HOST/REPOSITORY[:TAG|@sha256:HEX]",
    "s3://BUCKET/PREFIX",
    "cache+file:///PATH",
    "cache+s3://BUCKET",
    "cache+https://HOST/PATH",
)
_HINT: Final = f"a reference is one of {', '.join(FORMS)}"
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LONGEST: Final = 4096
_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# OCI distribution-spec 1.1, "Pulling manifests": what a repository and a tag are
_REPOSITORY: Final = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CACHES: Final = ("file", "https", "http", "s3")


@dataclass(frozen=True, slots=True)
class Static:
    """A folder of releases behind an address that ends with `/`."""

    base: str
    release: str | None = None
    """Which of them, by its name; None: it is the only one, or `digest` says so."""
    digest: Sha256 | None = None
    """Of its release.json."""

    @property
    def path(self) -> Path | None:
        """The folder, where it is on this machine."""
        return Path(unquote(urlsplit(self.base).path)) if self.base.startswith("file:") else None

    def __str__(self) -> str:
        which = f"#{self.release or self.digest}" if self.release or self.digest else ""
        return (self.base if self.path is None else f"dir:{self.path}") + which


@dataclass(frozen=True, slots=True)
class Registry:
    """A repository in an OCI registry."""

    host: str
    repository: str
    tag: str | None = None
    digest: Sha256 | None = None
    plain: bool = False
    """Whether it is spoken to without TLS: on this machine, or since the user said so."""

    @property
    def name(self) -> str:
        """As container tools write it, without a tag."""
        return f"{self.host}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"oci://{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A prefix in a bucket."""

    bucket: str
    prefix: str
    """Without a `/` at its end."""
    release: str | None = None
    """Which of the releases below it, as of a `Static`."""
    digest: Sha256 | None = None
    plain: bool = False
    """Whether its endpoint may be spoken to without TLS anywhere."""

    def __str__(self) -> str:
        which = f"#{self.release or self.digest}" if self.release or self.digest else ""
        return f"s3://{self.bucket}/{self.prefix}{which}"


@dataclass(frozen=True, slots=True)
class NixCache:
    """A Nix binary cache, by its address as Nix writes it."""

    address: str
    plain: bool = False
    """Whether it may be spoken to without TLS anywhere."""

    def __str__(self) -> str:
        return f"cache+{self.address}"


Reference = Static | Registry | ObjectStore | NixCache


def is_reference(text: str) -> bool:
    """Whether a target is meant to be elsewhere than in a release folder: it has a scheme."""
    found = _SCHEME.match(text)
    if found is None:
        return False
    return text[found.end() :].startswith("//") or found[1].lower() in ("dir", "oci", "s3")


def parse(text: str, *, plain: bool = False) -> Reference:
    """Read a reference; with `plain`, what has no TLS may be anywhere. Raises TallyError."""
    if len(text) > _LONGEST or not text.isprintable() or any("\ud800" <= each <= "\udfff" for each in text):
        raise _refused(text, "it is too long, or has characters that no reference has")
    found = _SCHEME.match(text)
    if found is None:
        hint = f"{_HINT}; for a folder on this machine, dir:{text[:80]}"
        raise TallyError(f"{text[:200]} is no reference: it has no scheme", hint=hint)
    scheme, rest = found[1].lower(), text[found.end() :]
    match scheme:
        case "dir":
            return _folder(text, rest)
        case "file" | "http" | "https":
            return _address(text, scheme, plain=plain)
        case "oci":
            return _registry(text, rest, plain=plain)
        case "s3":
            return _bucket(text, rest, plain=plain)
        case _:
            if scheme.startswith("cache+"):
                return _cache(text, scheme.removeprefix("cache+"), plain=plain)
    raise _refused(text, f"{scheme}: is no scheme that releases are published by")


def _folder(text: str, rest: str) -> Static:
    path, _, which = rest.partition("#")
    if not path:
        raise _refused(text, "it names no folder")
    whole = quote(str(Path(path).absolute())).rstrip("/")
    return Static(f"file://{whole}/", *_which(text, which))


def _address(text: str, scheme: str, *, plain: bool) -> Static:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (raises when the port is not a number)
    except ValueError as error:
        raise _refused(text, "it cannot be read as an address") from error
    if parts.query or "@" in parts.netloc:
        raise _refused(text, "it has a query, or a user before its host, and neither is sent")
    if scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise _refused(text, "a file is on this machine: file:///PATH")
    elif not _HOST.fullmatch(parts.netloc):
        raise _refused(text, "it names no host")
    elif not (plain or unseen(text)):
        raise TallyError(
            f"{without_credentials(text)[:200]}: anybody on the way could read and change it",
            hint="use https://; http:// is for this machine, or with --allow-http",
        )
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    host = "" if scheme == "file" else parts.netloc
    return Static(f"{scheme}://{host}{path}", *_which(text, parts.fragment))


def _which(text: str, said: str) -> tuple[str | None, Sha256 | None]:
    said = unquote(said)
    if not said:
        return None, None
    try:
        if said.startswith("sha256:"):
            return None, Sha256(said.removeprefix("sha256:"))
        if "/" not in checked(said):
            return said, None
    except (UnsafeNameError, ValueError):
        pass
    raise _refused(text, f"after # stands a release's name, or sha256:HEX of its release.json: {said[:80]!r}")


def _registry(text: str, rest: str, *, plain: bool) -> Registry:
    name, at, digest = rest.removeprefix("//").partition("@")
    host, slash, path = name.partition("/")
    repository, colon, tag = path.partition(":")
    if not rest.startswith("//") or not slash or not _HOST.fullmatch(host):
        raise _refused(text, "it names no host and repository: oci://HOST/REPOSITORY")
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
        raise _refused(text, "a repository has lower-case letters, digits, and single . _ - and / between")
    if colon and not _TAG.fullmatch(tag):
        raise _refused(text, f"{tag[:80]!r} is no tag")
    try:
        pinned = Sha256(digest.removeprefix("sha256:")) if at else None
        if at and not digest.startswith("sha256:"):
            raise ValueError
    except ValueError as error:
        raise _refused(text, "after @ stands sha256: and 64 lower-case hexadecimal digits") from error
    return Registry(host, repository, tag or None, pinned, plain or unseen(f"http://{host}/"))


def _bucket(text: str, rest: str, *, plain: bool) -> ObjectStore:
    place, _, which = rest.removeprefix("//").partition("#")
    bucket, _, prefix = place.partition("/")
    if not rest.startswith("//") or not _BUCKET.fullmatch(bucket):
        raise _refused(text, "it names no bucket: s3://BUCKET/PREFIX")
    if "?" in prefix:
        raise _refused(text, "it has a query: region and endpoint come from AWS's own settings")
    prefix = prefix.removesuffix("/")
    try:
        if prefix:
            checked(prefix)
    except UnsafeNameError as error:
        raise _refused(text, str(error)) from error
    return ObjectStore(bucket, prefix, *_which(text, which), plain=plain)


def _cache(text: str, scheme: str, *, plain: bool) -> NixCache:
    if scheme not in _CACHES:
        raise _refused(text, f"a cache is behind {', '.join(f'cache+{each}://' for each in _CACHES)}")
    address = text.partition("+")[2]
    if without_credentials(address) != address:
        raise _refused(text, "it has a user or a password in it, which others would see")
    return NixCache(address, plain)


def _refused(text: str, why: str) -> TallyError:
    shown = without_credentials(text[:200])
    return TallyError(f"{shown if shown.isprintable() else ascii(shown)} is no reference: {why}", hint=_HINT)
