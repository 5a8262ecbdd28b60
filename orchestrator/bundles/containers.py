"""The bundles in a file that may hold several, or one in another form than Sigstore's. Pure.

JSON lines, as CI hosts hand them out; `{"attestations": [{"bundle": …}]}` of npm and of forges' interfaces;
PEP 740's objects (https://packaging.python.org/specifications/index-hosted-attestations/); what cosign wrote
before Sigstore had bundles (`base64Signature`); a DSSE envelope by itself. Each is put into a bundle's form,
member for member, and judged as any bundle is. Nothing of it is believed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from orchestrator.bundles import other_forms
from orchestrator.evidence.canonical import (
    ENVELOPE_MARKS,
    LARGEST_ENVELOPE,
    MalformedError,
    read,
    read_envelope,
)
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import TYPES

MOST: Final = 256
"""Bundles in one file: each costs signatures to check."""
_MARKERS = (b'"attestations"', b'"attestation_bundles"')
_PARTS = frozenset(
    {"verificationMaterial", "verification_material", "dsseEnvelope", "dsse_envelope", "messageSignature"}
)
_OTHERS = (
    (b"-----BEGIN PGP", "an OpenPGP signature", "check it with `gpg --verify`"),
    (b"-----BEGIN", "a certificate or a key in PEM", "give a key with --key, and the bundle with --bundle"),
    (b"untrusted comment:", "a signature of minisign or signify", "check it with that program"),
)
_FILES = (
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "an archive (zip)"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"\xfd7zXZ", "compressed (xz)"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (b"\x7fELF", "a program (ELF)"),
)
_BEGINNING = 4096  # bytes of a file that are looked at to say what it is
_SHOWN = 60  # characters of a line that is quoted
_BYTE_ORDERS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_MOST_LINES = 50_000  # of a file that may be JSON lines; of a bundle that is laid out there are some hundreds
_BARE = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}\s*")
_GET = "get the bundle: Sigstore's JSON, as `cosign attest-blob --bundle FILE` and the like write it"


@dataclass(frozen=True, slots=True)
class Found:
    """One bundle, in Sigstore's own form."""

    name: str
    """What sentences call it."""
    document: Any
    """Its JSON."""
    alone: bool = False
    """Whether it is an envelope without anything beside it: who signed, when, where it was logged."""


Part = Found | TallyError | MalformedError
"""A bundle; or what it is in place of one that can be judged; or what is wrong with it."""


def found(data: bytes, what: str) -> tuple[Part, ...]:
    """What a file holds, in its order.

    Raises MalformedError, and TallyError for a file that holds nothing of the kind.
    """
    data = plain(data, what)
    parts = tuple(islice(_parts(data, what), MOST + 1))
    if len(parts) > MOST:
        raise TallyError(f"{what} holds more than {MOST} bundles", hint="give those that matter, in parts")
    if len(parts) == 1 and isinstance(parts[0], TallyError):
        raise parts[0]
    return parts


def plain(data: bytes, what: str) -> bytes:
    """JSON's bytes without a byte order mark, and in UTF-8, as Windows' shells do not write it."""
    for mark, encoding in _BYTE_ORDERS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding).encode()
            except ValueError:
                raise MalformedError(f"{what} begins with the mark of {encoding}, and is not in it") from None
    return data


def lines(data: bytes) -> list[bytes]:
    """The documents of JSON lines; one that is laid out over several lines is one document.

    What is between them and is none comes as a line of its own, wherever it stands.
    """
    if data.count(b"\n") > _MOST_LINES:
        return [data]
    rows = [row for row in data.split(b"\n") if row.strip()]
    whole = [row.startswith(b"{") and row.rstrip().endswith(b"}") for row in rows]
    return rows if len(rows) > 1 and any(whole) and (whole[0] or not _is_one(data)) else [data]


def _is_one(data: bytes) -> bool:
    try:
        _document(data, "it")
    except MalformedError:
        return False
    return True


def _parts(data: bytes, what: str) -> Iterator[Part]:
    rows = lines(data)
    for number, row in enumerate(rows, 1):
        place = what if len(rows) == 1 else f"{what}, line {number}"
        try:
            document = _document(row, place)
        except MalformedError as error:
            # which says nothing of the other lines
            yield error if row.lstrip().startswith((b"{", b"[")) else _other(row, place)
            continue
        yield from _unpacked(document, place)


def _document(data: bytes, what: str) -> Any:
    """The JSON of a bundle; of what holds several, larger, with more in it. Raises MalformedError."""
    if any(marker in data for marker in _MARKERS) and len(data) <= LARGEST_ENVELOPE:
        return read(data, what, MOST * ENVELOPE_MARKS // 8)
    return read_envelope(data, what)


def _other(data: bytes, what: str) -> TallyError:
    """The error for what is not JSON at all, by what it seems to be."""
    start = data[:_BEGINNING].lstrip() or data.lstrip()[:_BEGINNING]  # no copies of what may be large
    for mark, name, hint in _OTHERS:
        if start.startswith(mark):
            return TallyError(f"{what} is {name}, and no bundle", hint=hint)
    if len(data) < _BEGINNING and _BARE.fullmatch(start):
        said = f"{what} is a signature by itself, and no bundle: nothing in it says whose it is, or when"
        return TallyError(said, hint=_GET)
    if not start:
        return TallyError(f"{what} is empty, and so no bundle", hint=_GET)
    for mark, name in _FILES:
        if data.startswith(mark):
            return TallyError(f"{what} is {name}, and no bundle", hint=_GET)
    # a letter may be cut at the end
    line = start[: 4 * _SHOWN + 4].decode(errors="replace").rstrip("\ufffd").split("\n")[0]
    if not line or "\ufffd" in line or not line.rstrip("\r").replace("\t", " ").isprintable():
        return TallyError(f"{what} is no text, and no bundle: it begins with {data[:8].hex(' ')}", hint=_GET)
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
    return TallyError(f"{what} is a text, and no bundle: it begins with {shown!r}", hint=_GET)


def _unpacked(document: Any, what: str) -> Iterator[Part]:
    match document:
        case list():
            for number, each in enumerate(document, 1):
                yield from _unpacked_in(each, f"{what}, bundle {number}")
        case {"attestations": list(each)} if not _is_bundle(document):
            for number, one in enumerate(each, 1):
                yield from _attestation(one, f"{what}, attestation {number}")
        case {"attestation_bundles": list(groups)}:
            yield from _provenance(groups, what)
        case dict():
            yield from _unpacked_in(document, what)
        case _:
            yield _nothing(what, f"JSON of another kind ({TYPES[type(document)]})")


def _unpacked_in(document: Any, what: str) -> Iterator[Part]:
    """One bundle, in whichever form."""
    match document:
        case {"verification_material": _, "envelope": _, "version": _}:
            yield _converted(other_forms.pep740, document, what)
        case {"base64Signature": _}:
            yield _converted(other_forms.cosign, document, what)
        case {"payload": _, "payloadType": _, "signatures": list(signatures)}:
            yield from _envelope(document, signatures, what)
        case dict() if _is_bundle(document):
            yield Found(what, document)
        case {"bundle": dict(inner)}:
            yield Found(what, inner)
        case dict():
            yield _nothing(what, _called(document))
        case _:
            yield _nothing(what, f"JSON of another kind ({TYPES[type(document)]})")


def _attestation(one: Any, what: str) -> Iterator[Part]:
    match one:
        case {"bundle": dict(bundle)}:
            yield Found(what, bundle)
        case {"bundle_url": str()}:
            yield TallyError(
                f"{what} holds the address of a bundle, and not the bundle",
                hint="fetch it from there, and give it",
            )
        case _:
            yield from _unpacked_in(one, what)


def _provenance(groups: list[Any], what: str) -> Iterator[Part]:
    """PEP 740, "Provenance objects": attestations by publisher, who is named without proof."""
    for place, group in enumerate(groups, 1):
        each = group.get("attestations") if isinstance(group, dict) else None
        if not isinstance(each, list):
            yield MalformedError(f"{what} has no 'attestations' in its group {place}")
            continue
        for number, one in enumerate(each, 1):
            yield from _unpacked_in(one, f"{what}, group {place}, attestation {number}")


def _converted(
    convert: Callable[[dict[str, Any], str], dict[str, Any]], one: dict[str, Any], what: str
) -> Part:
    try:
        return Found(what, convert(one, what))
    except (MalformedError, TallyError) as error:
        return error


def _envelope(document: dict[str, Any], signatures: list[Any], what: str) -> Iterator[Found]:
    """Every signature of an envelope by itself, since bundles have one (DSSE, protocol.md: any may hold)."""
    for number, each in enumerate(signatures, 1):
        yield Found(
            what if len(signatures) == 1 else f"{what}, signature {number}",
            {
                "mediaType": other_forms.V03,
                "verificationMaterial": {"publicKey": {}},
                "dsseEnvelope": {**document, "signatures": [each]},
            },
            alone=True,
        )


def _is_bundle(document: dict[str, Any]) -> bool:
    kind = str(document.get("mediaType", document.get("media_type")))
    return not _PARTS.isdisjoint(document) or "sigstore.bundle" in kind


def _called(document: dict[str, Any]) -> str:
    match document:
        case {"mediaType": str(kind)} if "trustedroot" in kind:
            return "a trusted root, which --trusted-root takes"
        case {"mediaType": str(kind)} if "clienttrustconfig" in kind:
            return "the configuration of an instance, whose `trustedRoot` --trusted-root takes"
        case {"_type": str(), "predicateType": _}:
            return "an in-toto statement that nobody signed"
        case {"signed": _, "signatures": _}:
            return "metadata of in-toto or TUF, which in-toto-verify and TUF's clients judge"
        case _:
            return f"JSON with {', '.join(map(repr, list(document)[:3])) or 'nothing in it'}"


def _nothing(what: str, kind: str) -> TallyError:
    return TallyError(f"{what} holds no bundle that is known here: it is {kind}", hint=_GET)
