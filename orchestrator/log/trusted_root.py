"""Sigstore's trusted root: the keys and certificates that logs and authorities are known by. Pure.

Specification: sigstore/protobuf-specs `sigstore_trustroot.proto` in protobuf's JSON form. Members that we do
not know are ignored, but not those that are near to one that we do know, nor any that is to bound a time.
What is null is not there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from orchestrator.evidence.canonical import MalformedError, decoded, encoded, member, read, render_document
from orchestrator.ground.values import dataclass
from orchestrator.log.note import NoteKey

TRUSTED_ROOT: Final = "trusted_root.json"
"""Its name in a release."""
MEDIA_TYPE: Final = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_MEDIA_TYPES = frozenset(
    {
        MEDIA_TYPE,
        "application/vnd.dev.sigstore.trustedroot.v0.1+json",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    }
)
LARGEST: Final = 4 << 20
"""Bytes of a trusted root; the public instance's takes some kilobytes."""
_MARKS: Final = 100_000  # of JSON's
_MOST = 32  # of anything: the public instance has three logs, and each may cost a signature to check
_LONGEST_NAME = 100  # characters, beyond which no name is near to one of ours
_PARTS: Final = ("mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities")
_LOG: Final = ("baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator")
_KEY: Final = ("rawBytes", "keyDetails", "validFor")
_AUTHORITY: Final = ("subject", "uri", "certChain", "validFor", "operator")
_ENDS: Final = ("start", "end")
_ALIKE: Final = 0.75  # of difflib's ratio: `tlog`, `tLogs`, `logs`, `transparencyLogs` is none
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """When something was valid, both ends included (`TimeRange`); None: no such end."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether a moment, in UTC, is inside."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment <= self.end)

    def document(self) -> dict[str, str]:
        return {
            name: _written(moment)
            for name, moment in (("start", self.start), ("end", self.end))
            if moment is not None
        }


@dataclass(frozen=True)
class LogInstance:
    """A transparency log, or a certificate transparency log (`TransparencyLogInstance`)."""

    base_url: str
    spki: bytes
    key_details: str
    log_id: bytes
    window: Window = Window()

    @cached_property
    def origin(self) -> str:
        """The name in its checkpoints: the host of its address, as clients of Rekor v2 have it."""
        return _host(self.base_url)

    @property
    def authority(self) -> str:
        """The host of its address with the port, where there is one, as Rekor v1 names itself."""
        return _place(self.base_url)

    @cached_property
    def key(self) -> NoteKey:
        """What its checkpoints are verified with."""
        return NoteKey(self.origin, self.spki)

    def document(self) -> dict[str, Any]:
        return {
            "baseUrl": self.base_url,
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": encoded(self.spki),
                "keyDetails": self.key_details,
                "validFor": self.window.document(),
            },
            "logId": {"keyId": encoded(self.log_id)},
        }


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate or timestamp authority (`CertificateAuthority`)."""

    uri: str
    organization: str
    common_name: str
    chain: tuple[bytes, ...]
    """Certificates in DER, the trust anchor last."""
    window: Window = Window()

    def document(self) -> dict[str, Any]:
        return {
            "subject": {"organization": self.organization, "commonName": self.common_name},
            "uri": self.uri,
            "certChain": {"certificates": [{"rawBytes": encoded(each)} for each in self.chain]},
            "validFor": self.window.document(),
        }


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """Everything that a verifier is told to trust."""

    tlogs: tuple[LogInstance, ...] = ()
    certificate_authorities: tuple[Authority, ...] = ()
    ctlogs: tuple[LogInstance, ...] = ()
    timestamp_authorities: tuple[Authority, ...] = ()

    @property
    def unlogged(self) -> bool:
        """Whether it is of an instance without a log: it names authorities for both, and no log."""
        return bool(self.certificate_authorities and self.timestamp_authorities and not self.tlogs)

    def render(self) -> bytes:
        """The root as a file's bytes."""
        return render_document(
            {
                "mediaType": MEDIA_TYPE,
                "tlogs": [each.document() for each in self.tlogs],
                "certificateAuthorities": [each.document() for each in self.certificate_authorities],
                "ctlogs": [each.document() for each in self.ctlogs],
                "timestampAuthorities": [each.document() for each in self.timestamp_authorities],
            }
        )


def together(roots: Sequence[TrustedRoot]) -> TrustedRoot:
    """What any of these names, once."""
    return TrustedRoot(
        tlogs=tuple(dict.fromkeys(each for root in roots for each in root.tlogs)),
        certificate_authorities=tuple(
            dict.fromkeys(each for root in roots for each in root.certificate_authorities)
        ),
        ctlogs=tuple(dict.fromkeys(each for root in roots for each in root.ctlogs)),
        timestamp_authorities=tuple(
            dict.fromkeys(each for root in roots for each in root.timestamp_authorities)
        ),
    )


def parse(data: bytes, what: str) -> TrustedRoot:
    """Read a trusted root. Raises MalformedError."""
    if len(data) > LARGEST:
        raise MalformedError(f"{what} is larger than {LARGEST >> 20} MiB")
    document = _present(read(data, what, _MARKS))
    if member(document, "mediaType", str, what) not in _MEDIA_TYPES:
        raise MalformedError(f"{what} is not a trusted root of Sigstore's that we know")
    _check_names(document, _PARTS, what)
    tlogs = tuple(_log(each, f"{what}, tlogs") for each in _list(document, "tlogs", what))
    if len({each.log_id for each in tlogs}) != len(tlogs):
        raise MalformedError(f"{what} has two logs with one id")  # other readers believe the last one
    return TrustedRoot(
        tlogs=tlogs,
        certificate_authorities=_authorities(document, "certificateAuthorities", what),
        ctlogs=tuple(_log(each, f"{what}, ctlogs") for each in _list(document, "ctlogs", what)),
        timestamp_authorities=_authorities(document, "timestampAuthorities", what),
    )


def _present(value: Any) -> Any:
    """A value without the members that are null, which is absence in protobuf's JSON."""
    if isinstance(value, list):
        return [_present(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _present(each) for name, each in value.items() if each is not None}


def _check_names(value: dict[str, Any], known: Sequence[str], what: str) -> None:
    """Raises MalformedError for a misspelt name, and for a time that bounds nothing where it stands."""
    if len(value) > _MOST:
        raise MalformedError(f"{what} has more than {_MOST} parts")
    for name in value:
        if name in known:
            continue
        if (meant := _meant(name, known)) is not None:
            raise MalformedError(f"{what} has {name!r}, where {meant!r} must be meant")
        if _meant(name, ("validFor",)) is not None:
            raise MalformedError(f"{what} has {name!r}, which bounds nothing there")


def _meant(name: str, known: Sequence[str]) -> str | None:
    """The part that a name is a misspelling of, if it is one: so that nothing less is asked for."""
    from difflib import get_close_matches  # whoever reads good roots needs none of it

    if len(name) > _LONGEST_NAME:
        return None
    plain = {re.sub(r"[^a-z]", "", part.lower()): part for part in known}
    found = get_close_matches(re.sub(r"[^a-z]", "", name.lower()), plain, n=1, cutoff=_ALIKE)
    return plain[found[0]] if found else None


def _log(value: object, what: str) -> LogInstance:
    _check_names(_object(value, what), _LOG, what)
    key = _object(member(value, "publicKey", dict, what), what)
    _check_names(key, _KEY, f"{what}, publicKey")
    algorithm = member(value, "hashAlgorithm", str, what)
    if algorithm != "SHA2_256":
        raise MalformedError(f"{what}: a log whose tree is made with {algorithm!r}, not with sha256")
    window = _window(key, what)
    if window.start is None:  # sigstore-go wants it too
        raise MalformedError(f"{what}: a log whose key is valid since no time")
    return LogInstance(
        base_url=member(value, "baseUrl", str, what),
        spki=decoded(member(key, "rawBytes", str, what), what),
        key_details=member(key, "keyDetails", str, what),
        log_id=decoded(member(member(value, "logId", dict, what), "keyId", str, what), what),
        window=window,
    )


def _authorities(document: object, name: str, what: str) -> tuple[Authority, ...]:
    found = []
    for value in _list(document, name, what):
        place = f"{what}, {name}"
        _check_names(_object(value, place), _AUTHORITY, place)
        chain = member(value, "certChain", dict, place)
        subject = _object(value.get("subject", {}), place)
        certificates = [
            decoded(member(each, "rawBytes", str, place), place)
            for each in _list(chain, "certificates", place)
        ]
        if not certificates:
            raise MalformedError(f"{place}: an authority without a certificate")
        found.append(
            Authority(
                uri=_text(value, "uri", place),
                organization=_text(subject, "organization", place),
                common_name=_text(subject, "commonName", place),
                chain=tuple(certificates),
                window=_window(value, place),
            )
        )
    return tuple(found)


def _window(value: dict[str, Any], what: str) -> Window:
    if "validFor" not in value:
        return Window()
    said = _object(value["validFor"], what)
    if other := next((name for name in said if name not in _ENDS), None):  # `notAfter` would bound nothing
        raise MalformedError(f"{what}, validFor has {other!r}, where 'start' or 'end' must be meant")
    ends = {name: _moment(member(said, name, str, what), what) for name in ("start", "end") if name in said}
    return Window(**ends)


def _moment(text: str, what: str) -> datetime:
    """RFC 3339, as protobuf's JSON has it, to the microsecond."""
    parts = _TIME.fullmatch(text)
    try:
        if parts is None:
            raise ValueError
        fraction = f".{parts[2][:6]:0<6}" if parts[2] else ""
        return datetime.fromisoformat(parts[1] + fraction + parts[3].replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedError(f"{what} has {text!r} where a time is") from None


def _written(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    fraction = f".{utc.microsecond:06}" if utc.microsecond else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _list(value: object, name: str, what: str) -> Sequence[Any]:
    """A list, which protobuf's JSON leaves out when it is empty."""
    found = _object(value, what).get(name, [])
    if not isinstance(found, list) or len(found) > _MOST:
        raise MalformedError(f"{what} has {name!r} that is no list of a sensible length")
    return found


def _text(value: dict[str, Any], name: str, what: str) -> str:
    return member(value, name, str, what) if name in value else ""


def _object(value: object, what: str) -> dict[str, Any]:
    """An object without members spelt as in the .proto: other readers take `valid_for` for `validFor`."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is not an object")
    if other := next((name for name in value if "_" in name), None):
        raise MalformedError(f"{what} has {other!r}, which some read as a member that others do not know")
    return value


def _host(address: str) -> str:
    """The host in an address, with or without a scheme; as it is written there."""
    place = _place(address)
    host, separator, port = place.rpartition(":")
    return host if separator and port.isdecimal() else place


def _place(address: str) -> str:
    """The host and the port in an address."""
    try:
        return urlsplit(address if "://" in address else f"//{address}").netloc.rpartition("@")[2]
    except ValueError:
        return ""
