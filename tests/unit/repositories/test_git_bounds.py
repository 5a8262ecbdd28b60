"""Trees that never end, or that no file system can hold: an error that says which, and nothing is written."""

from __future__ import annotations

import subprocess
import zlib
from dataclasses import replace
from hashlib import sha1
from pathlib import Path

import pytest
from repositories import path_recipe, run_git

from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.recipe.wanted import Extras
from orchestrator.repositories.bounds import Bounds, Budget
from orchestrator.repositories.gitobjects import Objects
from orchestrator.repositories.gitremote import export_remote
from orchestrator.repositories.gittree import export_tree
from orchestrator.sources.pathsource import path_pins

SMALL = Bounds(entries=100, total=1000, file=500, depth=10, levels=2, submodules=5)
DEEP = 1100
"""Folders in folders: more than any bound, and more than Python has calls in calls."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    folder.mkdir()
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def stored(repository: Path, kind: str, data: bytes) -> str:
    """An object with any content, written without git, which would refuse some."""
    whole = b"%s %d\0" % (kind.encode(), len(data)) + data
    name = sha1(whole, usedforsecurity=False).hexdigest()
    place = repository / ".git/objects" / name[:2] / name[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(zlib.compress(whole))
    return name


def tree(repository: Path, *entries: tuple[str, bytes, str]) -> str:
    data = b"".join(b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(id_)) for mode, name, id_ in entries)
    return stored(repository, "tree", data)


def committed(repository: Path, top: str) -> str:
    made = stored(
        repository, "commit", f"tree {top}\nauthor T <t> 1 +0000\ncommitter T <t> 1 +0000\n\nx\n".encode()
    )
    (repository / ".git/refs/heads/main").write_text(f"{made}\n")
    return made


def in_folders(repository: Path, depth: int, name: bytes = b"d") -> str:
    """A file in so many folders."""
    made = tree(repository, ("100644", b"f", stored(repository, "blob", b"x")))
    for _ in range(depth):
        made = tree(repository, ("40000", name, made))
    return made


def bomb(repository: Path, levels: int = 8) -> str:
    """Ten folders of ten folders of …: 10 ** levels files in as many objects as there are levels."""
    made = in_folders(repository, 0)
    for _ in range(levels):
        made = tree(repository, *(("40000", b"d%d" % number, made) for number in range(10)))
    return made


def files(repository: Path, *sizes: int) -> str:
    return tree(
        repository,
        *(
            ("100644", b"f%d" % number, stored(repository, "blob", b"x" * size))
            for number, size in enumerate(sizes)
        ),
    )


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (bomb, "the source S has more than 100 files and folders"),
        (lambda r: in_folders(r, 11), "the source S has folders in folders, more than 10 deep"),
        (lambda r: in_folders(r, DEEP), "the source S has folders in folders, more than 10 deep"),
        (lambda r: files(r, 501), "the source S has a file of 501 bytes, 'f0': more than 500"),
        (lambda r: files(r, *[400] * 3), "the source S has more than 1,000 bytes in its files"),
    ],
)
def test_each_bound_ends_a_source(repository: Path, out: Path, made: object, says: str) -> None:
    assert callable(made)
    commit = committed(repository, made(repository))
    with pytest.raises(TallyError, match=says):
        export_tree(repository, commit, "", out, Budget("the source S", SMALL))


def test_what_is_within_every_bound_passes(repository: Path, out: Path) -> None:
    top = tree(
        repository,
        ("40000", b"d", in_folders(repository, 8)),
        *(("100644", b"f%d" % number, stored(repository, "blob", b"x" * 499)) for number in range(2)),
    )
    export_tree(repository, committed(repository, top), "", out, Budget("S", replace(SMALL, total=999)))
    assert (out / "d" / "/".join("d" * 8) / "f").read_bytes() == b"x"
    nar_hash(out)


def test_the_deepest_tree_is_still_a_source(repository: Path, out: Path) -> None:
    committed(repository, tree(repository, ("40000", b"lib", in_folders(repository, Bounds().depth - 1))))
    run_git(repository, "reset", "--quiet", "--hard")
    assert not path_pins(repository, {"own": path_recipe()}, allow_dirty=False)["own", "src"].dirty


def test_a_path_source_is_bounded_too(repository: Path) -> None:
    for top in (bomb(repository), in_folders(repository, DEEP)):
        committed(repository, tree(repository, ("40000", b"lib", top)))
        with pytest.raises(TallyError, match=r"the path source lib: it has (more than|folders in folders)"):
            path_pins(repository, {"own": path_recipe()}, allow_dirty=True)


@pytest.mark.parametrize("levels", [2, 3])
def test_submodules_are_counted_over_the_whole_source(
    repository: Path, out: Path, levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two submodules in two submodules, of the same repository, are six."""
    blob = stored(repository, "blob", b"x")
    made = committed(repository, tree(repository, ("100644", b"f", blob)))
    named = "".join(f'[submodule "{n}"]\n\tpath = s{n}\n\turl = ../r\n' for n in range(2))
    modules = stored(repository, "blob", named.encode())
    for level in range(levels):
        (repository / f".git/refs/heads/level{level}").write_text(f"{made}\n")
        links = (("160000", b"s%d" % number, made) for number in range(2))
        made = committed(repository, tree(repository, ("100644", b".gitmodules", modules), *links))
    bounds = replace(SMALL, entries=1000)
    for kept, says in (
        (bounds, "S has more than 5 submodules" if levels == 2 else "more than 2 deep"),
        (replace(bounds, levels=9), "S has more than 5 submodules"),
        (replace(bounds, seconds=-1), "S has submodules that take more than"),
    ):
        target = out / str(hash(kept))
        target.mkdir()
        with pytest.raises(TallyError, match=says):
            export_remote(str(repository), made, target, Extras(submodules=True), budget=Budget("S", kept))


@pytest.mark.parametrize("cut", range(1, 29))
def test_a_tree_that_ends_in_the_middle_is_damaged(repository: Path, cut: int) -> None:
    """A tree without its last NUL was read for ever."""
    blob = bytes.fromhex(stored(repository, "blob", b"x"))
    whole = b"100644 a\0" + blob + b"100644 bbbb\0" + blob
    with Objects(repository) as objects, pytest.raises(TallyError, match="is damaged"):
        list(objects.walk(stored(repository, "tree", whole[:-cut])))


@pytest.mark.parametrize(
    ("mode", "name", "content", "says"),
    [
        ("120000", b"l", b"", "the symbolic link 'l' leads nowhere: its target is empty"),
        ("120000", b"l", b"a\0b", "the target of the symbolic link 'l' has a NUL in it"),
        (
            "120000",
            b"l",
            b"a" * 4096,
            "the target of the symbolic link 'l' has 4,096 bytes: Linux takes 4,095",
        ),
        ("100644", b"n" * 256, b"x", "a name of 256 bytes, '.*': a file system takes 255"),
        ("40000", b"n" * 256, None, "a name of 256 bytes, '.*': a file system takes 255"),
    ],
)
def test_what_no_file_system_takes_is_told_as_it_is(
    repository: Path, out: Path, mode: str, name: bytes, content: bytes | None, says: str
) -> None:
    below = in_folders(repository, 0) if content is None else stored(repository, "blob", content)
    with pytest.raises(TallyError, match=says):
        export_tree(repository, committed(repository, tree(repository, (mode, name, below))), "", out)
    assert not list(out.iterdir())


def test_a_path_longer_than_linux_takes(repository: Path, out: Path) -> None:
    commit = committed(repository, in_folders(repository, 41, b"n" * 100))
    with pytest.raises(TallyError, match=r"the tree has a path of 4,1.. bytes"):
        export_tree(repository, commit, "", out)
    within = committed(repository, in_folders(repository, 40, b"n" * 101))
    with pytest.raises(TallyError, match="together with the folder it is written to"):
        export_tree(repository, within, "", out)
    assert not list(out.iterdir())


def test_git_itself_reads_what_the_tests_write(repository: Path) -> None:
    committed(repository, bomb(repository, 2))
    said = subprocess.run(
        ["git", "-C", str(repository), "ls-tree", "-r", "HEAD"], capture_output=True, check=True
    )
    assert len(said.stdout.splitlines()) == 100
