"""Cargo's configuration in a project: what is refused, since a build would not use what Cargo.lock pins."""

from __future__ import annotations

import pytest
from source_trees import Files

from orchestrator.dependencies.cargo_detours import refuse_detours
from orchestrator.dependencies.dependency import BadLock


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        (
            ".cargo/config.toml",
            b"[source.crates-io]\nreplace-with = 'v'",
            "`replace-with` in .source.crates-io.",
        ),
        ("a/b/.cargo/config.toml", b"paths = ['vendor/dep']", "`paths` has crates built from other files"),
        ("a/.cargo/config", b"[patch.crates-io]\ndep = { path = 'vendor/dep' }", "`patch`"),
        (".cargo/config", b"paths = ['x']", "`paths`"),
    ],
)
def test_what_stands_in_for_crates(path: str, text: bytes, said: str) -> None:
    with pytest.raises(BadLock, match=said) as caught:
        refuse_detours(Files({path: text}), "a/Cargo.lock")
    assert caught.value.message.startswith(path)


def test_what_says_nothing_of_crates() -> None:
    text = b"[build]\nrustflags = ['-g']\n[source.x]\nregistry = 'https://x.example'\n[alias]\nb = 'build'"
    refuse_detours(Files({".cargo/config.toml": text, "config.toml": b"paths = ['a']"}), "Cargo.lock")
    refuse_detours(
        Files({".cargo/config.toml": b"not TOML", "b/.cargo/config": b"paths = ['x']"}), "Cargo.lock"
    )
