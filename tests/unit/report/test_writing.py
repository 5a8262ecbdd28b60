"""A folder is written whole, file by file; only what changed, and never another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.report.writing import MARK, ready, write


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    out, source = tmp_path / "site", tmp_path / "log"
    source.write_bytes(b"log")
    ready(out)
    first = write(out, [("index.html", b"1"), ("p/a.html", b"a"), ("files/a/log", source)])
    assert (first.new, first.same, first.removed) == (3, 0, 0)
    before = (out / "p/a.html").stat()
    second = write(out, [("index.html", b"2"), ("p/a.html", b"a"), ("files/a/log", source)])
    assert (second.new, second.same, second.removed) == (1, 2, 0)
    assert (out / "p/a.html").stat().st_ino == before.st_ino
    assert (out / "index.html").read_bytes() == b"2"


def test_what_is_no_longer_in_it_goes_and_what_others_put_there_stays(tmp_path: Path) -> None:
    ready(tmp_path)
    write(
        tmp_path,
        [("packages-1.html", b""), ("packages-2.html", b""), ("p/a.html", b""), ("badge/a.svg", b"")],
    )
    (tmp_path / "CNAME").write_text("builds.example.org")
    (tmp_path / "notes-2026.html").write_text("mine")
    third = write(tmp_path, [("packages-1.html", b"")])
    assert third.removed == 3
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"packages-1.html", "CNAME", "notes-2026.html", MARK}


def test_anothers_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(TallyError, match="has files that are not of a report"):
        ready(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    ready(out)
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    (out / "p").symlink_to(elsewhere)
    with pytest.raises(TallyError, match="is no folder"):
        ready(out)
    assert (elsewhere / "mine").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    ready(out)
    (out / "files").mkdir()
    elsewhere.mkdir()
    (elsewhere / "log").write_text("mine")
    (out / "files" / "a").symlink_to(elsewhere)
    with pytest.raises(TallyError, match="is a link"):
        write(out, [("files/a/log", b"theirs")])
    assert (elsewhere / "log").read_text() == "mine"


def test_what_a_killed_run_left_is_found(tmp_path: Path) -> None:
    ready(tmp_path)

    def killed() -> list[tuple[str, bytes]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, (pair for some in ([("p/old.html", b"1")], killed()) for pair in some))
    write(tmp_path, [("p/new.html", b"2")])
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["new.html"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("")
    with pytest.raises(TallyError, match="cannot write"):
        ready(tmp_path / "site")
