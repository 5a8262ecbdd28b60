"""What `make deb`, `make image` and `make dist` make, where nothing of a clone is: `make test-packages`.

No part of `make test`: tally is built by itself twice, for a package and for an image, and pip fetches all
that the wheel depends on. Needs root, as builder hosts do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import strangers
from lab import unpacked
from roots import root_of
from smallest import with_smallest

from orchestrator.ground.state import State
from orchestrator.pinning.request import package_output
from orchestrator.recipe.lock import read
from orchestrator.recipe.wanted import wanted_from
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

if TYPE_CHECKING:
    from tests.conftest import TallyIn

pytestmark = pytest.mark.packages
DEB, IMAGE = "tallystick-deb-0.1.0-x86_64-linux", "tallystick-image-0.1.0-x86_64-linux"
RECIPE = """\
name = "small"
version = "1"
summary = "A recipe of the tests"
homepage = "https://example.org/"
license = "MIT"
[toolchain]
from = "debian"
[build]
script = "mkdir $out; echo %s > $out/file"
"""

_ENTER = r"""
mount --bind "$ROOT" "$ROOT"
cd "$ROOT"
mkdir -p proc dev work state .old
mount -t proc proc proc
mount --rbind /dev dev
mount --bind "$WORK" work
mount --bind "$STATE" state
exec "$PYTHON" -c "$PIVOT" "$@"
"""

# pivot_root, and not chroot(2), below which nested user namespaces are refused; and no program of the root's
# own, since an image need have none that unmounts
_PIVOT = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pivot_root, detach = {"x86_64": 155, "aarch64": 41}[os.uname().machine], 2
for failed in (libc.syscall(pivot_root, b".", b".old"), libc.umount2(b"/.old", detach)):
    if failed:
        raise OSError(ctypes.get_errno(), "pivot_root")
os.rmdir("/.old")
os.chdir("/work")
os.execve("/usr/bin/env", ["env", *sys.argv[2:]], json.loads(sys.argv[1]))
"""
MAKEFILE = "VERSION = 1.4\nonce: once.c\n\tcc -O2 -o once once.c\n"
PROGRAM = 'int puts(const char *);\nint main(void) { return puts("once") < 0; }\n'
_PYTHONS = re.compile(
    r"(lib)?python3.*(-minimal|-stdlib)|python3|python3\.11|media-types|lib(expat|sqlite3|mpdec).*"
)


@dataclass(frozen=True)
class Place:
    """A root of its own, entered as a container engine does that allows namespaces."""

    root: Path
    work: Path
    """`/work` there."""
    state: Path
    """`/state` there."""
    environment: Mapping[str, str]

    def run(self, *command: str) -> str:
        """Its standard output; it must succeed."""
        variables = {"ROOT": str(self.root), "WORK": str(self.work), "STATE": str(self.state)}
        variables |= {"PYTHON": sys.executable, "PIVOT": _PIVOT}
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-euc", _ENTER, "-"]
        done = subprocess.run(
            [*enter, json.dumps(dict(self.environment)), *command],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def releases(tally_in: TallyIn, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and the image, each agreed by two builders and signed, of what HEAD has; the key beside."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(["git", "clone", "--quiet", str(repository), str(folder / "clone")], check=True)
    tally = tally_in(folder / "clone")
    tally("keys", "generate", folder / "release").succeeded()
    recipes = [f"package/recipes/tallystick-{each}.toml" for each in ("deb", "image")]
    out = folder / "releases"
    said = tally("build", *recipes, "--key", folder / "release.key", "--out", out).succeeded().err
    for each in ("deb", "image"):
        assert f"tallystick-{each}: a and b agree on every bit" in said
    shutil.copy(folder / "release.pub", out)
    return out


@pytest.fixture
def small(tally_in: TallyIn, repository: Path, tmp_path: Path) -> Path:
    """A folder with a recipe, whose toolchain this machine has fetched."""
    folder = tmp_path / "small"
    (folder / "recipes").mkdir(parents=True)
    (folder / "tally.lock").write_text(with_smallest(repository / "tally.lock"))
    (folder / "recipes/small.toml").write_text(RECIPE % "outside")
    tally_in(folder)("build", "recipes/small.toml", "--no-sign").succeeded()
    (folder / "recipes/small.toml").write_text(RECIPE % "inside")
    return folder


def test_the_image_builds_and_verifies(
    releases: Path, small: Path, session_state: Path, tmp_path: Path
) -> None:
    """Unpacked by somebody else's program, and entered as its configuration says."""
    layout: Path = unpacked(releases / IMAGE / f"{IMAGE}.oci.tar", tmp_path / "layout")
    umoci = strangers.umoci(session_state)
    bundle = tmp_path / "bundle"
    unpack = ["unpack", "--image", f"{layout}:tallystick-image-0.1.0", str(bundle)]
    subprocess.run([umoci, *unpack], check=True, capture_output=True)
    process = json.loads((bundle / "config.json").read_text())["process"]
    assert (process["args"], process["cwd"]) == (["/bin/bash"], "/root")
    environment = dict(each.split("=", 1) for each in process["env"])
    place = Place(bundle / "rootfs", small, session_state, {"TALLY_STATE": "/state", **environment})
    compiled = sorted(place.root.glob("usr/**/*.pyc"))
    assert place.run("tally", "--version") == "tally 0.1.0\n"
    assert '"$schema"' in place.run("tally", "schema", "recipe")
    for line in place.run("tally", "doctor").splitlines():
        assert line.startswith("ok "), line
    assert "a and b agree" in place.run("bash", "-c", "tally build recipes/small.toml --no-sign 2>&1")
    assert "Debian" in place.run("bash", "-c", "git --version && ssh -V && . /etc/os-release && echo $NAME")

    place = Place(bundle / "rootfs", releases, session_state, environment)
    assert "PASSED" in place.run("tally", "verify", IMAGE, "--key", "release.pub")
    assert sorted(place.root.glob("usr/**/*.pyc")) == compiled, "no job compiles a module"


def test_the_debian_package_installs_runs_and_goes(
    releases: Path, small: Path, session_state: Path, repository: Path, tmp_path: Path
) -> None:
    """On a Debian 12 that apt has made, with its Nix; dpkg itself compares what it depends on."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", root_of("bookworm", session_state), root], check=True)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TALLY_STATE": "/state"}
    place = Place(root, small, session_state, environment)
    there = place.run("dpkg-query", "--show", "--showformat", "${Package}\n").split()
    lock = read(repository / "package/tally.lock")
    sources = Sources(State(session_state).folder("sources"), Mirrors())
    (python,) = (each for each in lock.set if each.request == ("python3", "python3-pip"))
    (small / "debs").mkdir()
    for file in python.packages:
        package = lock.packages[file]
        if package.name not in there and _PYTHONS.fullmatch(package.name):
            shutil.copy(sources.fetch(wanted_from(package_output(package))), small / "debs" / file)
    place.run("bash", "-c", "dpkg --install --force-depends debs/*.deb")  # apt would know the order
    assert place.run("dpkg", "--audit") == ""
    shutil.copy(releases / DEB / f"{DEB}.deb", small / "tallystick.deb")
    place.run("dpkg", "--install", "tallystick.deb")
    # that root's dpkg leaves documentation out
    assert not re.search(r"(?m)^.* /(?!usr/share/(?:doc|man)/)", place.run("dpkg", "--verify", "tallystick"))
    assert place.run("tally", "--version") == "tally 0.1.0\n"
    assert '"$schema"' in place.run("tally", "schema", "recipe")
    assert "a and b agree" in place.run("bash", "-c", "tally build recipes/small.toml --no-sign 2>&1")
    place.run("dpkg", "--purge", "tallystick")
    left = [str(each) for each in root.glob("**/*tallystick*") if "state" not in each.parts]
    assert not (root / "usr/lib/tallystick").exists(), left


def test_the_wheel_brings_all_that_it_needs(repository: Path, session_state: Path, tmp_path: Path) -> None:
    """As pipx does it: an environment with nothing in it, and pip asks the user's index for the rest."""
    build = [sys.executable, "-m", "flit_core.wheel", "--outdir", str(tmp_path)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("tallystick-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    bin_, folder = tmp_path / "venv/bin", tmp_path / "project"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "once.c").write_text(PROGRAM)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    quiet = ("--quiet", "--disable-pip-version-check")
    environment = {**os.environ, "TALLY_STATE": str(session_state)}
    environment.pop("PYTHONPATH", None)

    def run(*command: str) -> str:
        done = subprocess.run(
            [bin_ / command[0], *command[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    run("pip", "install", *quiet, str(wheel))
    run("pip", "check", *quiet)
    assert run("tally", "--version") == "tally 0.1.0\n"
    assert '"$schema"' in run("tally", "schema", "recipe")
    assert "wrote recipes/" in run("tally", "init", "--yes")
    assert "ok       sandbox:" in run("tally", "doctor"), "Nix reads the files that are in the wheel"
