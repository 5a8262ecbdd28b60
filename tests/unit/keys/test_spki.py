"""Public keys in their one form: the same by whoever reads all forms, and nothing else is taken."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.ground.errors import TallyError
from orchestrator.keys import spki
from orchestrator.keys.key import PublicKey
from orchestrator.keys.kinds import Kind

P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
ED25519 = ed25519.Ed25519PrivateKey.generate().public_key()
P384 = ec.generate_private_key(ec.SECP384R1()).public_key()


@pytest.mark.parametrize(("key", "kind"), [(P256, Kind.P256), (ED25519, Kind.ED25519)])
def test_the_same_as_by_cryptography(key: ec.EllipticCurvePublicKey, kind: Kind) -> None:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert spki.of_pem(pem) == spki.of_pem(pem.rstrip()) == der
    assert spki.to_pem(der) == pem
    made = spki.key(der)
    assert made is not None
    assert made.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == der
    read = PublicKey.from_pem(pem, "it")
    assert (read.spki, read.kind, read.pem) == (der, kind, pem.decode())


def test_other_forms_are_left_to_others() -> None:
    pem = P256.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = b"".join(pem.splitlines()[1:-1])
    wrapped = b"-----BEGIN PUBLIC KEY-----\n" + body + b"\n-----END PUBLIC KEY-----\n"
    for other in (wrapped, pem.replace(b"\n", b"\r\n"), b"a comment\n" + pem, pem + pem):
        assert spki.of_pem(other) is None
    assert PublicKey.from_pem(wrapped, "it").pem == pem.decode()
    for form in (PublicFormat.CompressedPoint, PublicFormat.UncompressedPoint):
        assert spki.key(P256.public_bytes(Encoding.X962, form)) is None
    assert spki.of_pem(P384.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)) is None


def test_a_point_off_the_curve_is_no_key() -> None:
    der = bytearray(P256.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    der[-1] ^= 1
    with pytest.raises(ValueError, match=r"."):
        spki.key(bytes(der))
    with pytest.raises(TallyError, match="it is not a public key in PEM"):
        PublicKey.from_pem(spki.to_pem(bytes(der)), "it")
