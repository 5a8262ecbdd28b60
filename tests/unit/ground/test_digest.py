"""A sha256 is read in every form that tools print, and nothing else is."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.nix.storepath import base32

OCTETS = [hashlib.sha256(bytes([each])).digest() for each in range(50)] + [b"\0" * 32, b"\xff" * 32]
# `nix-hash --type sha256 --to-base32` of the first, by Nix 2.8; `--to-sri` is what `sha256-` begins
HELLO = "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"
HELLO_BASE32 = "0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i"


def test_what_nix_prints() -> None:
    assert base32(bytes.fromhex(HELLO)) == HELLO_BASE32
    assert Sha256.read(HELLO_BASE32).hex == HELLO


@pytest.mark.parametrize("octets", OCTETS, ids=lambda octets: octets.hex()[:8])
def test_every_form_is_the_same_digest(octets: bytes) -> None:
    forms = [octets.hex(), octets.hex().upper(), base32(octets), b64encode(octets).decode()]
    for prefix in ("", "sha256:", "sha256-", "SHA256:"):
        assert {Sha256.read(prefix + form).hex for form in forms} == {octets.hex()}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "64 lower-case"),
        (HELLO[:-1], "got 63 digits"),
        (HELLO + " ", "64 lower-case"),
        ("a" * 40, "the length of a sha1"),
        ("sha512-" + b64encode(b"x" * 64).decode(), "got a sha512"),
        ("sha256-" + b64encode(b"x" * 31).decode(), "64 lower-case"),
        # the last digit of base64 has two bits that mean nothing, the first of base32 four
        ("sha256-" + b64encode(b"\0" * 32).decode().replace("A=", "B="), "64 lower-case"),
        ("2" + HELLO_BASE32[1:], "64 lower-case"),
        (HELLO_BASE32.upper(), "64 lower-case"),
        (HELLO_BASE32.replace("1", "e"), "64 lower-case"),
        (f"sha256-{b64encode(OCTETS[0]).decode()} sha256-{b64encode(OCTETS[1]).decode()}", "64 lower-case"),
        ("sha256:sha256:" + HELLO, "64 lower-case"),
        ("\uff11" * 64, "64 lower-case"),
    ],
)
def test_what_is_no_sha256_is_told(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Sha256.read(text)
