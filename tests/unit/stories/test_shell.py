"""A failed build's folder that is gone into again: what the build left there leads nowhere else."""

from __future__ import annotations

from pathlib import Path

from orchestrator.ground.state import State
from orchestrator.nix.derivation import Derivation
from orchestrator.nix.sandbox import prepared
from orchestrator.stories.shell import _kept, _write

DRV = f"/nix/store/{'a' * 32}-x-1.drv"


def derivation() -> Derivation:
    return Derivation(
        path=DRV,
        system="x86_64-linux",
        builder_executable="/bin/sh",
        args=("-c", "true"),
        env={"passAsFile": "tallyScript", "tallyScript": "evil"},
        outputs={},
        fixed=None,
        input_derivations={},
        input_sources=(),
    )


def test_nothing_is_written_through_what_a_build_left(tmp_path: Path) -> None:
    home, build, scratch = (tmp_path / name for name in ("home", "build", "scratch"))
    for folder in (home, build, scratch):
        folder.mkdir()
    (home / "profile").write_text("mine")
    (build / ".attr-tallyScript").symlink_to(home / "profile")
    (build / ".tally").symlink_to(home)
    prepared(derivation(), [], scratch, files={}, build=build)
    assert (build / ".attr-tallyScript").read_text() == "evil"
    for _ in range(2):
        _write(build / ".tally", {"script": "evil"})
        assert not (build / ".tally").is_symlink()
    assert [each.name for each in home.iterdir()] == ["profile"]
    assert (home / "profile").read_text() == "mine"


def test_a_link_in_place_of_the_folder(tmp_path: Path) -> None:
    place = tmp_path / "logs" / "run" / "a" / "failed" / Path(DRV).name
    place.mkdir(parents=True)
    (place / "build").symlink_to("/")
    assert _kept(State(tmp_path), derivation()) == place
    (place / "build").unlink()
    (place / "build").mkdir()
    assert _kept(State(tmp_path), derivation()) == place / "build"
