"""What tests of the embedded log begin with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.log.embedded import EmbeddedLog


@pytest.fixture
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that the kernel has; what a power cut takes is a test of its own."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def log(tmp_path: Path) -> EmbeddedLog:
    return EmbeddedLog.opened(tmp_path / "log")
