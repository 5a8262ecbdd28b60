"""Copying between stores, with a Nix that does what a test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.nix.store import PathInfo

PATHS = [f"/nix/store/{digit * 32}-{digit}.drv" for digit in "0123"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChrootStore:
    """A store whose valid paths are the lines of the file `valid`; what was copied goes into `copied`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "valid").touch()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    invalid = f"printf '%s\\n' \"$@\" | grep ^/nix/ | grep -vxFf {tmp_path}/valid"
    program(tmp_path, "nix-store", f"{invalid}; true")
    return ChrootStore(Nix("2.8.0", tmp_path / "scratch"), tmp_path / "store")


def program(folder: Path, name: str, script: str) -> None:
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / name).chmod(0o755)


def test_a_path_that_another_run_brings_meanwhile_does_not_stop_the_copy(
    store: ChrootStore, tmp_path: Path
) -> None:
    # at each try the first path that is lacking comes from elsewhere, which Nix stumbles over
    stumble = f"""
    echo run >> {tmp_path}/tries
    for path; do
        case $path in /nix/*)
            if ! grep -qx "$path" {tmp_path}/valid; then
                echo "$path" >> {tmp_path}/valid
                echo "error: not an absolute path: 'nix-archive-1'" >&2
                exit 1
            fi
        esac
    done
    """
    program(tmp_path, "nix", stumble)
    store.copy_from(store, PATHS)
    assert (tmp_path / "valid").read_text().splitlines() == PATHS
    assert len((tmp_path / "tries").read_text().splitlines()) == len(PATHS)


def test_a_copy_that_comes_no_further_is_an_error(store: ChrootStore, tmp_path: Path) -> None:
    program(tmp_path, "nix", f"echo run >> {tmp_path}/tries; echo no permission >&2; exit 1")
    with pytest.raises(NixFailed, match="no permission"):
        store.copy_from(store, PATHS)
    assert (tmp_path / "tries").read_text() == "run\n"


def test_a_copy_that_says_it_went_well_is_looked_at(store: ChrootStore, tmp_path: Path) -> None:
    """A connection that broke has been seen to leave a copy that ended well, and nothing over there."""
    program(tmp_path, "nix", f"echo run >> {tmp_path}/tries; true")
    with pytest.raises(TallyError, match=r"lacks 4 paths that were copied to it, /nix/store/0{32}-0"):
        store.copy_from(store, PATHS)
    one_more = f"""
    for path; do
        case $path in /nix/*)
            grep -qx "$path" {tmp_path}/valid || {{ echo "$path" >> {tmp_path}/valid; exit; }}
        esac
    done
    """
    program(tmp_path, "nix", one_more)
    store.copy_from(store, PATHS)
    assert (tmp_path / "valid").read_text().splitlines() == PATHS


def test_what_a_path_refers_to_is_looked_at_for_alterations_too(
    store: ChrootStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lib, app, libc, other = (f"/nix/store/{digit * 32}-{digit}" for digit in "0123")
    drv = f"{app}.drv"
    refers = {app: (lib,), lib: (libc,), libc: (), drv: (other,), other: ()}
    infos = {path: PathInfo(path, NarHash.of(b""), 1, below) for path, below in refers.items()}
    monkeypatch.setattr(ChrootStore, "invalid", lambda *_: set())
    monkeypatch.setattr(ChrootStore, "information", lambda _, paths: {path: infos[path] for path in paths})
    program(tmp_path, "nix-store", f"printf '%s\\n' \"$@\" | grep ^/nix/ > {tmp_path}/looked")
    assert store.modified([app, drv]) == []
    assert (tmp_path / "looked").read_text().splitlines() == sorted([app, drv, lib, libc])
