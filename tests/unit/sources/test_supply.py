"""Where an input was found, as messages have it."""

from __future__ import annotations

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.sources.supply import Located


@pytest.mark.parametrize(
    ("place", "own", "around"),
    [
        ("https://example.org/a/b.tar.gz", True, "https://example.org"),
        ("/srv/mirror/b.tar.gz", True, "/srv/mirror"),
        ("path:.@0123abc", True, "this repository"),
        ("path:lib/text@0123abc", True, "this repository"),
        ("b.tar.gz", True, "b.tar.gz"),
        ("path: a supply's name", False, "path: a supply's name"),
    ],
)
def test_no_place_is_without_a_name(place: str, own: bool, around: str) -> None:
    assert Located("b", Sha256("0" * 64), place, own).around == around
