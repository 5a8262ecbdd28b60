"""A source package that was taken for one of those that it makes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.served.debian import served
from orchestrator.served.named import DebName

SOURCE = "Package: six\nBinary: python3-six, pypy-six\nVersion: 1.16.0-4\n"


def test_a_source_package_is_told_with_what_it_makes() -> None:
    answers = {"pkgnames": "python3-six\nsilx\n", "showsrc": SOURCE}
    apt: Any = SimpleNamespace(
        told=lambda command, *_: answers[command], suite="bookworm", architecture="amd64"
    )
    with pytest.raises(TallyError) as caught:
        served(DebName("six", "1.16.0-4"), apt)
    assert "six is a source package of Debian bookworm" in caught.value.message
    assert caught.value.hint == "name one that it makes: deb:python3-six"
