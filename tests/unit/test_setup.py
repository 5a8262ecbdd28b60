"""What `make` installs and what it says when it cannot. apt-get and sudo are fakes that note their calls."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Need = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that is all of PATH: bash and env, and what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env"):
        (folder / name).symlink_to(shutil.which(name) or "")
    fake(folder, "id", "echo 1000")
    return folder


@pytest.fixture
def need(programs: Path, repository: Path) -> Need:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(programs / "bash"), str(repository / "tools/need"), *arguments],
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def fake(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!{shutil.which('bash')}\n{script}\n")
    (folder / name).chmod(0o755)


def test_what_is_there_is_not_installed(need: Need, programs: Path) -> None:
    fake(programs, "apt-get", "exit 9")
    done = need("command -v bash", "bash")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_apt_it_says_what_is_missing(need: Need) -> None:
    done = need("command -v nix-store", "nix-bin")
    assert done.returncode == 2
    assert "error: nix-bin is missing" in done.stderr
    assert "hint: " in done.stderr


def test_without_root_and_sudo_it_says_what_to_run(need: Need, programs: Path) -> None:
    fake(programs, "apt-get", "exit 9")
    done = need("command -v nix-store", "nix-bin")
    assert done.returncode == 2
    assert "hint: as root, run: apt-get install --no-install-recommends nix-bin" in done.stderr


@pytest.mark.parametrize(("user", "prefix"), [("0", ""), ("1000", "sudo ")])
def test_it_installs_with_root_or_sudo(need: Need, programs: Path, user: str, prefix: str) -> None:
    calls = programs / "calls"
    fake(programs, "id", f"echo {user}")
    fake(programs, "sudo", f'printf "sudo " >> {calls}; exec "$@"')
    fake(
        programs,
        "apt-get",
        f'echo "apt-get $*" >> {calls}; if [ $1 = install ]; then printf "" > {programs}/nix-store; '
        f"{shutil.which('chmod')} 755 {programs}/nix-store; fi",
    )
    done = need("command -v nix-store", "nix-bin", "git")
    assert done.returncode == 0, done.stderr
    update, install = calls.read_text().splitlines()
    assert update == f"{prefix}apt-get update -qq"
    assert install == f"{prefix}apt-get install -qq --yes --no-install-recommends nix-bin git"


def test_an_install_that_changes_nothing_is_an_error(need: Need, programs: Path) -> None:
    fake(programs, "id", "echo 0")
    fake(programs, "apt-get", "exit 0")
    done = need("command -v nix-store", "nix-bin")
    assert done.returncode == 2
    assert "error: nix-bin was installed, and yet this still fails: command -v nix-store" in done.stderr


def test_a_failing_install_fails(need: Need, programs: Path) -> None:
    fake(programs, "id", "echo 0")
    fake(programs, "apt-get", "echo no network >&2; exit 100")
    done = need("command -v nix-store", "nix-bin")
    assert done.returncode == 100
    assert "no network" in done.stderr


def test_targets_are_helped_with(repository: Path) -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=repository, capture_output=True, text=True, check=True)
    told = [line.split()[1] for line in done.stdout.splitlines()]
    assert {"demo", "test", "lint", "bench", "help"} <= set(told)


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_that_lacks_something_is_no_reason_not_to_lock(
    repository: Path, tmp_path: Path, there: bool
) -> None:
    """`make .venv` ends with `pip check`, which fails until what is newly asked for is locked."""
    for folder in ("tools", "requirements", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copyfile(repository / "Makefile", tmp_path / "Makefile")
    for name in ("pyproject.toml", "requirements/dev.txt", "tools/need"):
        (tmp_path / name).touch()
    pins = tmp_path / ".venv/bin/pip-compile"
    if there:
        fake(pins.parent, pins.name, "")
    fake(
        tmp_path / "tools", "setup-python", f"touch {pins}; chmod +x {pins}; echo it lacks something; exit 1"
    )
    fake(tmp_path / "tools", "lock-requirements", "echo locked")
    done = subprocess.run(["make", "lock"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "locked"), done.stderr
    assert ("it lacks something" in done.stdout) is not there
