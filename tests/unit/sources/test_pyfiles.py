"""Which files requirements.txt means by its digests: asked of indexes of our own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from python_locks import asked
from wheels import OwnIndex

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.python import requirements
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.values import replace
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources import pyindex, registries
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pyfiles import names_of, refuse_other_indexes
from orchestrator.sources.pyindex import Index

NATIVE = "cp311-cp311-manylinux_2_17_x86_64"


@pytest.fixture
def indexes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OwnIndex, OwnIndex]]:
    monkeypatch.setattr(pyindex, "pip_find_links", lambda: ())
    monkeypatch.setattr(Mirrors, "_built_in", lambda self, name: ())
    with OwnIndex().served() as one, OwnIndex().served() as other:
        yield one, other


def pin(index: OwnIndex, *names: str) -> str:
    """The hashes of files that an index has."""
    return "".join(f" --hash=sha256:{hashlib.sha256(index.data[name]).hexdigest()}" for name in names)


def chosen(
    text: str,
    indexes: tuple[OwnIndex, OwnIndex],
    known: Mapping[str, str] | None = None,
    *,
    changed: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """The files by their digests, and what was said."""
    told: list[str] = []
    by = asked()
    said = requirements.lines(text.encode(), "r.txt", "r.txt", by, lambda _: None)
    downloader = Downloader()
    index = Index(Mirrors({"pypi": [each.address for each in indexes]}), downloader)
    named = replace(by, names=dict(known or {}))
    found = names_of(said, "r.txt", named, index, threading.Event(), told.append, changed=changed)
    return dict(found), [each for each in told if not each.startswith("asking ")]


def test_the_best_of_the_pinned_files_is_taken(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    one, other = indexes
    one.wheel("thing", "1.0", "x")
    one.wheel("thing", "1.0", "y", tag=NATIVE)
    one.wheel("thing", "1.0", "z", tag="cp311-cp311-win_amd64")
    other.wheel("more-things", "2.0")
    pure, native, windows = one.data
    text = f"thing==1.0{pin(one, pure, native, windows)}\nmore_things==2{pin(other, *other.data)}\n"
    found, told = chosen(text, indexes)
    assert sorted(found.values()) == ["more_things-2.0-py3-none-any.whl", native]
    assert told == []
    assert list(chosen(f"thing==1.0{pin(one, pure, windows)}\n", indexes)[0].values()) == [pure]
    text = f"--no-binary thing\nthing==1.0{pin(one, pure)}\n"
    assert list(chosen(text, indexes)[0].values()) == [pure]


def test_what_is_known_is_not_asked_for_again(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    digest = "1" * 64
    known = {digest: "thing-1.0-py3-none-any.whl", "2" * 64: "gone-1.0-py3-none-any.whl"}
    found, _ = chosen(f"thing==1.0 --hash=sha256:{digest}\n", indexes, known)
    assert found == {digest: "thing-1.0-py3-none-any.whl"}
    assert indexes[0].asked == []


def test_what_is_known_and_fits_no_more_is_asked_for(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    one, _ = indexes
    one.wheel("thing", "1.0")
    one.wheel("thing", "1.0", "z", tag="cp310-cp310-manylinux_2_17_x86_64")
    old = hashlib.sha256(one.data["thing-1.0-cp310-cp310-manylinux_2_17_x86_64.whl"]).hexdigest()
    known = {old: "thing-1.0-cp310-cp310-manylinux_2_17_x86_64.whl"}
    assert list(chosen(f"thing==1.0{pin(one, *one.data)}\n", indexes, known)[0].values()) == [
        "thing-1.0-py3-none-any.whl"
    ]


def test_a_wheel_whose_digest_came_later_is_taken_for_the_sdist(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    """As where the wheel's digest was mistyped at first, so that the sdist was taken."""
    one, _ = indexes
    one.add("thing", "thing-1.0.tar.gz", b"an sdist")
    one.wheel("thing", "1.0")
    sdist, wheel = "thing-1.0.tar.gz", "thing-1.0-py3-none-any.whl"
    known = {hashlib.sha256(one.data[sdist]).hexdigest(): sdist}
    text = f"thing==1.0{pin(one, sdist, wheel)}\n"
    assert list(chosen(text, indexes, known)[0].values()) == [sdist]
    assert one.asked == []
    assert list(chosen(text, indexes, known, changed=True)[0].values()) == [wheel]
    alone = f"thing==1.0{pin(one, sdist)}\n"
    assert list(chosen(alone, indexes, known, changed=True)[0].values()) == [sdist]


def test_an_sdist_is_kept_where_no_index_can_be_asked(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    known = {"1" * 64: "gone-1.0.tar.gz"}
    text = f"gone==1.0 --hash=sha256:{'1' * 64} --hash=sha256:{'2' * 64}\n"
    assert list(chosen(text, indexes, known, changed=True)[0].values()) == ["gone-1.0.tar.gz"]


def test_what_was_yanked_is_told_and_taken(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    one, _ = indexes
    one.wheel("thing", "1.0", yanked="it was broken")
    found, told = chosen(f"\nthing==1.0{pin(one, *one.data)}\n", indexes)
    assert list(found.values()) == list(one.data)
    assert told == ["r.txt, line 2: thing 1.0 was yanked: it was broken"]


def test_an_index_without_digests_has_its_files_read(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    one, _ = indexes
    one.wheel("thing", "1.0", hashes={})
    assert list(chosen(f"thing==1.0{pin(one, *one.data)}\n", indexes)[0].values()) == list(one.data)


def test_two_indexes_with_one_name_and_different_bytes_are_refused(
    indexes: tuple[OwnIndex, OwnIndex],
) -> None:
    one, other = indexes
    one.wheel("thing", "1.0")
    other.wheel("thing", "1.0", "another")
    with pytest.raises(BadLock, match=r"^r\.txt, line 1: two indexes have different files called thing-1\.0"):
        chosen(f"thing==1.0{pin(one, *one.data)}\n", indexes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "thing==1.0 --hash=sha256:" + "1" * 64,
            r"line 1: no index has a file of thing 1\.0 with one of its digests",
        ),
        ("nobody==1.0 --hash=sha256:" + "1" * 64, "line 1: no Python index has a project called nobody"),
    ],
)
def test_a_digest_that_nobody_serves_is_refused(
    text: str, message: str, indexes: tuple[OwnIndex, OwnIndex]
) -> None:
    indexes[0].wheel("thing", "1.0")
    with pytest.raises(BadLock, match=f"^r.txt, {message}"):
        chosen(text, indexes)


def test_files_for_other_pythons_and_platforms_are_refused(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    one, _ = indexes
    one.wheel("new", "1.0", **{"requires-python": ">=3.12"})
    one.wheel("windows", "1.0", tag="cp311-cp311-win_amd64")
    new, windows = one.data
    with pytest.raises(
        BadLock, match=r"line 1: new 1\.0 requires Python >=3\.12, and the toolchain has 3\.11\.2"
    ):
        chosen(f"new==1.0{pin(one, new)}\n", indexes)
    with pytest.raises(BadLock, match=r"line 1: no file of windows 1\.0 is for Python 3\.11\.2 on x86_64"):
        chosen(f"windows==1.0{pin(one, windows)}\n", indexes)


@pytest.mark.parametrize("html", [False, True])
def test_an_index_with_a_password_is_asked_as_pip_asks_it(
    html: bool, indexes: tuple[OwnIndex, OwnIndex], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = indexes
    one.wheel("thing", "1.0")
    one.wants, one.html = "me:hunter 2", html
    text = f"thing==1.0{pin(one, *one.data)}\n"
    monkeypatch.setattr(registries, "pip_find_links", lambda: ())
    with pytest.raises(BadLock, match="HTTP status 401"):
        chosen(text, indexes)
    bare, one.address = one.address, one.address.replace("://", "://me:hunter%202@")
    assert list(chosen(text, indexes)[0].values()) == list(one.data)
    (file, data), *_ = one.data.items()
    sources = Sources(tmp_path, Mirrors({"pypi": [one.address, other.address]}))
    wanted = Wanted(file, Sha256.of(data), (f"mirror://pypi/thing/{file}",))
    assert sources.fetch(wanted).read_bytes() == data
    assert [each.place for each in sources.located] == [bare.replace("simple/", f"files/{file}")]


def test_an_index_that_pip_does_not_ask_is_refused(indexes: tuple[OwnIndex, OwnIndex]) -> None:
    one, _ = indexes
    mirrors = Mirrors({"pypi": [one.address.replace("://", "://me:secret@")]})
    line = "thing==1.0 --hash=sha256:" + "1" * 64
    for address in (one.address, one.address.rstrip("/")):
        text = f"--index-url {address}\n{line}\n"
        refuse_other_indexes(
            requirements.lines(text.encode(), "r.txt", "r.txt", asked(), lambda _: None), "r.txt", mirrors
        )
    text = f"--extra-index-url https://elsewhere.test/simple\n{line}\n"
    said = requirements.lines(text.encode(), "r.txt", "r.txt", asked(), lambda _: None)
    with pytest.raises(
        BadLock, match=r"it names the index https://elsewhere\.test/simple, which pip does not ask"
    ):
        refuse_other_indexes(said, "r.txt", mirrors)
