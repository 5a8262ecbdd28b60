"""`tally compare` as its user has it: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli.compare import compare
from orchestrator.ground.errors import ExitCode, TallyError


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("TALLY_STATE", str(tmp_path / "state"))
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "same").write_text("same")
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_the_same(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*sides) == ExitCode.YES
    assert capsys.readouterr() == ("", "they are the same\n")


def test_a_difference(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for side, said in zip(sides, ("2026-11-29", "2026-11-30"), strict=True):
        Path(side, "note").write_text(f"made {said}\n\x1b[31m\n")
    assert compare(*sides) == ExitCode.NO
    assert capsys.readouterr() == (
        "note\n  line 1, offset 13: `made 2026-11-29` in A, `made 2026-11-30` in B; looks like a timestamp\n",
        "1 file differs, in 1 place\n",
    )


def test_as_json(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(sides[0], "only\x1b\n").write_text("x")
    assert compare(*sides, json=True) == ExitCode.NO
    document = json.loads(capsys.readouterr().out)
    (place,) = document.pop("places")
    assert document == {"result": "different", "between": list(sides), "complete": True}
    assert (place["file"], place["aspect"], place["values"]) == (
        "only\\x1b\\n",
        "missing",
        ["a file", "nothing"],
    )


def test_no_time(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*sides, max_time=0, json=True) == ExitCode.UNDECIDED
    document = json.loads(capsys.readouterr().out)
    assert (document["result"], document["complete"], document["places"]) == ("undecided", False, [])


@pytest.mark.parametrize("word", ["no/such", "/nix/store/x", "/nix/store/" + "a" * 32 + "-x/../../y"])
def test_what_is_no_side(sides: tuple[str, str], word: str) -> None:
    with pytest.raises(TallyError) as caught:
        compare(sides[0], word)
    assert caught.value.exit_code == ExitCode.UNDECIDED


def test_links_to_the_sides_are_followed_and_links_within_are_not(
    sides: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(sides[0])
    assert compare(str(tmp_path / "link"), sides[1]) == ExitCode.YES
    Path(sides[0], "same").unlink()
    Path(sides[0], "same").symlink_to(f"{sides[1]}/same")
    assert compare(*sides) == ExitCode.NO


def test_too_many_stores(sides: tuple[str, str]) -> None:
    with pytest.raises(TallyError, match="too often"):
        compare(*sides, store=["1", "2", "3"])
