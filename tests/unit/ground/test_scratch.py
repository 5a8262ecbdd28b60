"""Folders for what is not kept: nobody else's, where the environment says, and gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.scratch import scratch


def test_it_is_where_the_environment_says_and_gone_with_all_that_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(b"")
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    with scratch() as one, scratch() as other:
        assert one.parent == other.parent == place
        assert one != other
        assert one.stat().st_mode & 0o777 == 0o700
        (one / "a" / "b").mkdir(parents=True)
        (one / "a" / "b" / "file").write_bytes(b"content")
        (one / "a" / "link").symlink_to(kept)
    assert list(place.iterdir()) == []
    assert (kept / "file").exists(), "what a link leads to is somebody else's"


def test_it_is_gone_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), scratch():
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_none_is_left_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TEMP", "")
    monkeypatch.setenv("TMP", str(tmp_path))
    with scratch() as folder:
        assert folder.parent == tmp_path
