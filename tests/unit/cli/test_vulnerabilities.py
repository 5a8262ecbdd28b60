"""What a search for vulnerabilities says that it compared with nothing, and why."""

from __future__ import annotations

import pytest

from orchestrator.cli.vulnerabilities import tell
from orchestrator.evidence.advisories.matching import Looked
from orchestrator.stories.vulnerabilities import Searched


@pytest.mark.parametrize(
    ("uncompared", "said"),
    [
        ({}, ""),
        (
            {"cargo": 2, "deb": 49, "npm": 1},
            (
                "; there is no record of their ecosystem: 2 cargo, 1 npm"
                "; records of distributions are of source packages, and not compared: 49 deb"
            ),
        ),
        ({"without a version": 6}, "; not compared: 6 without a version"),
    ],
)
def test_why_something_was_compared_with_nothing(
    capsys: pytest.CaptureFixture[str], uncompared: dict[str, int], said: str
) -> None:
    tell(Searched(Looked((), (), 0, uncompared), 3, ()))
    assert capsys.readouterr().err == f"0 matches in 3 records; 0 components compared{said}\n"
