"""What a lock file pins, as the values of a request: package URLs."""

from __future__ import annotations

import pytest

from orchestrator.dependencies.dependency import Dependency, Ecosystem
from orchestrator.ground.digest import Sha256
from orchestrator.pinning.depended import purl_of


@pytest.mark.parametrize(
    ("registry", "urls", "purl"),
    [
        ("pypi", ("mirror://pypi/a-b/a",), "pkg:pypi/a-b@1.0"),
        (
            "https://index.test/simple",
            ("https://files.test/a",),
            "pkg:pypi/a-b@1.0?repository_url=https://index.test/simple",
        ),
        (
            "https://files.test/a",
            ("https://files.test/a",),
            "pkg:pypi/a-b@1.0?download_url=https://files.test/a",
        ),
    ],
)
def test_a_python_projects_index_is_in_its_purl(registry: str, urls: tuple[str, ...], purl: str) -> None:
    each = Dependency("A_b", "1.0", "a", Sha256("1" * 64), urls, registry, 1)
    assert purl_of(Ecosystem.PYTHON, each) == purl
