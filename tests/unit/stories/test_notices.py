"""Which notices about others' evidence are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from orchestrator.stories.notices import left_of

NOT_SIGNED = "was set aside: it is not signed by a key that you trust: it names '0d8e', and you trust no key"


def test_a_rebuilders_own_links_are_not_told_of() -> None:
    counted: Any = [SimpleNamespace(file="them/r/attestations/reproduction.sigstore.json")]
    told = [
        f"them/r/attestations/reproduction.sigstore.json {NOT_SIGNED}",
        f"them/r/links/build.0d8e.link {NOT_SIGNED}",
        "them/r/links/build.0d8f.link was set aside: the signature is not over what it holds",
        f"others/r/links/build.0d8e.link {NOT_SIGNED}",
    ]
    assert list(left_of(told, counted)) == told[2:]
    assert list(left_of(told, [])) == told
