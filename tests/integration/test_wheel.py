"""What `make dist` makes is enough: installed elsewhere, `tally` works without a clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import TallyIn

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


MAKEFILE = """\
VERSION = 1.4
once: once.c
\tcc -O2 -o once once.c
"""


@pytest.fixture
def tally(installed: Path, session_state: Path) -> Callable[..., str]:
    """Runs the installed `tally` in a folder; its standard output."""
    environment = {**os.environ, "TALLY_STATE": str(session_state)}
    environment.pop("PYTHONPATH", None)

    def run(folder: Path, *words: str) -> str:
        done = subprocess.run(
            [installed, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_an_installed_wheel_makes_a_signed_release_of_a_new_project(
    tally: Callable[..., str], repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "once"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "once.c").write_text('int puts(const char *);\nint main(void) { return puts("once") < 0; }\n')
    (folder / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())  # its set needs no index
    git = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    assert "wrote recipes/once.toml" in tally(folder, "init", "--yes")
    tally(folder, "lock")
    tally(folder, "keys", "generate", "keys/release")
    for words in (["add", "--all"], ["commit", "--quiet", "--message", "one"]):
        subprocess.run([*git, *words], check=True)
    tally(folder, "build", "recipes/once.toml", "--key", "keys/release.key")
    release = "releases/once-1.4-x86_64-linux"
    assert "PASSED" in tally(folder, "verify", release, "--key", "keys/release.pub")
    left = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True).stdout
    assert left == b"", "releases and private keys are ignored, and all else is committed"


def test_the_source_distribution_has_all_that_the_wheel_is_made_of(repository: Path, tmp_path: Path) -> None:
    """A wheel made of it is, byte for byte, the wheel that a clone makes."""
    make = "from flit_core.sdist import SdistBuilder; from pathlib import Path; import sys; "
    make += "print(SdistBuilder.from_ini_path(Path('pyproject.toml')).build(Path(sys.argv[1])))"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    for name in ("clone", "sdist"):
        (tmp_path / name).mkdir()
    subprocess.run(
        [sys.executable, "-c", make, tmp_path],
        cwd=repository,
        env=environment,
        check=True,
        capture_output=True,
    )
    (archive,) = tmp_path.glob("tallystick-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    for name, folder in (("clone", repository), ("sdist", unpacked)):
        words = [sys.executable, "-m", "flit_core.wheel", "--outdir", str(tmp_path / name)]
        subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)
    (ours,), (theirs,) = ((tmp_path / name).glob("*.whl") for name in ("clone", "sdist"))
    assert ours.read_bytes() == theirs.read_bytes()
    assert (unpacked / "requirements/runtime.txt").is_file()
    assert (unpacked / "flake.nix").is_file()


def test_an_installed_wheel_needs_no_clone(
    installed: Path, tally: Callable[..., str], repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/nothing.toml").write_text(RECIPE)
    (tmp_path / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())
    where = "import orchestrator; print(orchestrator.__file__)"
    python = installed.with_name("python")
    found = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert installed.parent.parent in Path(found.stdout).parents
    assert tally(tmp_path, "--version").startswith("tally ")
    assert "ok       sandbox:" in tally(tmp_path, "doctor")
    tally(tmp_path, "lock")
    assert "artifact    nothing-1-x86_64-linux.tar.gz" in tally(tmp_path, "plan", "recipes/nothing.toml")


def test_tally_builds_itself_as_one_file(
    tally_in: TallyIn, session_state: Path, repository: Path, tmp_path: Path
) -> None:
    """By what HEAD has: the source is a commit."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    ran = tally_in(clone)("build", "package/recipes/tallystick.toml", "--no-sign").succeeded()
    assert "tallystick: a and b agree on every bit" in ran.err
    python = shutil.which("python3.11")
    if python is None:
        pytest.skip("the file is for Python 3.11")
    file, cache = tmp_path / "tally.pyz", tmp_path / "cache"
    file.write_bytes(Path(ran.out.strip()).read_bytes())
    environment = {
        "PATH": os.environ["PATH"],
        "XDG_CACHE_HOME": str(cache),
        "TALLY_STATE": str(session_state),
    }

    def run(*words: str) -> str:
        command = [python, str(file), *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert run("--version").startswith("tally ")
    assert '"$schema"' in run("schema", "recipe")
    unpacked = cache / "tallystick/unpacked"
    assert [len(each.name) for each in unpacked.iterdir()] == [64], "once, and nothing else is left"
