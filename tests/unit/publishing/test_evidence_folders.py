"""`--evidence FOLDER`: nothing that could be a signed no is passed over without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import disagreements
import pytest
import releases

from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.publishing import contents
from orchestrator.publishing.contents import read_further

if TYPE_CHECKING:
    from tests.conftest import Tally


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "evidence"
    path.mkdir()
    return path


def test_the_state_folders_disagreements_refuse_a_release(tally: Tally, tmp_path: Path, folder: Path) -> None:
    """`tally build --attest-disagreement` puts each into a folder of its own, beside what builders made."""
    made, key = releases.observed(tmp_path / "in"), SigningKey.generate()
    keys = releases.builder_keys(made)
    release = releases.published(tmp_path / "out", made, key, keys).path
    _, pub = key.write(tmp_path / "release")
    one = folder / "pigz-20261124T000000Z"
    (one / "a" / "pigz").mkdir(parents=True)
    (one / "a" / "pigz" / "libz.so").symlink_to("/nix/store/gone")  # of what was built, and no evidence
    arguments = ("verify", release, "--key", pub, "--evidence", folder)
    tally(*arguments).succeeded()
    signed = disagreements.signed(disagreements.observed(made), key, keys)
    (one / "disagreement.sigstore.json").write_bytes(signed.bundle)
    assert "builders-disagree: " in tally(*arguments).failed(1).out


def test_what_is_read_of_a_folder(folder: Path) -> None:
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("review.json", "a/more.sigstore.json", "a/b/build.00000000.link", "a/b/program"):
        (folder / name).write_text(name)
    (folder / "a" / "round").symlink_to(folder)
    assert {Path(name).relative_to(folder).as_posix() for name in read_further([folder])} == {
        "review.json",
        "a/more.sigstore.json",
        "a/b/build.00000000.link",
    }


def test_what_cannot_be_read_is_told_by_name(folder: Path) -> None:
    """It could be a signed no."""
    (folder / "a").mkdir()
    for name in ("evidence.json", "a/evidence.link"):
        lost = folder / name
        lost.symlink_to("nowhere")
        with pytest.raises(TallyError, match=f"{lost}: it is a link to nowhere"):
            read_further([folder])
        lost.unlink()
        os.mkfifo(lost)
        with pytest.raises(TallyError, match=f"{lost}: it is a named pipe"):
            read_further([folder])
        lost.unlink()
        lost.symlink_to(folder)
        with pytest.raises(TallyError, match=f"{lost}: Is a directory"):
            read_further([folder])
        lost.unlink()
    assert read_further([folder]) == {}


def test_folders_have_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_MOST_LOOKED_AT", 10)
    (folder / "a" / "b").mkdir(parents=True)
    for number in range(8):
        (folder / "a" / "b" / str(number)).touch()
    assert read_further([folder]) == {}
    (folder / "a" / "b" / "8").touch()
    with pytest.raises(TallyError, match="more than 10 files"):
        read_further([folder])
