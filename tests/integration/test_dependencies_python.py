"""A Python project builds with what its lock pins: a wheel for its Python and an sdist, of our own index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from repositories import commit, run_git
from wheels import OwnIndex, sdist_of
from zip_making import Member, zip_of

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

RECIPE = """
name = "app"
version = "1"
summary = "A test"
homepage = "https://example.org/"
license = "MIT"
systems = ["x86_64-linux"]

[source]
path = "app"

[[dependencies]]
lock = "requirements.txt"
venv = true

[toolchain]
from = "debian"
packages = ["python3", "python3-pip"]

[build]
script = '''
python3 app.py > $out
pip install --quiet --no-deps --target /build/installed -r $dependencies/shipped.txt
ls /build/installed | grep -c . >> $out
grep -c pyc $dependencies/venv/lib/python3.11/site-packages/tally_native-1.0.dist-info/RECORD >> $out || true
'''

[artifact]
format = "nar"
"""
APP = (
    "import sys, tally_native, tally_sdist\n"
    "print(tally_native.HOW, tally_sdist.HOW, sys.prefix != sys.base_prefix)\n"
)
SETUP = (
    "from setuptools import setup\nsetup(name='Tally..Sdist', version='2.0', py_modules=['tally_sdist'])\n"
)
NATIVE = "tally_native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"


DEV = "tally_dev-1.0-py3-none-any.whl"
GROUP = """
[[dependencies]]
lock = "pylock.dev.toml"
groups = ["dev"]
"""


def wheel(how: str, name: str = "tally-native") -> bytes:
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: MIT\n".encode()
    module = name.replace("-", "_")
    folder = f"{module}-1.0.dist-info"
    return zip_of(
        [
            Member(f"{module}.py", f"HOW = {how!r}\n".encode()),
            Member(f"{folder}/METADATA", metadata),
            Member(
                f"{folder}/WHEEL",
                b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
            ),
            Member(f"{folder}/RECORD", b""),
        ]
    )


@pytest.fixture(scope="module")
def index() -> Iterator[OwnIndex]:
    own = OwnIndex()
    own.add("tally-native", NATIVE, wheel("for this Python"))
    own.add("tally-native", "tally_native-1.0-py3-none-any.whl", wheel("for any"))
    own.add("tally-native", "tally_native-1.0-cp311-cp311-win_amd64.whl", wheel("for Windows"))
    own.add("tally-dev", DEV, wheel("for development", "tally-dev"))
    files = {"setup.py": SETUP.encode(), "tally_sdist.py": b"HOW = 'from source'\n"}
    own.add("tally-sdist", "tally-sdist-2.0.tar.gz", sdist_of("tally-sdist-2.0", files), yanked="a test")
    with own.served() as served:
        yield served


def pins(index: OwnIndex, project: str, version: str) -> str:
    hashes = (f"--hash=sha256:{each['hashes']['sha256']}" for each in index.projects[project])
    return f"{project}=={version} " + " ".join(hashes) + "\n"


@pytest.fixture(scope="module")
def project(index: OwnIndex, tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A repository whose recipe is locked with the packages that the repository's own lock has."""
    folder = tmp_path_factory.mktemp("project")
    run_git(folder, "init", "--quiet")
    (folder / "app").mkdir()
    (folder / "app/app.py").write_text(APP)
    (folder / "app/requirements.txt").write_text("-r pinned.txt\n" + pins(index, "tally-sdist", "2.0"))
    (folder / "app/pinned.txt").write_text(pins(index, "tally-native", "1.0"))
    (folder / "recipes").mkdir()
    (folder / "app/pylock.dev.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "a test"\ndependency-groups = ["dev"]\n'
        '[[packages]]\nname = "tally-dev"\nversion = "1.0"\nmarker = "\'dev\' in dependency_groups"\n'
        f'[[packages.wheels]]\nurl = "{index.address.replace("/simple/", "/files/")}{DEV}"\n'
        f'hashes = {{ sha256 = "{hashlib.sha256(index.data[DEV]).hexdigest()}" }}\n'
    )
    recipe = RECIPE.replace("venv = true\n", f"venv = true\n{GROUP}").replace(
        "python3 app.py > $out\n", "python3 app.py > $out\npython3 -c 'import tally_dev'\n"
    )
    (folder / "recipes/app.toml").write_text(recipe)
    (folder / "tally.toml").write_text(f'[mirrors]\npypi = ["{index.address}"]\n')
    (folder / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())
    commit(folder)
    return folder


@pytest.fixture(scope="module")
def locked(project: Path, tally_in: TallyIn) -> str:
    """What locking said."""
    said = tally_in(project)("lock").succeeded().err
    commit(project)
    return said


def test_the_files_are_found_by_their_digests(locked: str, project: Path, index: OwnIndex) -> None:
    assert "requirements.txt in the source src of app, line 2: tally-sdist 2.0 was yanked: a test" in locked
    lock = (project / "tally.lock").read_text()
    digest = hashlib.sha256(index.data[NATIVE]).hexdigest()
    assert '[told.app."src/requirements.txt"]\n' in lock
    assert f'{digest} = "{NATIVE}"\n' in lock
    assert "win_amd64" not in lock
    assert index.address not in lock


def test_it_builds_agrees_and_runs(locked: str, project: Path, tally_in: TallyIn) -> None:
    ran = tally_in(project)("build", "recipes/app.toml", "--no-sign", "--json").succeeded()
    (outcome,) = json.loads(ran.out)["outcomes"]
    assert outcome["outcome"] == "agreed"
    said = Path(outcome["artifact"]).read_bytes()
    assert b"for this Python from source True\n" in said  # in the virtual environment, without bytecode
    # and where pip installed what users get: two modules and what tells of them, and not the group's
    assert b"\n4\n0\n" in said


def test_what_changed_is_refused_with_its_line(locked: str, project: Path, tally_in: TallyIn) -> None:
    run: Tally = tally_in(project)
    file = project / "app/pinned.txt"
    kept = file.read_text()
    for text, message, hint in (
        (
            "tally-native==1.0 --hash=sha256:" + "1" * 64,
            "nobody has looked up which file of tally-native",
            "tally lock",
        ),
        ("tally-native==1.0\n", "tally-native has no `--hash`", "pip-compile --generate-hashes"),
        ("-e .\n", "`-e .` is a folder without a digest", "leave it out"),
    ):
        file.write_text(text)
        commit(project)
        failed = run("plan", "recipes/app.toml").failed(2)
        assert f"pinned.txt in the source src of app, line 1: {message}" in failed.err
        assert hint in failed.err
    file.write_text("tally-native==1.0 --hash=sha256:" + "1" * 64)
    commit(project)
    drifted = run("lock", "--check").failed(1).out
    assert "app: pinned.txt in the source src of app, line 1: nobody has looked up which file" in drifted
    before = (project / "tally.lock").read_bytes()
    assert "no index has a file of tally-native 1.0 with one of its digests" in run("lock").failed(2).err
    assert (project / "tally.lock").read_bytes() == before
    file.write_text(f"{kept}# another file\n")
    commit(project)
    assert "app: requirements.txt changed" in run("lock").succeeded().out, "which names that file"
    file.write_text(kept)
    commit(project)
    (project / "tally.lock").write_bytes(before)


def test_every_format_is_planned_with_the_same_file(
    project: Path, index: OwnIndex, tally_in: TallyIn
) -> None:
    """The locks of uv, Poetry and PDM, and pylock.toml, for one package; nothing is fetched."""
    hashes = {each["filename"]: each["hashes"]["sha256"] for each in index.projects["tally-native"]}
    listed = "".join(f'{{ file = "{file}", hash = "sha256:{sha256}" }},' for file, sha256 in hashes.items())
    address = index.address.replace("/simple/", "/files/")
    urls = "".join(
        f'{{ url = "{address}{file}", hash = "sha256:{sha256}" }},' for file, sha256 in hashes.items()
    )
    named = 'name = "tally-native"\nversion = "1.0"\n'
    poetry = {
        "dependencies": {"tally-native": "^1"},
        "source": None,
        "extras": None,
        "dev-dependencies": None,
    }
    content = hashlib.sha256(json.dumps(poetry, sort_keys=True).encode()).hexdigest()
    locks = {
        "uv.lock": 'version = 1\n[[package]]\nname = "app"\nversion = "1"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "tally-native" }]\n\n'
        f'[[package]]\n{named}source = {{ registry = "{index.address}" }}\nwheels = [{urls}]\n',
        "poetry.lock": f'[[package]]\n{named}optional = false\npython-versions = "*"\nfiles = [{listed}]\n\n'
        f'[metadata]\nlock-version = "2.1"\npython-versions = ">=3.9"\ncontent-hash = "{content}"\n',
        "pdm.lock": '[metadata]\ngroups = ["default"]\nlock_version = "4.5.0"\ncontent_hash = "sha256:1"\n\n'
        f"[[package]]\n{named}files = [{listed}]\n",
        "pylock.toml": f'lock-version = "1.0"\ncreated-by = "t"\n\n[[packages]]\n{named}wheels = ['
        + "".join(
            f'{{ url = "{address}{file}", hashes = {{ sha256 = "{sha256}" }} }},'
            for file, sha256 in hashes.items()
        )
        + "]\n",
    }
    recipes = []
    for lock, text in locks.items():
        name = lock.partition(".")[0]
        (project / name).mkdir()
        (project / name / lock).write_text(text)
        manifest = '[project]\nname = "app"\nversion = "1"\ndependencies = ["tally-native"]\n'
        if name == "poetry":
            manifest = '[tool.poetry.dependencies]\ntally-native = "^1"\n'
        (project / name / "pyproject.toml").write_text(manifest)
        recipe = RECIPE.replace('"app"', f'"{name}"').replace("requirements.txt", lock)
        recipes.append(project / f"recipes/{name}.toml")
        recipes[-1].write_text(recipe)
    commit(project)
    planned = json.loads(tally_in(project)("plan", *recipes, "--json").succeeded().out)["recipes"]
    for name, told in planned.items():
        fetched = [each["digest"] for each in told["closure"] if each["derivation"].endswith(".whl.drv")]
        assert fetched == [{"sha256": hashes[NATIVE]}], name
    assert len(planned) == len(locks)


def test_a_folder_of_a_repository_and_a_file_of_the_source(
    project: Path, tally_in: TallyIn, tmp_path: Path, repository: Path
) -> None:
    """tally.lock has the hash of the tree, and pip makes a wheel of its folder as of an sdist."""
    own = tmp_path / "own"
    for folder in (own / "app/dist", own / "recipes"):
        folder.mkdir(parents=True)
    run_git(own, "init", "--quiet")
    theirs = own / ".git/theirs"  # of this machine, and so within the source's own repository
    (theirs / "part").mkdir(parents=True)
    run_git(theirs, "init", "--quiet")
    (theirs / "part/setup.py").write_text(SETUP)
    (theirs / "part/tally_sdist.py").write_text("HOW = 'from a commit'\n")
    rev = commit(theirs).strip()
    kept = wheel("of the source")
    (own / "app/dist" / NATIVE).write_bytes(kept)
    (own / "app/app.py").write_text(APP)

    def locked_by(url: str, part: str) -> None:
        (own / "app/pylock.toml").write_text(
            'lock-version = "1.0"\ncreated-by = "a test"\n'
            '[[packages]]\nname = "tally-sdist"\nversion = "2.0"\n'
            f'vcs = {{ type = "git", url = "{url}", commit-id = "{rev}", subdirectory = "{part}" }}\n'
            '[[packages]]\nname = "tally-native"\nversion = "1.0"\n[[packages.wheels]]\n'
            f'name = "{NATIVE}"\npath = "dist/{NATIVE}"\n'
            f'hashes = {{ sha256 = "{hashlib.sha256(kept).hexdigest()}" }}\n'
        )
        commit(own)

    recipe = RECIPE.replace("requirements.txt", "pylock.toml", 1)
    install = f"pip install --quiet --no-deps --target /build/installed dist/{NATIVE}\n"
    run = "PYTHONPATH=/build/installed python3 app.py > $out\n"
    script = recipe.index("python3 app.py")
    (own / "recipes/app.toml").write_text(recipe[:script] + install + run + recipe[recipe.index("'''\n\n") :])
    (own / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())
    tally = tally_in(own)
    locked_by(tmp_path.as_uri(), "part")
    ran = tally("lock").failed(2)
    assert "line 3: tally-sdist is from a repository of this machine, outside of the source's" in ran.err
    locked_by(theirs.as_uri(), "other")
    assert f"the commit {rev[:12]} has no folder other" in tally("lock").failed(2).err
    locked_by(theirs.as_uri(), "part")
    ran = tally("plan", "recipes/app.toml").failed(2)
    assert f"tally.lock has no digest of the tree of tally-sdist at the commit {rev[:12]}" in ran.err
    tally("lock").succeeded()
    assert f"git+{theirs.as_uri()}@{rev}" in (own / "tally.lock").read_text()
    ran = tally("build", "recipes/app.toml", "--no-sign", "--json").succeeded()
    (outcome,) = json.loads(ran.out)["outcomes"]
    assert outcome["outcome"] == "agreed"
    assert b"of the source from a commit True\n" in Path(outcome["artifact"]).read_bytes()
