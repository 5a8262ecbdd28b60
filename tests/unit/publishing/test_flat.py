"""Flat names: no two files share one; the index, the sums and the feed over them."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.evidence.canonical import MalformedError, render_document
from orchestrator.ground.digest import Sha256
from orchestrator.publishing import flat
from orchestrator.publishing.feed import feed
from orchestrator.publishing.flat import Entry, FlatIndex, Listed
from orchestrator.publishing.formats import NewerError

ID = "urn:uuid:7a2f0a8c-7c1f-4f0b-9d69-0f3d5a3f7a11"
SPECIAL = st.text(alphabet="ab_-/.5f", max_size=12)


def entry(name: str = "app-1-x86_64-linux", published: str = "2026-11-29T10:00:00Z") -> Entry:
    return Entry(
        name=name,
        version="1",
        system="x86_64-linux",
        published=published,
        artifact=Listed(f"{name}.tar.gz", Sha256.of(b"artifact"), 8),
        release=Listed(flat.flat(f"{name}/release.json"), Sha256.of(name.encode()), 5),
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a-1-x86_64-linux/release.json", "a-1-x86_64-linux__release.json"),
        ("a/builds/b/log.zst", "a__builds__b__log.zst"),
        ("a/_b", "a___b"),
        ("a_/b", "a_-5f-__b"),
        ("a__b", "a_-5f-_b"),
        ("a b+é", "a_-20-b_-2b-_-e9-"),
    ],
)
def test_names(path: str, expected: str) -> None:
    assert flat.flat(path) == expected


@given(SPECIAL | st.text(max_size=12), SPECIAL | st.text(max_size=12))
@example("a_/b", "a/_b")
@example("a_-5f-", "a_")
def test_no_two_paths_share_a_name(one: str, other: str) -> None:
    names = flat.flat(one), flat.flat(other)
    assert (names[0] == names[1]) == (one == other)
    assert re.fullmatch(r"[A-Za-z0-9._-]*", names[0])


@given(SPECIAL)
def test_a_name_says_which_path_it_is(path: str) -> None:
    tokens = re.findall(r"__|_-([0-9a-f]+)-|(.)", flat.flat(path))
    assert "".join(chr(int(code, 16)) if code else plain or "/" for code, plain in tokens) == path


def test_a_name_that_is_too_long() -> None:
    with pytest.raises(MalformedError, match="longer than 255"):
        flat.flat("a" * 256)


def test_index_both_ways() -> None:
    index = FlatIndex(ID, (entry(),)).with_entry(entry("app-2-x86_64-linux"))
    assert flat.parse(index.render()) == index
    assert index.using("app-1-x86_64-linux.tar.gz") == entry()
    assert index.using("app-1-x86_64-linux__links__a") == entry()
    assert index.using("app-1-x86_64-linux2__links__a") is None


def told(**changes: Any) -> bytes:
    document = json.loads(FlatIndex(ID, (entry(),)).render())
    document["releases"][0] |= changes
    return render_document(document)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        told(name="a/b"),
        told(name=".."),
        told(name=1),
        told(published="yesterday"),
        told(artifact={"file": "../x", "sha256": "a" * 64, "size": 1}),
        told(artifact={"file": "index.json", "sha256": "a" * 64, "size": 1}),
        told(artifact={"file": "x", "sha256": "a", "size": 1}),
        told(artifact={"file": "x", "sha256": "a" * 64, "size": True}),
        told(more=1),
        render_document({"indexFormat": 0, "id": ID, "releases": []}),
        render_document({"indexFormat": 1, "id": "me", "releases": []}),
        render_document({"indexFormat": 1, "id": ID, "releases": [entry().document] * 2}),
    ],
)
def test_no_index(data: bytes) -> None:
    with pytest.raises(MalformedError):
        flat.parse(data)


def test_sums_grow_and_stay_sorted() -> None:
    first = flat.sums(b"not a line\n", [Listed("b", Sha256.of(b"1"), 1)])
    both = flat.sums(first, [Listed("a", Sha256.of(b"2"), 1), Listed("b", Sha256.of(b"3"), 1)])
    assert both.decode() == f"{Sha256.of(b'2').hex}  a\n{Sha256.of(b'3').hex}  b\n"


def test_feed_has_the_newest_first_and_no_markup_of_others() -> None:
    entries = (entry("old"), entry("<new>&", "2026-11-29T11:00:00Z"))
    root = ElementTree.fromstring(feed(FlatIndex(ID, entries)))
    atom = "{http://www.w3.org/2005/Atom}"
    assert [each.findtext(f"{atom}title") for each in root.iter(f"{atom}entry")] == ["<new>&", "old"]
    assert root.findtext(f"{atom}updated") == "2026-11-29T11:00:00Z"
    for each in (root, *root.iter(f"{atom}entry")):
        assert {f"{atom}id", f"{atom}title", f"{atom}updated"} <= {child.tag for child in each}
    assert ElementTree.fromstring(feed(FlatIndex(ID))).findtext(f"{atom}updated")


def test_an_index_of_a_newer_format_is_told_as_that() -> None:
    with pytest.raises(NewerError, match="a newer Tallystick wrote"):
        flat.parse(render_document({"indexFormat": 2, "id": ID, "releases": []}))
