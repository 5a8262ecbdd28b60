"""Which input changed when a verdict did."""

from __future__ import annotations

from orchestrator.ledger.change import changed, sentence


def path(name: str, digit: str = "0") -> str:
    return f"/nix/store/{digit * 32}-{name}.drv"


def test_a_new_version_below() -> None:
    old = {
        path("app-1"): (path("openssl-3.0.17"), path("gcc-12")),
        path("openssl-3.0.17"): (),
        path("gcc-12"): (),
    }
    new = {
        path("app-1", "1"): (path("openssl-3.0.18"), path("gcc-12")),
        path("openssl-3.0.18"): (),
        path("gcc-12"): (),
    }
    assert sentence(changed(old, new)) == "openssl 3.0.17 → 3.0.18"


def test_the_same_version_in_another_derivation_and_a_new_input() -> None:
    old = {path("app-1"): (path("zlib-1.3"),), path("zlib-1.3"): ()}
    new = {
        path("app-1", "1"): (path("zlib-1.3", "1"), path("extra-2")),
        path("zlib-1.3", "1"): (),
        path("extra-2"): (),
    }
    assert sentence(changed(old, new)) == "extra 2, which is new, another derivation of zlib 1.3"


def test_nothing_new() -> None:
    assert sentence(changed({path("a"): ()}, {path("a"): ()})) is None
