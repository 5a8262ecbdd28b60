"""Opening what was signed: a signature is checked over the exact bytes before they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.errors import TallyError
from orchestrator.evidence import layout as layouts
from orchestrator.evidence import links, statement
from orchestrator.evidence.canonical import MalformedError, read, render
from orchestrator.evidence.layout import LAYOUT, Layout
from orchestrator.evidence.links import Link
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD, STEP
from orchestrator.log import proof, trusted_root
from orchestrator.log.trusted_root import TRUSTED_ROOT, LogInstance, TrustedRoot
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.signing import bundle, dsse
from orchestrator.signing.bundle import Bundle
from orchestrator.signing.dsse import Envelope
from orchestrator.signing.keys import PublicKey


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """A bundle whose signature holds, the trusted key that made it, and the statement in it."""

    bundle: Bundle
    key: PublicKey
    statement: Statement


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link whose signature holds, and the file and the key that it came with."""

    file: str
    key: PublicKey
    link: Link


def open_bundles(documents: Mapping[str, bytes], keys: Sequence[PublicKey]) -> dict[str, OpenedBundle]:
    """Each bundle, by file name. Raises MalformedError or Refused."""
    found: dict[str, OpenedBundle] = {}
    for name, data in documents.items():
        parsed = bundle.parse(data, name)
        _refuse_other_layout(parsed.render(), data, name)
        signer = _signer(parsed.envelope, keys, name, parsed.hint)
        if parsed.hint != signer.hint or parsed.envelope.signatures[0].keyid:
            raise MalformedError(f"{name} names another key than the one that signed it")
        found[name] = OpenedBundle(parsed, signer, statement.parse(parsed.envelope.payload, name))
    return found


def open_trusted_root(documents: Mapping[str, bytes]) -> TrustedRoot:
    """The release's own trusted root; an empty one where it has none. Raises MalformedError.

    It is the release's word: whether it is signed for, the coverage of files says later.
    """
    data = documents.get(TRUSTED_ROOT)
    return TrustedRoot() if data is None else trusted_root.parse(data, TRUSTED_ROOT)


def unlogged(
    bundles: Mapping[str, OpenedBundle], logs: Sequence[LogInstance], moment: datetime
) -> Iterator[Reason]:
    """Why bundles do not count as logged in one of these logs."""
    for name, each in bundles.items():
        yield from proof.reasons(name, each.bundle.entries, each.bundle.signed(each.key), logs, moment)


def open_layout(documents: Mapping[str, bytes], keys: Sequence[PublicKey]) -> Layout:
    """The release's layout, by a trusted key. Raises MalformedError or Refused."""
    data = documents.get(LAYOUT)
    if data is None:
        raise Refused(Reason(Code.FILE_MISSING, f"the release has no {LAYOUT}"))
    envelope = _envelope(data, LAYOUT)
    signer = _signer(envelope, keys, LAYOUT, None)
    if envelope.signatures[0].keyid != signer.keyid:
        raise MalformedError(f"{LAYOUT} names another key than the one that signed it")
    return layouts.parse(envelope.payload, LAYOUT)


def open_links(documents: Mapping[str, bytes], layout: Layout) -> tuple[OpenedLink, ...]:
    """The links by keys that the layout names, one a key, ordered by file name.

    Raises MalformedError or Refused; a link by any other key is refused rather than left out.
    """
    keys = _functionaries(layout)
    found: dict[PublicKey, OpenedLink] = {}
    for name in sorted(documents):
        if name == LAYOUT:
            continue
        envelope = _envelope(documents[name], name)
        keyid = envelope.signatures[0].keyid if envelope.signatures else ""
        key = keys.get(keyid)
        if envelope.signatures and key is None:
            raise Refused(
                Reason(Code.UNTRUSTED_SIGNER, f"{name} is signed by {keyid!r}, no builder of the layout")
            )
        signer = _signer(envelope, [key] if key else [], name, None)
        if signer in found:
            raise Refused(
                Reason(Code.QUORUM_NOT_MET, f"{name} and {found[signer].file} are by the same builder")
            )
        if name != f"links/{STEP}.{keyid[:8]}.link":
            raise MalformedError(f"{name} is not named after the key that signed it")
        found[signer] = OpenedLink(name, signer, links.parse(envelope.payload, name))
    return tuple(found.values())


def _signer(envelope: Envelope, keys: Sequence[PublicKey], name: str, hint: str | None) -> PublicKey:
    """The key that signed. A hint, where there is one, only tells "another key" from "a broken signature"."""
    if not envelope.signatures:
        raise Refused(Reason(Code.UNSIGNED, f"{name} has no signature"))
    for key in keys:
        if dsse.signed_by(envelope, key):
            if not all(key.wrote(each.sig) for each in envelope.signatures):
                raise MalformedError(f"{name} has its signature in another form than releases have")
            return key
    said = {each.keyid for each in envelope.signatures} | {hint}
    if any({key.keyid, key.hint} & said for key in keys):
        raise Refused(Reason(Code.SIGNATURE_INVALID, f"the signature of {name} is not over what it holds"))
    raise Refused(Reason(Code.UNTRUSTED_SIGNER, f"{name} is not signed by a key that you trust"))


def _refuse_other_layout(expected: bytes, data: bytes, name: str) -> None:
    """A document of a release has one form, so that no two files say the same."""
    if data != expected:
        raise MalformedError(f"{name} is not written as releases are: something was added or laid out anew")


def _envelope(data: bytes, name: str) -> Envelope:
    envelope = dsse.parse(read(data, name), name)
    _refuse_other_layout(render(envelope.document()), data, name)
    if envelope.payload_type != IN_TOTO_PAYLOAD:
        raise MalformedError(f"{name} holds a payload of another type: {envelope.payload_type!r}")
    if len(envelope.signatures) > 1:
        raise MalformedError(f"{name} has {len(envelope.signatures)} signatures where it has one")
    return envelope


def _functionaries(layout: Layout) -> dict[str, PublicKey]:
    """The layout's keys, each under its own id, so that one key cannot stand for two builders."""
    found: dict[str, PublicKey] = {}
    for keyid, pem in layout.keys.items():
        try:
            key = PublicKey.from_pem(pem.encode(), f"the key {keyid} in {LAYOUT}")
        except TallyError as error:
            raise MalformedError(error.message) from None
        if key.keyid != keyid:
            raise MalformedError(f"the key {keyid} in {LAYOUT} has another id: {key.keyid}")
        found[keyid] = key
    return found
