"""A builder added to tally.toml: nothing that is written there is lost, nothing wrong is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.builders.adding import add, as_written, listed, refuse
from orchestrator.builders.configuration import load
from orchestrator.ground.errors import TallyError

HOST = {"name": "c", "store": "ssh-ng://c", "host-key": "ssh-ed25519 AAAA"}


def names(folder: Path) -> list[str]:
    return [each.name for each in load(folder).builder]


def test_the_first_one_is_listed_beside_the_two_that_there_were(tmp_path: Path) -> None:
    added = add(tmp_path, HOST)
    assert added.file == tmp_path / "tally.toml"
    (note,) = added.notes
    assert note == "all of a, b, c have to build and agree now; with a `quorum` in tally.toml, that many"
    assert names(tmp_path) == ["a", "b", "c"]
    assert load(tmp_path).vote == "separate-hosts"


def test_what_was_written_stays(tmp_path: Path) -> None:
    before = "# ours\nquorum = 2  # both\n\n[[builder]]\nname = 'x'\n[[builder]]\nname = 'y'\n"
    (tmp_path / "tally.toml").write_text(before)
    assert add(tmp_path, HOST).notes == ()
    assert (tmp_path / "tally.toml").read_text().startswith(before)
    assert names(tmp_path) == ["x", "y", "c"]


@pytest.mark.parametrize(
    "values",
    [
        {"name": "a", "store": "local"},
        {"name": "c", "store": "nowhere"},
        {"name": "../c", "store": "local"},
        {"name": "c", "store": "local", "host-key": "ssh-ed25519 AAAA"},
        {"name": "c", "store": "ssh-ng://c", "host-key": "x"},
    ],
)
def test_what_cannot_be_is_not_written(tmp_path: Path, values: dict[str, Any]) -> None:
    (tmp_path / "tally.toml").write_text("quorum = 2\n")
    with pytest.raises(TallyError, match="cannot add the builder"):
        add(tmp_path, values)
    assert (tmp_path / "tally.toml").read_text() == "quorum = 2\n"


def test_what_would_be_refused_is_known_beforehand(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="two builders have the name a"):
        refuse(tmp_path, {"name": "a", "store": "vm"})
    refuse(tmp_path, {"name": "v", "store": "vm"})
    assert not (tmp_path / "tally.toml").exists()


def test_a_builder_is_found_by_its_name(tmp_path: Path) -> None:
    assert listed(tmp_path, "v") is None
    add(tmp_path, {"name": "v", "store": "vm", "kvm": False})
    found = listed(tmp_path, "v")
    assert found is not None
    assert (found.store, found.kvm) == ("vm", False)
    assert listed(tmp_path, "w") is None


def test_a_host_that_does_not_answer_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="does not show its host key") as caught:
        add(tmp_path, {"name": "c", "store": "ssh-ng://127.0.0.1:1"})
    assert "--host-key" in (caught.value.hint or "")
    assert not (tmp_path / "tally.toml").exists()


def test_files_are_named_as_from_where_the_command_runs(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    for said in ("keys/red", "../keys/red", "~/red", "/keys/red"):
        assert as_written(below, Path(said)) == said, "a new tally.toml would be made here"
    (tmp_path / "tally.toml").write_text("")
    for said, written in (
        ("keys/red", "below/keys/red"),
        ("../keys/red", "keys/red"),
        ("~/red", "~/red"),
        ("/keys/red", "/keys/red"),
    ):
        assert as_written(below, Path(said)) == written
        add_to = {"name": "c", "store": "ssh-ng://c", "host-key": "ssh-ed25519 AAAA", "ssh-key": written}
        add(below, add_to)
        found = load(below).builder[-1].ssh_key
        expected = (below / Path(said).expanduser()).resolve()
        assert found is not None
        assert found.resolve() == expected
        (tmp_path / "tally.toml").write_text("")
