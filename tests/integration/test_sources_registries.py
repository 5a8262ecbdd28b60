"""Real files of Debian, PyPI and npm through the machine's own clients' configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.recipe import PypiSource
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.registries import pypi_file

SIX = PypiSource(
    pypi="six", version="1.16.0", sha256="1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926"
)


@pytest.mark.parametrize(
    ("url", "sha256"),
    [
        (
            "mirror://debian/pool/main/h/hello/hello_2.10.orig.tar.gz",
            "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
        ),
        ("mirror://pypi/six/six-1.16.0.tar.gz", SIX.sha256),
        (
            "mirror://npm/left-pad/-/left-pad-1.3.0.tgz",
            "870c0fe1096223a58d4f8832d08a7e651ea2fcadb8e6877b2fdc26b662d481dd",
        ),
    ],
)
def test_a_file_of_each_registry(tmp_path: Path, url: str, sha256: str) -> None:
    sources = Sources(tmp_path, Mirrors())
    place = sources.fetch(Wanted("file", Sha256(sha256), (url,)))
    assert Sha256.of_file(place).hex == sha256
    with pytest.raises(TallyError) as caught:
        sources.fetch(Wanted("file", Sha256("0" * 64), (url,)))
    assert sha256 in caught.value.message
    assert "0" * 64 in caught.value.message


def test_a_pypi_release_is_found_by_digest() -> None:
    sources = Sources(Path("/none"), Mirrors())
    assert pypi_file(SIX, Mirrors(), sources.downloader) == "six-1.16.0.tar.gz"
    with pytest.raises(TallyError, match=f"six-1.16.0.tar.gz: {SIX.sha256}"):
        pypi_file(SIX.model_copy(update={"sha256": "0" * 64}), Mirrors(), sources.downloader)
