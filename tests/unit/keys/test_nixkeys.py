"""Nix's signing keys: made once, kept from others, and what is none is refused without being shown."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.keys import nixkeys
from orchestrator.nix.signature import SecretKey


def test_a_key_is_made_once(tmp_path: Path) -> None:
    key = nixkeys.of_state(tmp_path, "builder-a")
    assert nixkeys.of_state(tmp_path, "builder-a") == key
    assert (tmp_path / "nix-builder-a.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "nix-builder-a.pub").read_text() == f"{key.public.text}\n"
    assert key.name.startswith("tally-builder-a-")
    assert key.public.verifies(key.sign("words"), "words")
    assert not key.public.verifies(key.sign("words"), "other words")
    assert base64.b64encode(key.seed).decode() not in repr(key)


def test_a_public_half_that_is_gone_is_written_again(tmp_path: Path) -> None:
    key = nixkeys.of_state(tmp_path, "release")
    (tmp_path / "nix-release.pub").unlink()
    assert nixkeys.of_state(tmp_path, "release") == key
    assert (tmp_path / "nix-release.pub").exists()


def test_a_secret_half_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    nixkeys.of_state(tmp_path, "release")
    (tmp_path / "nix-release.key").unlink()
    with pytest.raises(TallyError, match="is gone"):
        nixkeys.of_state(tmp_path, "release")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not NAME:BASE64"),
        ("name:!", "is not NAME:BASE64"),
        ("name:" + base64.b64encode(b"x" * 32).decode(), "of an ed25519 key of 64 bytes"),
        (":" + base64.b64encode(b"x" * 64).decode(), "of an ed25519 key of 64 bytes"),
        ("a b:" + base64.b64encode(b"x" * 64).decode(), "of an ed25519 key of 64 bytes"),
        ("name:" + base64.b64encode(b"x" * 64).decode(), "two halves that do not belong together"),
        ("-----BEGIN PRIVATE KEY-----\n\xe9", "it is no text"),
    ],
)
def test_what_is_no_key(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(TallyError, match=why) as error:
        nixkeys.load(tmp_path / "key")
    assert "eHh4" not in error.value.message.replace(str(tmp_path), ""), "the key is not shown"


def test_what_is_written_is_read_back() -> None:
    key = SecretKey.generate("cache.example-1")
    assert SecretKey.parse(f"{key.text}\n") == key
