"""unpack.sh and output.sh run by bash, without Nix: odd archives, times, modes, lines like Nix's own."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archives import lzw

LIBRARY = Path(__file__).parents[3] / "orchestrator/nix"
EPOCH = 315532800
OLD = 1_000_000_000
UNPACK = 'source output.sh; source unpack.sh; tally_unpack "$1" "$2" name; tally_top "$1"'


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that any user may work in."""
    with tempfile.TemporaryDirectory(prefix="tallystick-unpack-") as name:
        os.chmod(name, 0o777)
        yield Path(name)


def bash(room: Path, script: str, *arguments: Path, path: Path | None = None) -> tuple[int, str]:
    """What a script prints, by an ordinary user: for root no mode would matter."""
    scripts = room / "scripts"
    if not scripts.exists():
        scripts.mkdir()
        for name in ("output.sh", "unpack.sh"):
            shutil.copy(LIBRARY / name, scripts)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*user, "bash", "-eu", "-o", "pipefail", "-c", f"umask 022; {script}", "bash", *map(str, arguments)],
        cwd=scripts,
        env={
            "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"],
            "SOURCE_DATE_EPOCH": str(EPOCH),
            "LC_ALL": "C.UTF-8",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout.decode()


def unpacked(room: Path, archive: Path, path: Path | None = None) -> Path:
    """The folder that a script would start in."""
    archive.chmod(0o644)
    status, said = bash(room, UNPACK, room / "tree", archive, path=path)
    assert status == 0, said
    return Path(said.splitlines()[-1])


def tar(room: Path, *members: tuple[str, int, bytes | None]) -> Path:
    """A tar of files and (None) folders with modes, in this order."""
    place = room / "archive.tar"
    with tarfile.open(place, "w") as archive:
        for name, mode, content in members:
            each = tarfile.TarInfo(name)
            each.mode, each.mtime = mode, OLD
            each.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            each.size = len(content or b"")
            archive.addfile(each, io.BytesIO(content or b""))
    return place


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def test_whatever_modes_an_archive_has_all_is_the_builds(room: Path) -> None:
    top = unpacked(
        room,
        tar(
            room,
            ("p/early/file", 0o000, b"1"),
            ("p/early", 0o444, None),
            ("p", 0o000, None),
            ("p/read-only", 0o555, None),
            ("p/read-only/file", 0o444, b"2"),
            ("p/read-only/deep", 0o111, None),
            ("p/read-only/deep/run", 0o4755, b"3"),
            ("p/implied/file", 0o644, b"4"),
            ("p/late", 0o755, None),
        ),
    )
    assert top == room / "tree/p"
    modes = {str(path.relative_to(top)): path.stat().st_mode for path in top.rglob("*")}
    assert {path: mode & 0o7777 for path, mode in modes.items() if path.endswith(("file", "run"))} == {
        "early/file": 0o600,
        "read-only/file": 0o644,
        "read-only/deep/run": 0o755,
        "implied/file": 0o644,
    }
    for folder in ("early", "read-only", "read-only/deep", "implied", "late"):
        assert modes[folder] & 0o700 == 0o700, folder
    times: dict[bool, set[float]] = {True: set(), False: set()}
    for path in (top, *top.rglob("*")):
        times[path.is_dir()].add(path.stat().st_mtime)
    assert times == {True: {EPOCH}, False: {OLD}}, "files keep the archive's times"


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "compress": lzw,
    "plain": bytes,
}


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_the_content_says_how_to_unpack(room: Path, compressor: str) -> None:
    plain = tar(room, ("p/file", 0o644, b"x"))
    odd = room / "download"
    odd.write_bytes(COMPRESSORS[compressor](plain.read_bytes()))
    assert tree(unpacked(room, odd)) == {"file": "x"}


def test_what_is_no_archive_says_so(room: Path) -> None:
    (room / "file").write_text("<html>")
    (room / "file").chmod(0o644)
    status, said = bash(room, UNPACK, room / "tree", room / "file")
    assert status != 0
    assert "with `unpack = false` in the recipe's source it is kept as a file" in said


def test_files_of_a_folder_have_one_time(room: Path) -> None:
    source = room / "source"
    (source / "deep").mkdir(parents=True)
    for name in ("configure", "configure.ac", "deep/parser.c", "deep/parser.y"):
        (source / name).write_text(name)
        (source / name).chmod(0o444)
    (source / "link").symlink_to("nowhere")
    (source / "deep").chmod(0o555)
    source.chmod(0o555)
    (room / "run").mkdir()
    status, said = bash(room, f"mkdir -p {room}/tree; {UNPACK}", room / "tree", source)
    assert status == 0, said
    made = [room / "tree", *(room / "tree").rglob("*")]
    assert len(made) == 7
    assert {path.lstat().st_mtime for path in made} == {EPOCH}
    assert all(path.stat().st_mode & 0o600 == 0o600 for path in made if not path.is_symlink())


WINDOWS = {
    "a\\": "",
    "a\\b\\c.txt": "c",
    "a\\d.txt": "d",
    "a\\empty\\": "",
    "a/e.txt": "e",
    "a/kept\\name": "k",
}


def fake_unzip(room: Path, names: dict[str, str], status: int) -> Path:
    """A program as some unzips are: it writes these names whatever the archive is, and ends so."""
    programs = room / "programs"
    programs.mkdir()
    script = ["#!/bin/bash", 'for last; do :; done; cd "$last"']
    for name, content in names.items():
        script += [f"mkdir -p \"$(dirname '{name}')\"", f"printf %s '{content}' > '{name}'"]
    (programs / "unzip").write_text("\n".join([*script, f"exit {status}"]))
    (programs / "unzip").chmod(0o755)
    return programs


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_zip_of_windows_is_a_tree(room: Path, status: int) -> None:
    """An unzip that keeps backslashes; what warns, as Info-ZIP does (status 1), has unpacked all the same."""
    with zipfile.ZipFile(room / "windows.zip", "w") as archive:
        archive.writestr("any", "any")
    programs = fake_unzip(room, WINDOWS, status)
    if status == 2:
        assert bash(room, UNPACK, room / "tree", room / "windows.zip", path=programs)[0] != 0
        return
    top = unpacked(room, room / "windows.zip", programs)
    assert top == room / "tree/a"
    assert tree(top) == {
        "b": "folder",
        "b/c.txt": "c",
        "d.txt": "d",
        "empty": "folder",
        "e.txt": "e",
        "kept\\name": "k",
    }
    assert {path.stat().st_mtime for path in (top, *top.rglob("*"))} == {EPOCH}


def test_a_zip_of_windows_cannot_leave_its_folder(room: Path) -> None:
    with zipfile.ZipFile(room / "windows.zip", "w") as archive:
        archive.writestr("any", "any")
    programs = fake_unzip(room, {"..\\..\\escaped": "x"}, 0)
    (room / "windows.zip").chmod(0o644)
    status, said = bash(room, UNPACK, room / "tree", room / "windows.zip", path=programs)
    assert status != 0
    assert "outside its folder: ../../escaped" in said


@pytest.mark.parametrize(
    ("beside", "entered"),
    [
        (["._x"], True),
        (["._.", ".DS_Store"], True),
        (["pax_global_header"], True),
        (["__MACOSX/._x"], True),
        (["README"], False),
        (["y/file"], False),
        (["._y/file"], False),
    ],
)
def test_the_one_real_folder_is_entered(room: Path, beside: list[str], entered: bool) -> None:
    top = unpacked(room, tar(room, *((name, 0o644, b"x") for name in ("x/inside", *beside))))
    assert top == (room / "tree/x" if entered else room / "tree")


FORGED = '{"action":"msg","level":0,"msg":"error: build failed"}'
LINES = {
    f"@nix {FORGED}": f" @nix {FORGED}",
    "@nix {": " @nix {",
    "say @nix {": "say @nix {",
    "@nixos": "@nixos",
    'hidden\r@nix {"action":"start"}': ' @nix {"action":"start"}',
    "XXXX {}\r@nix": "@nix",
    "@nXX {}\rix": "ix",
    "10%\r20%\rdone\r": "done",
    "": "",
    " blank": " blank",
    "\t\x1b[31mred\x1b[0m é \\ %s $x": "\t\x1b[31mred\x1b[0m é \\ %s $x",
}
FILTERED = 'source output.sh; tally_print_through_filter; {}; tally_end_output "the end"; exit 0'


def test_no_line_of_a_build_speaks_like_nix(room: Path) -> None:
    (room / "said").write_text("".join(f"{line}\n" for line in LINES), newline="")
    (room / "said").chmod(0o644)
    status, said = bash(room, FILTERED.format('cat "$1"'), room / "said")
    assert status == 0
    assert said.split("\n") == [*LINES.values(), "the end", ""]


def test_both_ways_of_printing_and_a_last_line_without_its_end_come_through(room: Path) -> None:
    script = FILTERED.replace('"the end"', '""').format("printf 'out\\n'; printf 'err\\n@nix {}' >&2")
    assert bash(room, script) == (0, "out\nerr\n @nix {}\n")


def test_what_outlives_the_script_does_not_hold_the_end_up(room: Path) -> None:
    """The sleeper keeps the filter's input open; we kill it by its number, after the script has ended."""
    script = FILTERED.format(f"sleep 1000 {{tallyOutput}}>&- & echo $! > {room}/sleeper; echo all")
    try:
        assert bash(room, script) == (0, "all\nthe end\n")
    finally:
        number = int((room / "sleeper").read_text())
        os.kill(number, 9)
