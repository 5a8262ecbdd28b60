"""Store paths of texts: what Nix itself says of the same text."""

from __future__ import annotations

import hashlib

import pytest

from orchestrator.nix.storepath import base32, fixed_path, text_path

# nix-instantiate --eval -E 'builtins.toFile "greeting" "hello\n"'
GREETING = "/nix/store/ybf7by4xvcgjhwilsg87rqz9di79bify-greeting"


def test_a_text_has_the_path_that_nix_gives_it() -> None:
    assert text_path("greeting", b"hello\n", ()) == GREETING


def test_any_change_gives_another() -> None:
    assert text_path("greeting", b"hello\r\n", ()) != GREETING
    assert text_path("greetings", b"hello\n", ()) != GREETING
    assert text_path("greeting", b"hello\n", (GREETING,)) != GREETING


def test_the_order_of_references_does_not_count() -> None:
    two = ("/nix/store/a", "/nix/store/b")
    assert text_path("x", b"", two) == text_path("x", b"", two[::-1])


def test_base32_is_nixs() -> None:
    # nix-hash --type sha256 --to-base32 of sha256 of nothing
    empty = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert base32(empty) == "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"


@pytest.mark.parametrize(
    ("algorithm", "recursive", "path"),
    [
        ("sha512", False, "/nix/store/xihf4b270qk2pl4ci5l23qk51ap80dyb-two"),
        ("sha1", True, "/nix/store/cr9lbi82j3yjjrr7rws6y201cc4p9l7q-two"),
        ("sha256", True, "/nix/store/66r2bwn4pzixvbqk1ll70l7vbymh2blw-two"),
    ],
)
def test_a_fixed_output_is_where_nix_puts_it(algorithm: str, recursive: bool, path: str) -> None:
    """As `nix-store --print-fixed-path` of Nix 2.8 says, of the digest of `two`."""
    digest = hashlib.new(algorithm, b"two").hexdigest()
    assert fixed_path("two", algorithm, digest, recursive=recursive) == path
