"""What an index says of a version: which wheel and sdist there are, and in words what there is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from wheels import OwnIndex

from orchestrator.ground.errors import TallyError
from orchestrator.served.named import PypiName, is_named, parse
from orchestrator.served.pypi import release_of
from orchestrator.sources.pyindex import Index

SIX = PypiName("six", "1.17.0")
Asking = Callable[[], Index]


def test_names() -> None:
    assert parse("pypi:Zope.Interface==1.0") == PypiName("zope-interface", "1.0")
    assert str(SIX) == "pypi:six==1.17.0"
    assert is_named("pypi:six")
    assert not is_named("six")
    for text, says in (
        ("pypi:six", "does not say which version"),
        ("pypi:", "names no version"),
        ("pypi:six=1", "names no version"),
        ("pypi:../six==1", "names no version"),
        ("pypi:six==1/2", "names no version"),
    ):
        with pytest.raises(TallyError, match=says):
            parse(text)


def test_a_version_with_both(own: OwnIndex, asking: Asking) -> None:
    own.wheel("six", "1.17.0", tag="py2.py3-none-any", uploaded="2024-12-04")
    own.add("six", "six-1.17.0.tar.gz", b"sdist")
    own.add("six", "six-1.16.0.tar.gz", b"older")
    found = release_of(SIX, asking())
    assert found.wheel.name == "six-1.17.0-py2.py3-none-any.whl"
    assert found.wheel.uploaded is not None
    assert found.wheel.uploaded.isoformat() == "2024-12-04T12:00:00+00:00"
    assert found.sdist.name == "six-1.17.0.tar.gz"
    assert found.notes == ()


def test_what_is_withdrawn_and_what_is_not_looked_at_is_told(own: OwnIndex, asking: Asking) -> None:
    own.wheel("six", "1.17.0", yanked="it deletes files")
    own.wheel("six", "1.17.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    own.add("six", "six-1.17.0.zip", b"sdist", yanked=True)
    found = release_of(SIX, asking())
    assert found.notes == (
        "six-1.17.0-py3-none-any.whl was withdrawn (yanked) by its maker: it deletes files",
        "six-1.17.0.zip was withdrawn (yanked) by its maker, without a reason",
        "other wheels of this version were not looked at: six-1.17.0-cp311-cp311-manylinux_2_17_x86_64.whl",
    )


def test_an_index_of_pages_tells_no_times(own: OwnIndex, asking: Asking) -> None:
    own.html = True
    own.wheel("six", "1.17.0")
    own.add("six", "six-1.17.0.tar.gz", b"sdist")
    found = release_of(SIX, asking())
    assert found.wheel.uploaded is None
    assert "no upload times" in found.notes[0]


def test_what_there_is_not(own: OwnIndex, asking: Asking) -> None:
    with pytest.raises(TallyError, match="no Python index has a project called six"):
        release_of(SIX, asking())
    own.add("six", "six-1.16.0.tar.gz", b"older")
    with pytest.raises(TallyError, match=r"six has no version 1\.17\.0; it has 1\.16\.0"):
        release_of(SIX, asking())
    own.add("six", "six-1.17.0.tar.gz", b"sdist")
    with pytest.raises(TallyError, match=r"no wheel to compare with; it has six-1\.17\.0\.tar\.gz"):
        release_of(SIX, asking())
    own.wheel("six", "1.17.0", tag="cp311-cp311-win_amd64")
    with pytest.raises(TallyError, match=r"wheels for certain platforms alone: six-1\..*win_amd64"):
        release_of(SIX, asking())
    own.projects["six"] = []
    own.wheel("six", "1.17.0")
    with pytest.raises(TallyError, match="no source distribution"):
        release_of(SIX, asking())


def test_a_busy_index_is_asked_again(own: OwnIndex, asking: Asking) -> None:
    own.wheel("six", "1.17.0")
    own.statuses = [429, 503]
    assert len(asking().files("six")) == 1
    own.statuses = [500] * 9
    with pytest.raises(TallyError, match="not every Python index could be asked for six"):
        asking().files("six")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"files": [1]}', b'{"files": [{"filename": 1}]}'])
def test_an_answer_that_is_none(
    own: OwnIndex, asking: Asking, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.wheel("six", "1.17.0")
    monkeypatch.setattr(own, "page", lambda *_, **__: ("application/json", body))
    with pytest.raises(TallyError, match="six"):
        asking().files("six")


def test_each_project_is_asked_for_once(own: OwnIndex, asking: Asking) -> None:
    own.wheel("six", "1.17.0")
    index = asking()
    assert index.files("six") == index.files("Six")
    assert own.asked == ["/simple/six/"]


@pytest.mark.parametrize("html", [False, True])
def test_an_index_names_no_files_of_this_machine(own: OwnIndex, asking: Asking, html: bool) -> None:
    own.html = html
    own.add("six", "six-1.17.0.tar.gz", b"sdist", url="file:///etc/passwd")
    with pytest.raises(TallyError, match="no Python index has a project called six"):
        asking().files("six")
