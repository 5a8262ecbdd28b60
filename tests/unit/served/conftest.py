"""An index of our own, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from wheels import OwnIndex

from orchestrator.ground.download import Downloader
from orchestrator.sources import pyindex as indexes
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pyindex import Index


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnIndex]:
    monkeypatch.setattr(indexes, "pip_find_links", lambda: ())
    monkeypatch.setattr(indexes, "_WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Mirrors, "_built_in", lambda self, name: ())
    with OwnIndex().served() as index:
        yield index


@pytest.fixture
def asking(own: OwnIndex) -> Callable[[], Index]:
    return lambda: Index(Mirrors({"pypi": [own.address]}), Downloader())
