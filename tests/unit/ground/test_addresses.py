"""What is secret in an address."""

from __future__ import annotations

import pytest

from orchestrator.ground.addresses import has_secret


@pytest.mark.parametrize(
    "address",
    [
        "https://me:hunter2@git.test/x",
        "ssh://me:hunter2@git.test/x",
        "https://:hunter2@git.test/x",
        "https://token@git.test/x",
        "http://token@git.test/x",
        "git://me@git.test/x",
        "https://git.test/x?private_token=hunter2",
        "https://git.test/x;token=hunter2",
    ],
)
def test_an_address_with_a_secret(address: str) -> None:
    assert has_secret(address)


@pytest.mark.parametrize(
    "address",
    ["https://git.test/x?branch=main", "ssh://git@git.test/x", "file:///srv/x", "https://git.test/@me/x", ""],
)
def test_an_address_without(address: str) -> None:
    assert not has_secret(address)


def test_no_address() -> None:
    with pytest.raises(ValueError, match="IPv6"):
        has_secret("https://[git.test/x")
