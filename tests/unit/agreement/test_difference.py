"""Which files differ: every kind of difference, nothing else, and never through a link."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.agreement.cause import Cause
from orchestrator.agreement.difference import Difference, differences, pair_of
from orchestrator.agreement.trees import Kind, Side
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    return first, second


def found(sides: tuple[Path, Path]) -> list[Difference]:
    return list(differences(Side("a", sides[0]), Side("b", sides[1])))


def write(sides: tuple[Path, Path], name: str, one: bytes, other: bytes) -> None:
    for side, content in zip(sides, (one, other), strict=True):
        (side / name).parent.mkdir(parents=True, exist_ok=True)
        (side / name).write_bytes(content)


def test_equal_folders_do_not_differ(sides: tuple[Path, Path]) -> None:
    write(sides, "bin/hello", b"same", b"same")
    for side in sides:
        (side / "link").symlink_to("nowhere")
        (side / "empty").mkdir()
    (sides[0] / "bin/hello").chmod(0o644)
    (sides[1] / "bin/hello").chmod(0o600)
    os.utime(sides[0] / "bin/hello", (1, 1))
    assert found(sides) == []


def test_content(sides: tuple[Path, Path]) -> None:
    write(sides, "bin/hello", b"abcXef", b"abcYefg")
    (one,) = found(sides)
    assert one == Difference("bin/hello", Kind.CONTENT, ("a", "b"), (6, 7), 3, ("", ""), Cause.UNKNOWN)
    assert one.describe() == "bin/hello: differs from offset 3 on (6 bytes on a, 7 on b)"


def test_two_flat_files(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")
    (one,) = differences(Side("a", tmp_path / "one"), Side("b", tmp_path / "other"))
    assert (one.path, one.kind, one.offset) == (".", Kind.CONTENT, 0)


@pytest.mark.parametrize("size", [1, 255, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, (1 << 19) + 12345])
def test_the_offset_is_exact_across_chunks(sides: tuple[Path, Path], size: int) -> None:
    same = os.urandom(size)
    write(sides, "at", same + b"x" + same, same + b"y" + same)
    write(sides, "longer", same, same + b"more")
    assert {one.path: one.offset for one in found(sides)} == {"at": size, "longer": size}


def test_what_one_side_lacks_is_named_once(sides: tuple[Path, Path]) -> None:
    (sides[0] / "folder/deep").mkdir(parents=True)
    (sides[0] / "folder/deep/file").write_text("x")
    (sides[1] / "file").write_text("12345")
    one, other = found(sides)
    assert (one.path, one.kind, one.sizes, one.describe()) == (
        "file",
        Kind.MISSING,
        (None, 5),
        "file: nothing on a, a file on b",
    )
    assert (other.path, other.describe()) == ("folder", "folder: a folder on a, nothing on b")


def test_type(sides: tuple[Path, Path]) -> None:
    (sides[0] / "x").mkdir()
    (sides[0] / "x/inside").write_text("x")
    (sides[1] / "x").symlink_to(sides[0] / "x")
    (one,) = found(sides)
    assert (one.kind, one.describe()) == (Kind.TYPE, "x: a folder on a, a symbolic link on b")


def test_executable_bit_and_content_are_two_differences(sides: tuple[Path, Path]) -> None:
    write(sides, "run", b"1", b"2")
    (sides[1] / "run").chmod(0o755)
    one, other = found(sides)
    assert (one.kind, one.describe()) == (Kind.EXECUTABLE, "run: not executable on a, executable on b")
    assert other.kind is Kind.CONTENT


def test_links_are_compared_and_never_followed(sides: tuple[Path, Path], tmp_path: Path) -> None:
    for side, text in zip(sides, ("one", "other"), strict=True):
        (tmp_path / text).mkdir()
        (tmp_path / text / "file").write_text(text)
        (side / "loop").symlink_to(".")
        (side / "same").symlink_to("/dev/zero")
        (side / "away").symlink_to(tmp_path / text)
    (one,) = found(sides)
    assert (one.path, one.kind) == ("away", Kind.TARGET)
    assert one.describe().startswith(f"away: points to {tmp_path}/one on a, {tmp_path}/other on b")


def test_paths_are_in_order_and_names_of_any_bytes_are_printable(sides: tuple[Path, Path]) -> None:
    names = [b"b/z", b"b/a", b"a", b"\xff", "ü".encode(), b"b.c", b"new\\nline"]
    for name in names:
        path = sides[0] / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (sides[1] / "b").mkdir()
    paths = [one.path for one in found(sides)]
    assert paths == ["a", "b/a", "b/z", "b.c", "new\\nline", "ü", "\\xff"]
    json.dumps([dict(one.document()) for one in found(sides)]).encode("utf-8")


def test_a_document_says_it_all(sides: tuple[Path, Path]) -> None:
    write(sides, "date", b"built 2026-01-01\n", b"built 2026-01-02\n")
    (one,) = found(sides)
    assert one.document() == {
        "path": "date",
        "kind": "content",
        "between": ["a", "b"],
        "sizes": [17, 17],
        "offset": 15,
        "values": None,
        "cause": "timestamp",
    }
    assert one.describe().endswith("; looks like a timestamp")


def test_a_side_that_is_not_there_is_an_error_and_no_difference(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(TallyError, match="cannot compare"):
        list(differences(Side("a", tmp_path / "none"), Side("b", tmp_path / "neither")))


def test_lines_in_another_order(sides: tuple[Path, Path]) -> None:
    write(sides, "list", b"one\ntwo\nthree\n", b"three\none\ntwo\n")
    write(sides, "words", b"files = one two three;", b"files = two one three;")
    write(sides, "not", b"one\ntwo\ntwo\n", b"one\none\ntwo\n")
    write(sides, "binary", b"one\0\ntwo\n", b"two\n\0one\n")
    causes = {one.path: one.cause for one in found(sides)}
    assert causes == {
        "list": Cause.ORDERING,
        "words": Cause.ORDERING,
        "not": Cause.UNKNOWN,
        "binary": Cause.UNKNOWN,
    }


def test_memory_does_not_grow_with_a_files_size(sides: tuple[Path, Path]) -> None:
    for side, end in zip(sides, (b"x", b"y"), strict=True):
        with (side / "big").open("wb") as stream:
            stream.seek(200 << 20)  # a hole: no disk is used
            stream.write(end)
    tracemalloc.start()
    (one,) = found(sides)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert one.offset == 200 << 20
    assert peak < 16 << 20


Tree = dict[str, "bytes | str | Tree"]
_NAMES = st.text("ab", min_size=1, max_size=2)
_TREES = st.recursive(
    st.binary(max_size=3) | st.sampled_from(["a", "b"]),
    lambda inner: st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)


def plant(path: Path, tree: bytes | str | Tree) -> None:
    match tree:
        case bytes():
            path.write_bytes(tree)
            path.chmod(0o755 if len(tree) % 2 else 0o644)
        case str():
            path.symlink_to(tree)
        case dict():
            path.mkdir()
            for name, below in tree.items():
                plant(path / name, below)


@settings(deadline=None)
@given(one=_TREES, other=_TREES)
def test_there_is_a_difference_exactly_when_the_nar_hashes_differ(
    tmp_path_factory: pytest.TempPathFactory, one: bytes | str | Tree, other: bytes | str | Tree
) -> None:
    folder = tmp_path_factory.mktemp("trees")
    plant(folder / "one", one)
    plant(folder / "other", other)
    there = list(differences(Side("a", folder / "one"), Side("b", folder / "other")))
    assert bool(there) == (nar_hash(folder / "one") != nar_hash(folder / "other"))
    assert len({(each.path, each.kind) for each in there}) == len(there)
    for each in there:
        assert each.describe()


def test_the_pair_that_is_looked_at_differs() -> None:
    same, other = NarHash.of(b"1"), NarHash.of(b"2")
    output = DifferingOutput("x.drv", "out", "x", {"c": other, "a": same, "b": same}, inherited=False)
    assert pair_of(output) == ("a", "c")
    tied = DifferingOutput("x.drv", "out", "x", {"b": same, "a": same}, inherited=False)
    assert pair_of(tied) == ("a", "b")
    itself = DifferingOutput(
        "x.drv", "out", "x", {"a": same, "a (earlier)": other, "b": other}, inherited=False
    )
    assert pair_of(itself) == ("a", "b")
    alone = DifferingOutput(
        "x.drv", "out", "x", {"a": same, "a (earlier)": same, "b": same, "b (earlier)": other}, False
    )
    assert pair_of(alone) == ("a", "b (earlier)")
