"""What `make dist` makes is enough: installed elsewhere, `tally` works without a clone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

RECIPE = """
name = "nothing"
version = "1"
summary = "Does nothing"
homepage = "https://example.org/nothing"
license = "MIT"
[toolchain]
from = "debian"
packages = ["gcc", "make", "libc6-dev"]
[build]
script = "mkdir $out"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The command `tally` of an environment that has the wheel, and what it depends on from this one."""
    folder = tmp_path_factory.mktemp("installed")
    run = [sys.executable, "-m"]
    build = [*run, "flit_core.wheel", "--outdir", str(folder)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    (wheel,) = folder.glob("tallystick-*.whl")
    venv.create(folder / "venv", with_pip=False)
    # only installed packages: a path file of the clone, as an editable install has one, is not read from here
    site = next((folder / "venv/lib").glob("python*")) / "site-packages"
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    pip = [*run, "pip", "--python", str(folder / "venv/bin/python"), "--disable-pip-version-check"]
    words = ["install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheel)]
    subprocess.run([*pip, *words], check=True, capture_output=True)
    return folder / "venv/bin/tally"


def test_an_installed_wheel_needs_no_clone(
    installed: Path, repository: Path, session_state: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/nothing.toml").write_text(RECIPE)
    (tmp_path / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())
    environment = {**os.environ, "TALLY_STATE": str(session_state)}
    environment.pop("PYTHONPATH", None)

    def tally(*words: str) -> str:
        done = subprocess.run(
            [installed, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import orchestrator; print(orchestrator.__file__)"
    python = installed.with_name("python")
    found = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert installed.parent.parent in Path(found.stdout).parents
    assert tally("--version").startswith("tally ")
    assert "ok       sandbox:" in tally("doctor")
    tally("lock")
    assert "artifact    nothing-1-x86_64-linux.tar.gz" in tally("plan", "recipes/nothing.toml")
