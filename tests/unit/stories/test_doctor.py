"""The doctor's checks: each is a value with a way out, and none keeps the others from being made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from orchestrator.ground.state import State
from orchestrator.nix import namespaces
from orchestrator.nix.namespaces import Obstacle
from orchestrator.stories import remedies
from orchestrator.stories.doctor import Check, Status, examine, healthy

if TYPE_CHECKING:
    from tests.conftest import TallyIn


def found(state: Path, folder: Path | None = None) -> dict[str, Check]:
    return {check.name: check for check in examine(State(state), folder or state.parent)}


def no_nix(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A PATH with no Nix on it, so that no check here runs one."""
    (folder / "bin").mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", str(folder / "bin"))


def program(folder: Path, name: str, script: str) -> None:
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / name).chmod(0o755)


def test_without_nix_the_rest_is_still_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_nix(monkeypatch, tmp_path)
    checks = found(tmp_path / "state")
    assert checks["nix"].status is Status.FAILED
    assert "nix-bin" in (checks["nix"].hint or "")
    assert checks["sandbox"].status is checks["builders"].status is Status.SKIPPED
    assert "nix failed" in checks["sandbox"].found
    assert checks["state-folder"].status is Status.OK
    assert {"disk-space", "user-namespaces", "git", "apt-get"} <= set(checks)
    assert not healthy(list(checks.values()))


@pytest.mark.parametrize("version", ["2.3.16", "2.7.0"])
def test_a_nix_that_is_too_old_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    no_nix(monkeypatch, tmp_path)
    program(tmp_path, "nix-store", f"echo 'nix-store (Nix) {version}'")
    check = found(tmp_path / "state")["nix"]
    assert check.status is Status.FAILED
    assert "too old" in check.found


@pytest.mark.parametrize(
    ("version", "status"),
    [("2.8.0", Status.OK), ("2.34.8", Status.OK), ("2.35.0", Status.WARNING), ("3.0", Status.WARNING)],
)
def test_the_range_of_nix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, status: Status
) -> None:
    no_nix(monkeypatch, tmp_path)
    program(tmp_path, "nix-store", f"echo 'nix-store (Nix) {version}'")
    assert found(tmp_path / "state")["nix"].status is status


def test_a_nix_that_cannot_build_fails_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_nix(monkeypatch, tmp_path)
    program(tmp_path, "nix-store", "echo 'nix-store (Nix) 2.8.0'")
    program(tmp_path, "nix-instantiate", "echo 'error: cloning builder process' >&2; exit 1")
    program(tmp_path, "ldd", "/usr/bin/ldd $1")
    check = found(tmp_path / "state")["sandbox"]
    assert check.status is Status.FAILED
    assert "cloning builder process" in check.found
    assert check.hint


def test_a_state_folder_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_nix(monkeypatch, tmp_path)
    (tmp_path / "state").write_text("")
    check = found(tmp_path / "state")["state-folder"]
    assert check.status is Status.FAILED
    assert "TALLY_STATE" in (check.hint or "")


def test_the_state_folder_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_nix(monkeypatch, tmp_path)
    found(tmp_path / "state")
    left = [path.name for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert left in ([], [".gitignore"]), "which keeps a new state folder out of git"


@pytest.mark.parametrize(
    ("free", "files", "status"),
    [
        (100, 10**6, Status.OK),
        (5, 10**6, Status.WARNING),
        (1, 10**6, Status.FAILED),
        (100, 1000, Status.FAILED),
    ],
)
def test_disk_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, files: int, status: Status
) -> None:
    no_nix(monkeypatch, tmp_path)
    disk = SimpleNamespace(f_bavail=free * 10**6, f_frsize=1000, f_files=10**7, f_favail=files)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    check = found(tmp_path / "not" / "yet" / "there")["disk-space"]
    assert check.status is status
    assert bool(check.hint) == (status is not Status.OK)


def test_a_file_system_that_counts_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_nix(monkeypatch, tmp_path)
    disk = SimpleNamespace(f_bavail=10**8, f_frsize=1000, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    assert found(tmp_path / "state")["disk-space"].status is Status.OK


def test_no_user_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_nix(monkeypatch, tmp_path)
    monkeypatch.setattr(namespaces, "obstacle", lambda: Obstacle("it is 0", "set it"))
    check = found(tmp_path / "state")["user-namespaces"]
    assert (check.status, check.found, check.hint) == (Status.FAILED, "no user namespaces: it is 0", "set it")


def test_what_of_the_provenance_needs_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_nix(monkeypatch, tmp_path)
    check = found(tmp_path / "state")["git"]
    assert (check.status, check.hint) == (Status.WARNING, "apt-get install git")
    assert "the provenance names no commit" in check.found


@pytest.mark.parametrize("script", ["exit 3", "exec /nonexistent"])
def test_a_tool_that_does_not_answer_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    no_nix(monkeypatch, tmp_path)
    program(tmp_path, "git", script)
    checks = found(tmp_path / "state")
    assert checks["git"].status is Status.WARNING
    assert checks["apt-get"].status is Status.WARNING
    assert healthy([checks["git"], checks["apt-get"]])


def test_the_command_says_it_in_lines_and_ends_with_2(tmp_path: Path, tally_in: TallyIn) -> None:
    done = tally_in(tmp_path, TALLY_STATE=str(tmp_path / "state"), PATH=str(tmp_path))("doctor").failed(2)
    assert "failed   nix: Nix is not installed" in done.out
    assert "\n         hint: install Nix" in done.out
    assert done.err == ""


def test_the_command_says_it_as_one_document(tmp_path: Path, tally_in: TallyIn) -> None:
    here = tally_in(tmp_path, TALLY_STATE=str(tmp_path / "state"), PATH=str(tmp_path))
    document = json.loads(here("doctor", "--json").failed(2).out)
    assert document["healthy"] is False
    assert {"name": "nix", "status": "failed"}.items() <= document["checks"][0].items()
    assert all(set(check) == {"name", "status", "found", "hint"} for check in document["checks"])


def fake_apt(folder: Path) -> Path:
    """An apt-get that says what it was asked for, and installs a git; no Nix is on PATH."""
    log = folder / "asked"
    (folder / "bin").mkdir()
    program(
        folder,
        "apt-get",
        f'echo "$@" >> {log}\n'
        'case "$1" in --version) echo "apt 2.6";; install) printf "#!/bin/sh\\necho git version 2\\n" '
        f"> {folder}/bin/git; /bin/chmod +x {folder}/bin/git;; esac",
    )
    program(folder, "sudo", 'exec "$@"')
    return log


def test_what_is_missing_is_installed_once_it_is_agreed_to(tmp_path: Path, tally_in: TallyIn) -> None:
    log = fake_apt(tmp_path)
    tally = tally_in(tmp_path, PATH=f"{tmp_path}/bin", TALLY_STATE=str(tmp_path / "state"))
    offered = tally("doctor", "--fix").failed(2)
    assert "apt-get install --yes --no-install-recommends" in offered.err
    assert "git nix-bin" in offered.err
    assert "nothing was run: `tally doctor --fix --yes` runs that" in offered.err
    assert "install" not in log.read_text()
    ran = tally("doctor", "--fix", "--yes", "--json")
    assert "install --yes --no-install-recommends" in log.read_text()
    document = json.loads(ran.out)
    assert document["commands"][-1][-2:] == ["git", "nix-bin"]
    found = {check["name"]: check["status"] for check in document["checks"]}
    assert (found["git"], found["nix"]) == ("ok", "failed"), "it looks again: this apt-get brought no Nix"
    assert ran.code == 2


def test_yes_alone_answers_nothing(tmp_path: Path, tally_in: TallyIn) -> None:
    ran = tally_in(tmp_path, TALLY_STATE=str(tmp_path))("doctor", "--yes").failed(2)
    assert "hint: give --fix as well" in ran.err


def test_an_installation_that_fails(tmp_path: Path, tally_in: TallyIn) -> None:
    fake_apt(tmp_path)
    program(tmp_path, "apt-get", 'test "$1" = --version')
    tally = tally_in(tmp_path, PATH=f"{tmp_path}/bin", TALLY_STATE=str(tmp_path / "state"))
    ran = tally("doctor", "--fix", "--yes").failed(2)
    assert "ended with status 1" in ran.err


def test_a_machine_without_apt(tmp_path: Path, tally_in: TallyIn) -> None:
    (tmp_path / "bin").mkdir()
    tally = tally_in(tmp_path, PATH=f"{tmp_path}/bin", TALLY_STATE=str(tmp_path / "state"))
    ran = tally("doctor", "--fix", "--yes").failed(2)
    assert "there is no apt-get here to install git, nix-bin with" in ran.err


def test_indices_are_fetched_where_there_are_none(tmp_path: Path) -> None:
    commands = remedies.commands_for(["git"], tmp_path)
    assert [command[-1] for command in commands] == ["update", "git"]
    (tmp_path / "archive_Packages.lz4").touch()
    assert len(remedies.commands_for(["git"], tmp_path)) == 1
    assert remedies.commands_for([], tmp_path) == []
