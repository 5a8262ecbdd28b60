"""Files of PyPI and npm, found in indexes of our own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.recipe import registries
from orchestrator.recipe.mirrors import Mirrors
from orchestrator.recipe.recipe import PypiSource
from orchestrator.recipe.registries import pypi_file
from orchestrator.recipe.sources import Sources
from orchestrator.recipe.wanted import Wanted

SDIST, WHEEL, NEWER = b"an sdist", b"a wheel", b"a newer sdist"


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirrors:
    """A simple index in a folder, and an empty `find-links`."""
    files, page = tmp_path / "files", tmp_path / "simple/flit-core"
    for folder in (files, page, tmp_path / "links"):
        folder.mkdir(parents=True)
    for name, content in (
        ("flit_core-3.9.0.tar.gz", SDIST),
        ("flit_core-3.9.0-py3-none-any.whl", WHEEL),
        ("flit_core-3.9.0.1.tar.gz", NEWER),
    ):
        (files / name).write_bytes(content)
    (page / "index.html").write_text(
        "<!DOCTYPE html><body>\n"
        f'<a href="../../files/flit_core-3.9.0.tar.gz#sha256={_hex(SDIST)}">sdist</a>\n'
        '<a data-x="&gt;" href="../../files/flit%5Fcore-3.9.0-py3-none-any.whl#md5=1">wheel</a>\n'
        f'<a href="../../files/flit_core-3.9.0.1.tar.gz#sha256={_hex(NEWER)}">newer</a><a>none</a>\n'
    )
    monkeypatch.setattr(registries, "pip_find_links", lambda: ((tmp_path / "links").as_uri(),))
    monkeypatch.setattr(Mirrors, "_built_in", lambda self, name: ())
    return Mirrors({"pypi": [(tmp_path / "simple").as_uri()], "npm": [(tmp_path / "npm").as_uri()]})


def _source(sha256: str) -> PypiSource:
    return PypiSource(pypi="Flit_Core", version="3.9.0", sha256=sha256)


def test_the_digest_says_which_file(index: Mirrors) -> None:
    assert pypi_file(_source(_hex(SDIST)), index, Downloader()) == "flit_core-3.9.0.tar.gz"
    assert pypi_file(_source(_hex(WHEEL)), index, Downloader()) == "flit_core-3.9.0-py3-none-any.whl"


def test_a_wrong_digest_shows_what_there_is(index: Mirrors) -> None:
    with pytest.raises(TallyError) as caught:
        pypi_file(_source(_hex(NEWER)), index, Downloader())
    assert caught.value.message.splitlines()[1:] == [
        f"  flit_core-3.9.0.tar.gz: {_hex(SDIST)}",
        f"  flit_core-3.9.0-py3-none-any.whl: {_hex(WHEEL)}",
    ]


def test_files_are_fetched_from_the_index_or_find_links(index: Mirrors, tmp_path: Path) -> None:
    sources = Sources(tmp_path / "sources", index)
    for file, content in (("flit_core-3.9.0.tar.gz", SDIST), ("flit_core-3.9.0-py3-none-any.whl", WHEEL)):
        wanted = Wanted(file, Sha256.of(content), (f"mirror://pypi/flit-core/{file}",))
        assert sources.fetch(wanted).read_bytes() == content
    (tmp_path / "links/flit_core-1.tar.gz").write_bytes(b"local")
    wanted = Wanted("x", Sha256.of(b"local"), ("mirror://pypi/flit-core/flit_core-1.tar.gz",))
    assert sources.fetch(wanted).read_bytes() == b"local"


def test_a_file_that_no_index_lists(index: Mirrors, tmp_path: Path) -> None:
    sources = Sources(tmp_path / "sources", index)
    with pytest.raises(TallyError, match=r"mirror://pypi/flit-core/none\.tar\.gz: no index lists it"):
        sources.fetch(Wanted("x", Sha256.of(b"x"), ("mirror://pypi/flit-core/none.tar.gz",)))
    with pytest.raises(TallyError, match=r"no index lists it; file://.*nothing/: No such file"):
        sources.fetch(Wanted("x", Sha256.of(b"x"), ("mirror://pypi/nothing/x-1.tar.gz",)))


def test_npm_tarballs_have_a_usual_place_and_a_said_one(index: Mirrors, tmp_path: Path) -> None:
    usual = tmp_path / "npm/@scope/pad/-"
    usual.mkdir(parents=True)
    (usual / "pad-1.0.0.tgz").write_bytes(b"usual")
    sources = Sources(tmp_path / "sources", index)
    url = "mirror://npm/@scope/pad/-/pad-{}.tgz"
    assert sources.fetch(Wanted("a", Sha256.of(b"usual"), (url.format("1.0.0"),))).read_bytes() == b"usual"
    elsewhere = tmp_path / "elsewhere.tgz"
    elsewhere.write_bytes(b"said")
    # a local address has its slash decoded, as a server's has not
    document = tmp_path / "npm/@scope/pad/2.0.0"
    document.write_text(json.dumps({"dist": {"tarball": elsewhere.as_uri()}}))
    assert sources.fetch(Wanted("b", Sha256.of(b"said"), (url.format("2.0.0"),))).read_bytes() == b"said"
    document.write_text(json.dumps([1]))
    with pytest.raises(TallyError, match="No such file"):
        sources.fetch(Wanted("c", Sha256.of(b"none"), (url.format("2.0.0"),)))
