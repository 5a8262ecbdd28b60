"""`tally publish RELEASE cache+file:///DIR`: a binary cache that Nix itself proves the quorum by."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nix_versions
import pytest
from believing import built_tools, inputs_table
from caches import SigningKey
from projects import Project
from releases import files

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import TallyIn

pytestmark = pytest.mark.integration

PROGRAM = (
    "mkdir -p $out/bin; printf '#!/bin/sh\\nread w < %s/word; echo $w\\n' $word > $out/bin/say; "
    "chmod +x $out/bin/say"
)
KILLED = """
import os, signal, sys
from orchestrator.caches.writing import BinaryCache
put, left = BinaryCache.{method}, [{calls}]
def dying(self, *arguments):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return put(self, *arguments)
BinaryCache.{method} = dying
sys.argv[0] = "tally"
from orchestrator.cli.main import run
run()
"""


class Made:
    """A release on this machine, and `tally publish` of it."""

    def __init__(self, project: Project, state: Path) -> None:
        self.project, self.state = project, state
        self.release = project.folder / "releases/say-1.0-x86_64-linux"

    def arguments(self, cache: Path, *more: str) -> list[str]:
        key = str(self.project.folder / "release.key")
        return ["publish", str(self.release), f"cache+file://{cache}", "--key", key, *more]

    def publish(self, cache: Path, *more: str) -> Any:
        return self.project.tally(*self.arguments(cache, *more))

    def told(self, cache: Path, *more: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.publish(cache, *more, "--json").succeeded().out)
        return told


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path, session_state: Path
) -> Made:
    folder = tmp_path_factory.mktemp("made")
    project = Project(folder, tally_in(folder), repository)
    project.recipe("word", "mkdir $out; echo said > $out/word")
    project.build(project.recipe("say", PROGRAM, 'inputs = ["word"]\n')).succeeded()
    return Made(project, session_state)


@pytest.fixture(scope="module", params=["installed", "trixie"])
def programs(request: pytest.FixtureRequest, session_state: Path) -> str:
    """A PATH with a Nix: Debian 12's 2.8, or a newer one."""
    if request.param == "installed":
        return os.environ["PATH"]
    try:
        return f"{nix_versions.of_suite(request.param, session_state)}:{os.environ['PATH']}"
    except TallyError as error:
        pytest.skip(f"the Nix of {request.param} cannot be had here: {error.message}")


def nix(path: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": path,
        "HOME": str(folder),
        "NIX_CONF_DIR": str(folder),
        "NIX_CONFIG": "experimental-features = nix-command\nbuild-users-group =\nsubstituters =",
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def package(told: dict[str, Any]) -> str:
    (found,) = (each for each in told["storePaths"] if each.endswith("-say-1.0"))
    return str(found)


def proved(path: str, folder: Path, store: str, keys: list[str], needed: int, target: str) -> bool:
    verify = ["nix", "store", "verify", "--store", store, "--recursive", "--sigs-needed", str(needed)]
    return nix(path, folder, *verify, "--trusted-public-keys", " ".join(keys), target).returncode == 0


def test_nix_proves_the_quorum_and_takes_from_it(made: Made, programs: str, tmp_path: Path) -> None:
    cache, store = tmp_path / "cache", tmp_path / "store"
    told = made.told(cache, "--with-runtime")
    keys, target = told["nixKeys"], package(told)
    assert len(keys) == 3
    assert told["changed"] is True
    assert len(list(cache.glob("*.narinfo"))) == 3, "the artifact, the package and what it refers to"
    copy = ["nix", "copy", "--from", f"file://{cache}", "--to", str(store)]
    unknown = nix(programs, tmp_path, *copy, target)
    assert unknown.returncode != 0
    assert "lacks a" in unknown.stderr, "nobody is trusted yet"
    took = nix(programs, tmp_path, *copy, "--trusted-public-keys", " ".join(keys), target)
    assert took.returncode == 0, took.stderr
    ran = subprocess.run(
        [
            "sh",
            "-c",
            f"read w < {store}$(sed -n 's/read w < //; s/; echo.*//; 2p' {store}{target}/bin/say); echo $w",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "said\n"
    for place in (f"file://{cache}", str(store)):
        assert proved(programs, tmp_path, place, keys, 2, target)
        assert proved(programs, tmp_path, place, keys, 3, target), "two builders and the release's key"
        assert not proved(programs, tmp_path, place, keys, 4, target)
        assert not proved(programs, tmp_path, place, keys[:1], 2, target)
        assert proved(programs, tmp_path, place, keys[:2], 2, target), "the builders alone"


def test_again_changes_nothing(made: Made, tmp_path: Path) -> None:
    first = made.told(tmp_path / "cache")
    before = files(tmp_path / "cache")
    assert len([each for each in before if each.endswith(".narinfo")]) == 2, "without its runtime closure"
    assert made.told(tmp_path / "cache") == {**first, "changed": False}
    assert files(tmp_path / "cache") == before


def test_keys_are_kept_from_others(made: Made, tmp_path: Path) -> None:
    told = made.told(tmp_path / "cache")
    keys = [made.state / f"keys/nix-{name}" for name in ("builder-a", "builder-b", "release")]
    assert [each.with_suffix(".pub").read_text().strip() for each in keys] == told["nixKeys"]
    assert [each.with_suffix(".key").stat().st_mode & 0o777 for each in keys] == [0o600] * 3


def test_signatures_are_merged(made: Made, tmp_path: Path) -> None:
    cache, key = tmp_path / "cache", tmp_path / "other.key"
    made_key = ["nix-store", "--generate-binary-cache-key", "other-1", str(key), f"{key}.pub"]
    assert nix(os.environ["PATH"], tmp_path, *made_key).returncode == 0
    keys = made.told(cache)["nixKeys"]
    told = made.told(cache, "--nix-key", str(key))
    assert told["changed"] is True
    assert told["nixKeys"] == [*keys[:2], Path(f"{key}.pub").read_text().strip()]
    every = sorted({*keys, *told["nixKeys"]})
    (artifact,) = (each for each in told["storePaths"] if each.endswith(".tar.gz"))  # it refers to nothing
    assert proved(os.environ["PATH"], tmp_path, f"file://{cache}", every, 4, artifact)


def test_a_flipped_byte_is_refused_by_nix_and_mended_by_the_same_command(made: Made, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    told = made.told(cache, "--with-runtime")
    before = files(cache)
    for nar in (cache / "nar").iterdir():
        data = bytearray(nar.read_bytes())
        data[len(data) // 2] ^= 1
        nar.write_bytes(data)
    copy = ["nix", "copy", "--from", f"file://{cache}", "--to", str(tmp_path / "store")]
    keys = ["--trusted-public-keys", " ".join(told["nixKeys"])]
    assert nix(os.environ["PATH"], tmp_path, *copy, *keys, package(told)).returncode != 0
    assert made.told(cache, "--with-runtime")["changed"] is True
    assert files(cache) == before


@pytest.mark.parametrize(
    ("method", "calls"), [("put_nar", 0), ("put_nar", 2), ("put_narinfo", 0), ("put_narinfo", 2)]
)
def test_killed_half_way(made: Made, tmp_path: Path, repository: Path, method: str, calls: int) -> None:
    cache = tmp_path / "cache"
    code = KILLED.format(method=method, calls=calls)
    ended = subprocess.run(
        [sys.executable, "-c", code, *made.arguments(cache, "--with-runtime")],
        env={**os.environ, "TALLY_STATE": str(made.state), "PYTHONPATH": str(repository)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    found = [
        f"/nix/store/{line[len('StorePath: /nix/store/') :]}"
        for each in cache.glob("*.narinfo")
        for line in each.read_text().splitlines()
        if line.startswith("StorePath")
    ]
    keys = [
        (made.state / f"keys/nix-{name}.pub").read_text() for name in ("builder-a", "builder-b", "release")
    ]
    assert len(found) == (calls if method == "put_narinfo" else 0)
    for each in found:
        assert proved(os.environ["PATH"], tmp_path, f"file://{cache}", keys, 3, each)
    told = made.told(cache, "--with-runtime")
    assert told["changed"] is True
    assert proved(os.environ["PATH"], tmp_path, f"file://{cache}", keys, 3, package(told))
    assert not [each for each in files(cache) if each.endswith(".tmp")]


@pytest.mark.parametrize("which", ["another path", "another size", "another reference"])
def test_another_object_in_the_way(made: Made, tmp_path: Path, which: str) -> None:
    cache = tmp_path / "cache"
    target = package(made.told(cache))
    narinfo = cache / f"{target[11:43]}.narinfo"
    (other,) = (each for each in cache.glob("*.narinfo") if each != narinfo)
    text = narinfo.read_text()
    altered = {
        "another path": other.read_text(),
        "another size": text.replace("NarSize: ", "NarSize: 1"),
        "another reference": text.replace("References: ", f"References: {target.rsplit('/', 1)[1]} "),
    }
    assert altered[which] != text
    narinfo.write_text(altered[which])
    before = files(cache)
    ran = made.publish(cache).failed(2)
    assert f"{narinfo} is about another object" in ran.err
    assert "nothing in a cache is ever overwritten" in ran.err
    assert files(cache) == before


def test_places_that_are_no_cache(made: Made, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine\n")
    assert "is no Nix binary cache: it has other files" in made.publish(tmp_path / "full").failed(2).err
    (tmp_path / "other").mkdir()
    (tmp_path / "other/nix-cache-info").write_text("StoreDir: /gnu/store\n")
    assert "is a cache of the store '/gnu/store'" in made.publish(tmp_path / "other").failed(2).err
    assert files(tmp_path) == {"full/file": b"mine\n", "other/nix-cache-info": b"StoreDir: /gnu/store\n"}


def test_a_release_that_is_not_built_here(made: Made, tally_in: TallyIn, tmp_path: Path) -> None:
    tally = tally_in(tmp_path, TALLY_STATE=str(tmp_path / "state"))
    ran = tally(*made.arguments(tmp_path / "cache")).failed(2)
    assert "is in no store of the state folder" in ran.err
    assert "tally rebuild" in ran.err
    assert not (tmp_path / "cache").exists()


def test_only_builders_whose_key_signed_the_link_sign(made: Made, tally_in: TallyIn, tmp_path: Path) -> None:
    """The same stores, and one of the keys: who merely has the bytes is no builder of the release."""
    state = tmp_path / "state"
    (state / "keys").mkdir(parents=True)
    (state / "stores").symlink_to(made.state / "stores")
    for half in ("key", "pub"):
        shutil.copy(made.state / f"keys/builder-a.{half}", state / "keys")
    tally = tally_in(tmp_path, TALLY_STATE=str(state))
    ran = tally(*made.arguments(tmp_path / "cache", "--json")).succeeded()
    assert [each.split(":")[0].rsplit("-", 1)[0] for each in json.loads(ran.out)["nixKeys"]] == [
        "tally-builder-a",
        "tally-release",
    ]
    assert "builder b does not sign: links/build." in ran.err


def test_a_builder_whose_store_is_gone_does_not_sign(made: Made, tally_in: TallyIn, tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "stores").mkdir(parents=True)
    (state / "keys").symlink_to(made.state / "keys")
    (state / "stores/a").symlink_to(made.state / "stores/a")
    tally = tally_in(tmp_path, TALLY_STATE=str(state))
    ran = tally(*made.arguments(tmp_path / "cache", "--json")).succeeded()
    keys = json.loads(ran.out)["nixKeys"]
    assert [each.split("-")[1] for each in keys] == ["builder", "release"]
    assert "builder b does not sign: its store is not on this machine" in ran.err
    target = package(json.loads(ran.out))
    assert not proved(os.environ["PATH"], tmp_path, f"file://{tmp_path / 'cache'}", keys, 3, target)


def test_other_bytes_than_the_agreed_ones_are_not_signed(
    made: Made, tally_in: TallyIn, tmp_path: Path
) -> None:
    target = package(made.told(tmp_path / "good"))
    state = tmp_path / "state"
    for path in made.told(tmp_path / "good")["storePaths"]:
        copy = state / "stores/a" / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", f"{made.state}/stores/a{path}", copy], check=True)
    program = state / "stores/a" / target.lstrip("/") / "bin/say"
    program.chmod(0o755)
    program.write_text(program.read_text() + "echo and more\n")
    tally = tally_in(tmp_path, TALLY_STATE=str(state))
    ran = tally(*made.arguments(tmp_path / "cache")).failed(2)
    assert f"{target} in {state}/stores/a has other bytes than the release's builders agreed on" in ran.err
    assert not (tmp_path / "cache").exists()
    assert not (state / "keys").exists(), "no key was made"


def test_believed_inputs_keep_their_signature_and_get_no_builders(
    project: Project, session_state: Path, tmp_path: Path
) -> None:
    tools, theirs = built_tools(project, session_state), SigningKey("ours-1")
    packages = project.folder / "packages/default.nix"
    leaning = 'rec {\n  leaning = package "leaning-1.0" "mkdir $out; echo ${tools} > $out/tools" { };\n'
    packages.write_text(packages.read_text().replace("\nrec {\n", f"\n{leaning}"))
    with tools.cache(theirs).served() as server:
        (project.folder / "tally.toml").write_text(inputs_table(theirs, server.address))
        project.tally("build", "-f", "packages", "leaning", "--key", "release.key").succeeded()
    (release,) = (project.folder / "releases").iterdir()
    publish = ["publish", release, f"cache+file://{tmp_path}/cache", "--key", "release.pub", "--with-runtime"]
    ran = project.tally(*publish).succeeded()
    assert f"1 believed input stays out of the cache, {tools.path} among them" in ran.err
    believed = tmp_path / f"cache/{tools.path[11:43]}.narinfo"
    assert not believed.exists()
    told = json.loads(project.tally(*publish, "--with-believed", "--json").succeeded().out)
    signed = [line.split(":")[1].strip() for line in believed.read_text().splitlines() if "Sig: " in line]
    assert signed == ["ours-1", told["nixKeys"][-1].split(":")[0]]
    keys = [*told["nixKeys"], theirs.text]
    (target,) = (each for each in told["storePaths"] if each.endswith("-leaning-1.0"))
    assert proved(os.environ["PATH"], tmp_path, f"file://{tmp_path}/cache", keys, 2, target)
    builders = told["nixKeys"][:2]
    assert not proved(os.environ["PATH"], tmp_path, f"file://{tmp_path}/cache", builders, 2, target)
