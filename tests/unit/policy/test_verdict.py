"""Verdicts: a no has reasons, every reason is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.policy.verdict import HINTS, Code, Failed


def test_a_no_has_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        Failed(())


def test_every_code_has_a_hint_and_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "reasons.md").read_text()
    documented = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert documented == [str(code) for code in Code]
    assert set(HINTS) == set(Code)
