"""Exported ledgers among what others say: what their builders made of each derivation, by whose signature."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from orchestrator.bundles.opening import open_builds
from orchestrator.evidence import statement
from orchestrator.evidence.canonical import MalformedError, read_envelope
from orchestrator.evidence.terms import BUILDS, BUILDS_1
from orchestrator.ground.values import dataclass
from orchestrator.keys import dsse
from orchestrator.keys.key import PublicKey
from orchestrator.policy.evidence import SignedBuilds
from orchestrator.policy.verdict import Refused


@dataclass(frozen=True, slots=True)
class Opened:
    """Those that are signed by a key that was asked for, and a notice for each other."""

    ledgers: tuple[SignedBuilds, ...] = ()
    notices: tuple[str, ...] = ()


def exported(documents: Mapping[str, bytes]) -> frozenset[str]:
    """The names of those documents that are exported ledgers, by whomever."""
    return frozenset(file for file, data in documents.items() if _is_exported(data, file))


def open_ledgers(
    documents: Mapping[str, bytes], files: Collection[str], keys: Sequence[PublicKey] | None
) -> Opened:
    """What of these files is signed by one of the keys; None: the policy asks for no ledgers."""
    found, notices = [], []
    for file in sorted(files):
        if keys is None:
            notices.append(f"{file} was set aside: it is an exported ledger, and the policy has no [closure]")
            continue
        try:
            found.append(open_builds(documents[file], file, keys))
        except MalformedError as error:
            notices.append(f"{file} was set aside: {error}")
        except Refused as refused:
            notices.append(f"{file} was set aside: {refused.reasons[0].sentence}")
    return Opened(tuple(found), tuple(notices))


def _in_base64(text: bytes) -> Iterator[bytes]:
    """What base64 has of a text, wherever that begins in what is encoded (RFC 4648, section 4)."""
    for before in range(3):
        encoded = b64encode(bytes(before) + text)
        yield encoded[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]


_TYPES: Final = (BUILDS, BUILDS_1)
_MARKS: Final = tuple(mark for each in _TYPES for mark in _in_base64(each.encode()))


def _is_exported(data: bytes, file: str) -> bool:
    if not any(mark in data for mark in _MARKS):  # most are something else, and are read only once
        return False
    try:
        document = read_envelope(data, file)
        if not isinstance(document, dict) or "payloadType" not in document:
            return False
        return statement.parse(dsse.parse(document, file).payload, file).predicate_type in _TYPES
    except MalformedError:  # something else, or told where it is opened
        return False
