"""A run's name: unique on its state folder, and sorted by time."""

from pathlib import Path

import pytest

from orchestrator.builders.configuration import Configuration
from orchestrator.ground.state import State
from orchestrator.nix.command import Nix
from orchestrator.run import workshop


def test_runs_of_one_process_in_one_second_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nix, "find", Nix.unasked)

    names = []
    for _ in range(20):
        with workshop.opened(State(tmp_path), Configuration()) as opened:
            names.append(opened.run)

    assert len(set(names)) == 20
    assert names == sorted(names)
