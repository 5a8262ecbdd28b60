"""How a timestamp's signer says that it signed, which libraries that take only one way never look at. Pure.

Specifications: RFC 3161, section 2.4.2; RFC 5652, sections 5.1 and 5.3; DER of X.690, section 10.
"""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE, _SET, _OID = 0x30, 0x31, 0x06
_SHA2 = {f"6086480165030402{number:02x}": bits for number, bits in ((1, 256), (2, 384), (3, 512))}
_ECDSA = {f"2a8648ce3d0403{number:02x}": bits for number, bits in ((2, 256), (3, 384), (4, 512))}
_RSA = {f"2a864886f70d0101{number:02x}": bits for number, bits in ((11, 256), (12, 384), (13, 512))}
_ANY_DIGEST = frozenset({"2a864886f70d010101", "2b6570"})
"""rsaEncryption (RFC 3370, section 3.2) and Ed25519 (RFC 8419), in which no digest is named."""


def check_algorithms(response: bytes) -> None:
    """Whether the one signer of a timestamp response names a signature that goes with its digest.

    Nothing that is signed says so: the other half of the check is the signature itself. Raises ValueError.
    """
    status_and_token = _children(_one(response, _SEQUENCE))
    token = _children(_nth(status_and_token, 1, _SEQUENCE))
    signed_data = _children(_one(_nth(token, 1, 0xA0), _SEQUENCE))
    signers = _children(_nth(signed_data, len(signed_data) - 1, _SET))
    if len(signers) != 1:
        raise ValueError(f"it has {len(signers)} signers")
    signer = [each for each in _children(_nth(signers, 0, _SEQUENCE)) if each[0] not in (0xA0, 0xA1)]
    digest, signature = (_oid(_nth(signer, number, _SEQUENCE)) for number in (2, 3))
    bits = _SHA2.get(digest)
    if bits is None or (signature not in _ANY_DIGEST and bits != (_ECDSA | _RSA).get(signature)):
        raise ValueError("its signer names algorithms that do not go together, or that are not known")


def _oid(algorithm: bytes) -> str:
    """The object identifier of an AlgorithmIdentifier, as its octets in hexadecimal."""
    return _nth(_children(algorithm), 0, _OID).hex()


def _one(data: bytes, tag: int) -> bytes:
    found = _children(data)
    if len(found) != 1:
        raise ValueError(f"there are {len(found)} values where one is")
    return _nth(found, 0, tag)


def _nth(values: list[tuple[int, bytes]], number: int, tag: int) -> bytes:
    if not 0 <= number < len(values) or values[number][0] != tag:
        raise ValueError(f"value {number} is not there, or of another kind")
    return values[number][1]


def _children(data: bytes) -> list[tuple[int, bytes]]:
    return list(_values(data))


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each value, definite lengths alone."""
    while data:
        if len(data) < 2:
            raise ValueError("a value ends too soon")
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            if not 2 < start <= 6 or len(data) < start:
                raise ValueError("a length is none")
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            raise ValueError("a value ends too soon")
        yield tag, data[start : start + length]
        data = data[start + length :]
