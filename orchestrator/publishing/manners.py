"""What is asked of every server that releases are published to and fetched from."""

from __future__ import annotations

from typing import Final

from orchestrator.ground.answers import Manners

MANNERS: Final = Manners(answer=120.0, grace=60.0, pace=1024, downgrade=False, inward=False)
"""Servers that send us elsewhere inside our own network are refused."""
