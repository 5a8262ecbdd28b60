"""Which kept disagreement a user means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.evidence.kept import KEPT, KeptDisagreement
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.run.disagreements import DisagreementFolder, chosen


def test_the_newest_of_a_target_is_of_no_other_whose_name_begins_so(tmp_path: Path) -> None:
    state = State(tmp_path)
    for when, name in enumerate(
        (
            "order-20261130T050000Z",
            "order-20261130T060000Z",
            "order-content-20261130T070000Z",
            ".order-content-20261130T080000Z.x.tmp",
        )
    ):
        folder = state.disagreements / name
        folder.mkdir(parents=True)
        (folder / KEPT).touch()
        os.utime(folder / KEPT, (when, when))
    assert chosen(state, "order").name == "order-20261130T060000Z"
    assert chosen(state, "order-content").name == "order-content-20261130T070000Z"
    with pytest.raises(TallyError, match="no disagreement of 'ord' is kept"):
        chosen(state, "ord")


def test_a_folder_that_has_a_targets_name_is_not_taken_for_its_disagreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "state")
    folder = state.disagreements / "order-20261130T050000Z"
    folder.mkdir(parents=True)
    (folder / KEPT).touch()
    for name in ("order", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert chosen(state, "order") == folder
    assert chosen(state, "other") == Path("other")


def test_results_that_are_gone_are_told(tmp_path: Path) -> None:
    hashes = {name: NarHash.of(name.encode()) for name in ("a", "b")}
    output = DifferingOutput("x.drv", "out", f"/nix/store/{'0' * 32}-x", hashes, inherited=False)
    kept = DisagreementFolder(tmp_path, KeptDisagreement("x", (), (output,), {}, None, None))
    with pytest.raises(TallyError, match="is gone") as told:
        list(kept.pairs(output))
    assert "tally clean" in str(told.value.hint)
