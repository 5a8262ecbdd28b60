"""A flat file's digests, against known values and against the NAR writer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.flatfile import FlatFileHasher
from orchestrator.ground.digest import Sha256
from orchestrator.ground.nar import nar_hash


def _digests(data: bytes, *, executable: bool = False) -> tuple[str, str]:
    hasher = FlatFileHasher(len(data), executable=executable)
    for start in range(0, len(data), 3):
        hasher.update(data[start : start + 3])
    sha256, nar = hasher.digests()
    assert sha256 == Sha256.of(data)
    return sha256.hex, nar.hex


def test_what_nix_store_dump_prints() -> None:
    """`printf hello > f; nix-store --dump f | sha256sum`, and again after `chmod +x f`, with Nix 2.8.0."""
    assert _digests(b"hello")[1] == "0a430879c266f8b57f4092a0f935cf3facd48bbccde5760d4748ca405171e969"
    assert (
        _digests(b"hello", executable=True)[1]
        == "9cf814f912eb9ad467da47702739324302f88f2cc635cb3e49d83c3e01d5a3de"
    )


@given(data=st.binary(max_size=70), executable=st.booleans())
def test_the_nar_writer_agrees(
    data: bytes, executable: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "flat"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(0o755 if executable else 0o644)
    assert _digests(data, executable=executable)[1] == nar_hash(path).hex


@pytest.mark.parametrize("given_size", [0, 4, 6])
def test_a_file_that_changes_while_it_is_read(given_size: int) -> None:
    hasher = FlatFileHasher(given_size, executable=False)
    hasher.update(b"hello")
    with pytest.raises(ValueError, match="5 bytes"):
        hasher.digests()
