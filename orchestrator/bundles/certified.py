"""A statement signed by an identity: its bundle has a certificate, and a trusted root says whose it is.

The root is the caller's, never the release's own: whoever makes a release could put any root into it.
"""

from __future__ import annotations

from datetime import datetime

from orchestrator.bundles import bundle as bundles
from orchestrator.bundles import certificates, entry_body, signature, standing, untrusted
from orchestrator.bundles.artifact import Digested
from orchestrator.bundles.material import Certificates
from orchestrator.bundles.standing import Shown
from orchestrator.evidence import disagreement, statement
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.dsse import Envelope
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.evidence import Denied, Judged
from orchestrator.policy.verdict import Code, Reason, Refused

_NOTHING = Digested(Sha256("0" * 64))
"""The artifact of a signature that is over a statement: nobody looks at it."""


def is_certified(data: bytes, name: str) -> bool:
    """Whether a bundle, of any version, has a certificate for its signer. Raises MalformedError."""
    return isinstance(bundles.parse(data, name).signer, Certificates)


def open_certified(data: bytes, name: str, root: TrustedRoot, now: datetime) -> Judged | Denied:
    """A statement by whomever the certificate names, in whatever form that is valid. `now` is UTC.

    Every timestamp, log entry and certificate has held by `root`. Raises MalformedError or Refused;
    TallyError when that root can be used for nothing.
    """
    bundle = bundles.parse(data, name)
    if not isinstance(bundle.signer, Certificates) or not isinstance(bundle.content, Envelope):
        raise MalformedError(f"{name} is not a statement by a certificate")
    if bundle.content.payload_type != IN_TOTO_PAYLOAD:
        raise MalformedError(f"{name} holds a payload of another type: {bundle.content.payload_type!r}")

    # 1. The signature, over the exact bytes, by the certificate's key (DSSE, protocol.md).
    try:
        key = certificates.public_key(bundle.signer, name)
        signed = signature.verify(bundle, key, _NOTHING, name)
    except TallyError as error:  # a release has no signature of a kind that is not judged
        raise MalformedError(error.message) from error

    # 2. Whose certificates count is the caller's to say.
    if not root.certificate_authorities:
        whose = untrusted.of_whom(bundle.signer, name)
        told = (
            f"{name} is signed by a certificate{whose}, and no trusted root was given that says whose count"
        )
        raise Refused(Reason(Code.UNTRUSTED_SIGNER, told))

    # 3. Where it was logged, and when it was there: all that it has must hold, and some of both be there.
    #    Of an instance without a log, the timestamp alone: whether that is enough is the policy's to say.
    if not bundle.entries and not root.unlogged:
        raise Refused(Reason(Code.NOT_IN_LOG, f"{name} has no entry of a transparency log"))
    shown = Shown(bundle.entries, bundle.timestamps)
    about = signature.logged(bundle, key, signed, _NOTHING)
    try:
        proven = standing.verify(shown, about, root, now, name)
    except entry_body.UnjudgedError as error:
        raise MalformedError(error.message) from error
    if not proven.moments:
        raise Refused(Reason(Code.TIMESTAMP_MISSING, f"nothing proves when {name} was signed"))

    # 4. The certificate: the instance's, with its timestamp, valid at those times (RFC 5280, 6962).
    who = certificates.identify(bundle, root, proven.moments, name)

    if (found := disagreement.parse(bundle.content.payload, name)) is not None:
        return Denied(name, found, who)
    times = [each.time for each in proven.moments]
    stated = statement.parse(bundle.content.payload, name)
    return Judged(name, stated, who, min(times), logged=bool(proven.logs), last=max(times))
