"""The path from a certificate to its instance, and the timestamp that a certificate transparency log gave it.

Paths are verified by `cryptography`, timestamps by sigstore-python. Both are asked about the certificate
alone: what was signed, when, and where it was logged is judged before, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.bundles.timestamps import Moment
from orchestrator.ground.errors import TallyError
from orchestrator.log.trusted_root import TrustedRoot

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from cryptography.x509.verification import Store
    from sigstore import models
    from sigstore._internal.trust import CTKeyring


class BrokenError(Exception):
    """Why a certificate does not count, in a part of a sentence."""

    def __init__(self, why: str, *, of_authorities: bool = False, of_logs: bool = False) -> None:
        super().__init__(why)
        self.of_authorities, self.of_logs = of_authorities, of_logs
        """Whether another authority, or another certificate transparency log, would have helped."""


@dataclass(frozen=True, slots=True)
class _Anchors:
    """What certificates are judged by."""

    store: Store
    root: models.TrustedRoot

    def keyring(self) -> CTKeyring:
        from sigstore._internal.trust import KeyringPurpose

        return self.root.ct_keyring(KeyringPurpose.VERIFY)


def chain(certificate: Certificate, root: TrustedRoot, moments: Sequence[Moment]) -> list[Certificate]:
    """The authority's certificates above this one, valid at every moment (RFC 5280, section 6).

    Raises BrokenError; TallyError when the root is none.
    """
    from cryptography import x509
    from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, VerificationError

    store = _anchors(root.render()).store
    # certificates here are for signing code, which is looked at by itself; all else is as on the web
    authority, leaf = (
        policy.may_be_present(x509.ExtendedKeyUsage, Criticality.NON_CRITICAL, None)
        for policy in (ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.webpki_defaults_ee())
    )
    found: list[Certificate] = []
    for moment in moments:
        policy = PolicyBuilder().store(store).time(moment.time)
        verifier = policy.extension_policies(ca_policy=authority, ee_policy=leaf).build_client_verifier()
        try:
            found = verifier.verify(certificate, []).chain[1:]
        except VerificationError as error:
            told = f"its certificate has no valid path to an authority of the trusted root: {in_short(error)}"
            raise BrokenError(told, of_authorities=True) from None
        except Exception as error:  # noqa: BLE001  an attacker's certificate: the library raises what it likes
            raise _unreadable(error) from None
    return found


def check_sct(certificate: Certificate, above: Sequence[Certificate], root: TrustedRoot) -> None:
    """The one timestamp in it is by a certificate transparency log of the root's (RFC 6962, section 3.2).

    Raises BrokenError; TallyError when the root is none.
    """
    from sigstore._internal.sct import verify_sct
    from sigstore.errors import Error

    anchors = _anchors(root.render())
    try:
        keyring = anchors.keyring()
    except (Error, ValueError) as error:
        raise _unusable(error) from error
    try:
        verify_sct(certificate, list(above), keyring)
    except Error as error:
        told = f"its certificate has no good certificate transparency timestamp: {in_short(error)}"
        raise BrokenError(told, of_logs=True) from None
    except Exception as error:  # noqa: BLE001  an attacker's certificate: the libraries raise what they like
        raise _unreadable(error) from None


def check_purpose(certificate: Certificate) -> None:
    """It is for signatures over code (RFC 5280, sections 4.2.1.3 and 4.2.1.12). Raises BrokenError."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise BrokenError(f"its certificate does not say what it is for: {in_short(error)}") from None
    if not usage.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise BrokenError("its certificate is not for signing code")


@lru_cache(maxsize=8)
def _anchors(root: bytes) -> _Anchors:
    """Made once for many bundles. Raises TallyError."""
    import logging

    from cryptography.x509.verification import Store
    from sigstore.errors import Error

    # what it has to say is in its errors: a library's log lines are nobody's verdict
    logger = logging.getLogger("sigstore")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    try:
        parsed = _root(root)
        return _Anchors(Store(parsed.get_fulcio_certs()), parsed)
    except (Error, ValueError, OSError) as error:
        raise _unusable(error) from error


def _root(data: bytes) -> models.TrustedRoot:
    import os

    from sigstore import models

    # it reads files alone; this one is in memory, and needs no folder that can be written
    with os.fdopen(os.memfd_create("trusted-root"), "wb") as file:
        file.write(data)
        file.flush()
        return models.TrustedRoot.from_file(f"/proc/self/fd/{file.fileno()}")


def in_short(error: BaseException) -> str:
    """What an error says, in one line that ends."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _unreadable(error: Exception) -> BrokenError:
    return BrokenError(f"its certificate cannot be read: {in_short(error)}")


def _unusable(error: Exception) -> TallyError:
    return TallyError(f"the trusted root cannot be used: {in_short(error)}")
