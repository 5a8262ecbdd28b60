"""Files of PyPI and npm, found in indexes of our own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.notice import NOTICE
from orchestrator.recipe.purls import same_python_version
from orchestrator.recipe.recipe import PypiSource
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources import registries
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.registries import pypi_file

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


@pytest.mark.parametrize(
    ("version", "file"),
    [
        ("2023.07.22", "certifi-2023.7.22-py3-none-any.whl"),
        ("2023.7.22", "certifi-2023.07.22.tar.gz"),
        ("1.0RC1", "certifi-1.0rc1.tar.bz2"),
        ("1.0-rc.1", "certifi-1.0rc1-1-cp311-cp311-linux_x86_64.whl"),
        ("v1.0", "certifi-1.0.0.zip"),
        ("1.0.post1", "certifi-1.0-1.tar.gz"),
        ("1!2.0+Local.7", "certifi-1!2.0+local.7.tgz"),
        ("2004d", "certifi-2004D.zip"),
    ],
)
def test_versions_are_compared_by_pep_440(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, file: str
) -> None:
    page = tmp_path / "simple/certifi"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="x/{file}#sha256={_hex(b"it").upper()}">it</a>')
    monkeypatch.setattr(registries, "pip_find_links", lambda: ())
    monkeypatch.setattr(Mirrors, "_built_in", lambda self, name: ())
    mirrors = Mirrors({"pypi": [(tmp_path / "simple").as_uri()]})
    source = PypiSource(pypi="certifi", version=version, sha256=_hex(b"it"))
    assert pypi_file(source, mirrors, Downloader()) == file
    for other in ("2023.7.23", "1.0", "1.0.0.dev1", "1.1"):
        if not same_python_version(version, other):
            with pytest.raises(TallyError, match=r"it has:\n  no file"):
                pypi_file(source.model_copy(update={"version": other}), mirrors, Downloader())


def test_files_are_fetched_from_the_index_or_find_links(index: Mirrors, tmp_path: Path) -> None:
    sources = Sources(tmp_path / "sources", index)
    for file, content in (("flit_core-3.9.0.tar.gz", SDIST), ("flit_core-3.9.0-py3-none-any.whl", WHEEL)):
        wanted = Wanted(file, Sha256.of(content), (f"mirror://pypi/flit-core/{file}",))
        assert sources.fetch(wanted).read_bytes() == content
    (tmp_path / "links/flit_core-1.tar.gz").write_bytes(b"local")
    wanted = Wanted("x", Sha256.of(b"local"), ("mirror://pypi/flit-core/flit_core-1.tar.gz",))
    assert sources.fetch(wanted).read_bytes() == b"local"


def test_what_was_yanked_is_told_and_fetched(
    index: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "simple/flit-core/index.html"
    page.write_text(page.read_text().replace("<a href", '<a data-yanked="it was broken" href', 1))
    told: list[str] = []
    monkeypatch.setattr(NOTICE, "tell", told.append)
    sources = Sources(tmp_path / "sources", index)
    for file, content in (("flit_core-3.9.0.tar.gz", SDIST), ("flit_core-3.9.0-py3-none-any.whl", WHEEL)):
        sources.fetch(Wanted(file, Sha256.of(content), (f"mirror://pypi/flit-core/{file}",)))
    assert told == [
        "flit_core-3.9.0.tar.gz was yanked by its authors: it was broken; it is pinned all the same"
    ]


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
