"""Opening what was signed: a signature is checked over the exact bytes before they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from orchestrator.bundles import own_bundle, untrusted, witnessed
from orchestrator.bundles.material import Certificates, KeyHint
from orchestrator.bundles.opened import OpenedBundle
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.evidence import disagreement, links, statement
from orchestrator.evidence import layout as layouts
from orchestrator.evidence.canonical import MalformedError, in_one_form
from orchestrator.evidence.denial import denial
from orchestrator.evidence.layout import LAYOUT, LAYOUT_KEY, Layout
from orchestrator.evidence.terms import BUNDLES, IN_TOTO_PAYLOAD, PROVENANCE, STEP
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.log import trusted_root
from orchestrator.log.trusted_root import TRUSTED_ROOT, TrustedRoot
from orchestrator.policy.evidence import Denied, Judged, SignedBuilds, Vouched
from orchestrator.policy.signer import KeySigner, Signer
from orchestrator.policy.verdict import Code, Reason, Refused

_SMALL = 1 << 14
"""Bytes of a trusted root that is kept for the next release; one with a log takes some 600."""


def open_own(
    data: bytes, name: str, keys: Sequence[PublicKey], root: TrustedRoot, now: datetime
) -> OpenedBundle:
    """A release's bundle, in the one form that releases have. Raises MalformedError or Refused.

    `root` is the caller's, and says whose certificates count. `now` is UTC.
    """
    parsed = own_bundle.parse(data, name, ours=True)
    match parsed.signer:
        case KeyHint(hint):
            signer = _own_signer(parsed.envelope, keys, name, hint)
            return OpenedBundle(parsed, signer, _approving(_judged(parsed, signer, name)))
        case Certificates() as found:
            from orchestrator.bundles import (
                certificates,
                certified,  # a release by a key needs none of what that imports
            )

            if any(each.keyid for each in parsed.envelope.signatures):
                raise MalformedError(f"{name} names a key, and is by a certificate")
            # sigstore-python's signatures have either form, but entry and timestamp are about one of them
            judged = _approving(certified.open_certified(data, name, root, now))
            return OpenedBundle(parsed, certificates.public_key(found, name), judged)


def _approving(found: Judged | Denied) -> Judged:
    """Raises Refused for evidence that builders disagreed, which has no place in a release."""
    if isinstance(found, Denied):
        said = f"{found.file} is evidence that builders disagreed, and approves nothing"
        raise Refused(Reason(Code.BUILDERS_DISAGREE, said))
    return found


def not_by_one(opened: Mapping[str, OpenedBundle]) -> Iterator[Reason]:
    """Bundles by another identity than the provenance: a release has one signer where it has an identity."""
    provenance = opened.get(BUNDLES[PROVENANCE])
    if provenance is None or not any(each.certified for each in opened.values()):
        return
    for name, each in opened.items():
        if each.judged.signer != provenance.judged.signer:
            told = f"{name} is signed by {each.judged.signer}, the provenance by {provenance.judged.signer}"
            yield Reason(Code.IDENTITY_MISMATCH, told)


def open_trusted_root(documents: Mapping[str, bytes]) -> TrustedRoot:
    """The release's own trusted root; an empty one where it has none. Raises MalformedError.

    It is the release's word: whether it is signed for, the coverage of files says later.
    """
    data = documents.get(TRUSTED_ROOT)
    if data is None:
        return TrustedRoot()
    return _small_root(data) if len(data) <= _SMALL else trusted_root.parse(data, TRUSTED_ROOT)


@lru_cache(maxsize=64)
def _small_root(data: bytes) -> TrustedRoot:
    """Releases of one publisher have the same root. Raises MalformedError."""
    return trusted_root.parse(data, TRUSTED_ROOT)


def open_statement(
    data: bytes, name: str, keys: Sequence[PublicKey], root: TrustedRoot, now: datetime
) -> Judged | Denied:
    """Somebody else's statement, in whatever form that is valid. Raises MalformedError or Refused."""
    from orchestrator.bundles import certified

    if certified.is_certified(data, name):
        return certified.open_certified(data, name, root, now)
    parsed = own_bundle.parse(data, name)
    signer = _signer(parsed.envelope, keys, name, _hint(parsed))
    found = _judged(parsed, signer, name)
    if isinstance(found, Denied) or denial(found.statement.predicate_type, found.statement.predicate):
        return found  # a no needs no witness
    return witnessed.of_theirs(found, parsed, signer, root, now)


def _judged(parsed: Bundle, signer: PublicKey, name: str) -> Judged | Denied:
    if _hint(parsed) != signer.hint or parsed.envelope.signatures[0].keyid:
        raise MalformedError(f"{name} names another key than the one that signed it")
    who, payload = KeySigner.of(signer.spki), parsed.envelope.payload
    if (found := disagreement.parse(payload, name)) is not None:
        return Denied(name, found, who)
    return Judged(name, statement.parse(payload, name), who)


def _hint(parsed: Bundle) -> str | None:
    return parsed.signer.hint if isinstance(parsed.signer, KeyHint) else None


def open_layout(
    documents: Mapping[str, bytes], keys: Sequence[PublicKey], opened: Mapping[str, OpenedBundle]
) -> tuple[Layout, Signer]:
    """The release's layout, and who answers for it. Raises MalformedError or Refused.

    It is by a trusted key. Or an identity signed the provenance: then by a key that was made for this release
    alone, whose public half lies beside it. The provenance has both by digest, as the coverage of files
    says later, and so its signer answers for the layout.
    """
    data = documents.get(LAYOUT)
    if data is None:
        raise Refused(Reason(Code.FILE_MISSING, f"the release has no {LAYOUT}"))
    envelope = _envelope(data, LAYOUT, ours=True)
    provenance = opened.get(BUNDLES[PROVENANCE])
    by_identity = provenance is not None and provenance.certified
    beside = _layout_key(documents) if by_identity else None
    if beside is None and LAYOUT_KEY in documents:
        if provenance is None:
            told = f"the release has no {BUNDLES[PROVENANCE]}, which would say who answers for {LAYOUT}"
            raise Refused(Reason(Code.STATEMENT_MISSING, told))
        raise MalformedError(f"{LAYOUT_KEY} has no place in a release whose provenance no identity signed")
    signer = (
        _own_signer(envelope, keys, LAYOUT, None)
        if beside is None
        else _own_signer(envelope, [beside], LAYOUT, beside.hint)
    )
    if envelope.signatures[0].keyid != signer.keyid:
        raise MalformedError(f"{LAYOUT} names another key than the one that signed it")
    answering = provenance.judged.signer if by_identity and provenance else KeySigner.of(signer.spki)
    return layouts.parse(envelope.payload, LAYOUT), answering


def _layout_key(documents: Mapping[str, bytes]) -> PublicKey:
    data = documents.get(LAYOUT_KEY)
    if data is None:
        raise Refused(Reason(Code.FILE_MISSING, f"the release has no {LAYOUT_KEY}, which {LAYOUT} is by"))
    try:
        key = PublicKey.from_pem(data, LAYOUT_KEY)
    except TallyError as error:
        raise MalformedError(error.message) from None
    in_one_form(data, lambda: key.pem.encode("ascii"), LAYOUT_KEY)
    return key


def open_links(documents: Mapping[str, bytes], layout: Layout) -> tuple[Vouched, ...]:
    """The links by keys that the layout names, one a key, ordered by file name.

    Raises MalformedError or Refused; a link by any other key is refused rather than left out.
    """
    keys = _functionaries(layout)
    found: dict[PublicKey, Vouched] = {}
    for name in sorted(documents):
        if name in (LAYOUT, LAYOUT_KEY):
            continue
        envelope = _envelope(documents[name], name, ours=True)
        keyid = envelope.signatures[0].keyid if envelope.signatures else ""
        key = keys.get(keyid)
        if envelope.signatures and key is None:
            told = f"{name} is signed by {keyid[:80]!r}, no builder of the layout"
            raise Refused(Reason(Code.UNTRUSTED_SIGNER, f"{told}, which has {untrusted.listed(keys)}"))
        signer = _own_signer(envelope, [key] if key else [], name, None)
        if signer in found:
            raise Refused(
                Reason(Code.QUORUM_NOT_MET, f"{name} and {found[signer].file} are by the same builder")
            )
        if name != f"links/{STEP}.{keyid[:8]}.link":
            raise MalformedError(f"{name} is not named after the key that signed it")
        found[signer] = Vouched(name, KeySigner.of(signer.spki), links.parse(envelope.payload, name))
    return tuple(found.values())


def open_link(data: bytes, name: str, keys: Sequence[PublicKey]) -> Vouched:
    """Somebody else's link, by a builder's key that the policy names. Raises MalformedError or Refused."""
    envelope = _envelope(data, name)
    signer = _signer(envelope, keys, name, None)
    return Vouched(name, KeySigner.of(signer.spki), links.parse(envelope.payload, name), theirs=True)


def open_builds(data: bytes, name: str, keys: Sequence[PublicKey]) -> SignedBuilds:
    """Somebody's exported ledger, by one of these keys. Raises MalformedError or Refused."""
    from orchestrator.evidence import builds  # as few policies ask for any

    envelope = _envelope(data, name)
    signer = _signer(envelope, keys, name, None)
    return SignedBuilds(name, KeySigner.of(signer.spki), builds.parse(envelope.payload, name))


def _signer(envelope: Envelope, keys: Sequence[PublicKey], name: str, hint: str | None) -> PublicKey:
    """The key that signed. A hint, where there is one, only tells "another key" from "a broken signature"."""
    if not envelope.signatures:
        raise Refused(Reason(Code.UNSIGNED, f"{name} has no signature"))
    said = {each.keyid for each in envelope.signatures} | {hint}
    # the key that it names comes first: the hint is believed for the order alone
    for key in sorted(keys, key=lambda each: not {each.keyid, each.hint} & said):
        if dsse.signed_by(envelope, key):
            return key
    if any({key.keyid, key.hint} & said for key in keys):
        raise Refused(Reason(Code.SIGNATURE_INVALID, f"the signature of {name} is not over what it holds"))
    raise Refused(untrusted.by_no_key(name, hint, (each.keyid for each in envelope.signatures), keys))


def _own_signer(envelope: Envelope, keys: Sequence[PublicKey], name: str, hint: str | None) -> PublicKey:
    signer = _signer(envelope, keys, name, hint)
    if not all(signer.wrote(each.sig) for each in envelope.signatures):
        raise MalformedError(f"{name} has its signature in another form than releases have")
    return signer


def _envelope(data: bytes, name: str, *, ours: bool = False) -> Envelope:
    envelope = dsse.read(data, name, ours=ours)
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
            key = _public_key(pem, f"the key {keyid} in {LAYOUT}")
        except TallyError as error:
            raise MalformedError(error.message) from None
        if key.keyid != keyid:
            raise MalformedError(f"the key {keyid} in {LAYOUT} has another id: {key.keyid}")
        found[keyid] = key
    return found


@lru_cache(maxsize=256)
def _public_key(pem: str, what: str) -> PublicKey:
    """Releases of one publisher have the same builders' keys. Raises TallyError."""
    # half a letter, which JSON can have, is no byte and becomes `?`, which no PEM has
    return PublicKey.from_pem(pem.encode(errors="replace"), what)
