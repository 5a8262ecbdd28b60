"""Nix's signatures: the fingerprint as Nix writes it, and what is no signature by a key."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.ground.digest import NarHash
from orchestrator.nix.signature import PublicKey, fingerprint

PATH = "/nix/store/7rjj86a15146cq1d3qy068lml7n7ykzm-x"
REFERENCES = ["/nix/store/b-y", "/nix/store/a-z"]
TEXT = fingerprint(PATH, NarHash("00" * 32), 120, REFERENCES)


def key() -> tuple[Ed25519PrivateKey, PublicKey]:
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes_raw()
    return private, PublicKey.parse(f"b-1:{base64.b64encode(raw).decode()}")


def signed(private: Ed25519PrivateKey, text: str, name: str = "b-1") -> str:
    return f"{name}:{base64.b64encode(private.sign(text.encode())).decode()}"


def test_the_fingerprint_is_nixs() -> None:
    assert f"1;{PATH};sha256:{'0' * 52};120;/nix/store/a-z,/nix/store/b-y" == TEXT


def test_a_signature_holds_for_its_path_alone() -> None:
    private, public = key()
    assert public.verifies(signed(private, TEXT), TEXT)
    assert not public.verifies(signed(private, TEXT), TEXT.replace("120", "121"))
    assert not public.verifies(signed(Ed25519PrivateKey.generate(), TEXT), TEXT)
    assert not public.verifies(signed(private, TEXT, "c-1"), TEXT), "another key's name"
    for broken in ("", "b-1", "b-1:", "b-1:!!", "b-1:AAAA"):
        assert not public.verifies(broken, TEXT)


@pytest.mark.parametrize(
    "text", ["", "b-1", "b-1:", ":AAAA", "b-1:AAAA", "b-1:not base64", f"b-1:{'A' * 88}"]
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="NAME:BASE64"):
        PublicKey.parse(text)
