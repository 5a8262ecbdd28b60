"""References are found wherever a piece of the bytes ends."""

from __future__ import annotations

import pytest

from orchestrator.nix.references import Scan, by_hash

ONE = "/nix/store/6fc3y4w5cksy1s6d8gvs5wmhxpf0k994-one"
TWO = "/nix/store/syvcwlzss9i2w91301ml7d63lnq7bz43-two"
BYTES = b"\0\1" + ONE.encode() + b"\0" + b"abc" + ONE[11:43].encode() + b"xyz\0" + TWO[11:42].encode()


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 50, 1000])
def test_what_is_there_is_found_and_nothing_else(size: int) -> None:
    scan = Scan(by_hash([ONE, TWO]))
    for at in range(0, len(BYTES), size):
        scan.feed(BYTES[at : at + size])
    assert list(scan.found) == [ONE]
    scan.feed(TWO[42:43].encode())
    assert list(scan.found) == [ONE, TWO]
