"""diffoscope is asked about what is not known here, and whatever it does, an answer comes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from placing import differing, told

from orchestrator.agreement.trees import Side
from orchestrator.places.search import places

ONE, OTHER = b"\0\1\2\3" * 4 + b"\x01", b"\0\1\2\3" * 4 + b"\x02"
SAYS = {
    "diffoscope-json-version": 1,
    "source1": "a/x",
    "source2": "b/x",
    "unified_diff": None,
    "details": [
        {
            "source1": "javap -verbose",
            "source2": "javap -verbose",
            "unified_diff": "@@ -1 +1 @@\n-made 2026-11-29\n+made 2026-11-30\n",
        }
    ],
}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    path = folder / "diffoscope"
    path.touch(0o755)
    return path


def test_what_it_says(tmp_path: Path, program: Path) -> None:
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(SAYS)}\nE\nexit 1\n")
    first, second = differing(tmp_path, "x.class", ONE, OTHER)
    assert told(first) == "diffoscope field javap -verbose: made 2026-11-29 | made 2026-11-30"
    assert (second.offset, second.note) == (16, "")


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("exit 2", "it ended with 2"),
        ("kill -SEGV $$", "it ended with -11"),
        ("echo nonsense; exit 1", "it says nothing that can be read; it may be too old"),
        ("echo '[1]'; exit 1", "it says nothing that can be read; it may be too old"),
        ("sleep 60", "it took longer than"),
        ("head -c 20000000 /dev/zero; exit 1", "it says too much"),
    ],
)
def test_what_it_cannot(
    tmp_path: Path, program: Path, script: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in script:
        monkeypatch.setattr("orchestrator.places.diffoscope._SECONDS", 0.3)
    program.write_text(f"#!/bin/sh\n{script}\n")
    (place,) = differing(tmp_path, "x.class", ONE, OTHER)
    assert place.note.startswith(f"diffoscope could not be asked: {note}")
    assert place.offset == 16


def test_it_is_not_needed_and_not_asked_about_text(tmp_path: Path, program: Path) -> None:
    program.write_text("#!/bin/sh\nexit 2\n")
    (place,) = differing(tmp_path, "x", b"one\n", b"two\n")
    assert place.note == ""
    program.unlink()
    (place,) = differing(tmp_path, "x", ONE, OTHER)
    assert place.note == ""


def test_two_files_that_are_compared_by_themselves(tmp_path: Path, program: Path) -> None:
    # its words are what it was asked about: a file each, called so that a file can be
    program.write_text('#!/bin/sh\nfor last; do :; done\n[ -f "$last" ] || exit 2\necho {}\n')
    for number, name in enumerate(("x", "..x", "x..")):
        (tmp_path / str(number)).mkdir()
        [place] = differing(tmp_path / str(number), name, ONE, OTHER)
        assert place.note == ""
    for side, data in (("one", ONE), ("other", OTHER)):
        (tmp_path / side).write_bytes(data)
    [place] = places(Side("A", tmp_path / "one"), Side("B", tmp_path / "other"))
    assert place.note == ""
