"""What a lock file pins, as the values of a request: package URLs."""

from __future__ import annotations

import pytest

from orchestrator.dependencies.dependency import Dependency, Ecosystem
from orchestrator.ground.digest import Sha256
from orchestrator.pinning.depended import Depended, purl_of, with_needs


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


def test_edges_that_files_tell_lead_to_what_is_there() -> None:
    def module(name: str, version: str, *, shipped: bool = True) -> Depended:
        return Depended(f"/{name}@{version}", Ecosystem.GO, name, version, True, shipped, ())

    every = (
        module("a", "v1.0.0"),
        module("b", "v1.2.0"),
        module("b", "v1.1.0", shipped=False),  # its go.mod alone
        module("c", "v1.0.0"),
        module("c", "v2.0.0"),
    )
    told = {"/a@v1.0.0": ["b@v1.1.0", "c@v2.0.0", "c@v1.5.0", "gone@v1.0.0", "a@v1.0.0"]}
    found = {each.path: each.needs for each in with_needs(every, told)}
    assert found.pop("/a@v1.0.0") == ("/b@v1.2.0", "/c@v2.0.0")
    assert set(found.values()) == {()}
