"""`tally publish` into seaweedfs, whose locks were once claimed and not kept (its issue 7194)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import clouds
import pytest
import releases
import seaweed
from buckets import Buckets
from clouds import AWS, Cloud
from projects import Project
from releases import Signed, files

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import TallyIn

pytestmark = pytest.mark.integration

NAME = "pigz-2.8-x86_64-linux"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def interpreter(session_state: Path) -> Path:
    try:
        return clouds.python(session_state)
    except TallyError as error:
        pytest.skip(f"the clouds' libraries cannot be had here: {error.message}")


@pytest.fixture(scope="module")
def address(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        weed = seaweed.program(session_state)
    except TallyError as error:
        sys.stderr.write(f"notice: {error.message}\n")
        pytest.skip("seaweedfs cannot be had here")
    with seaweed.running(weed, tmp_path_factory.mktemp("seaweedfs") / "data") as found:
        yield found


@pytest.fixture
def buckets(
    interpreter: Path, address: str, repository: Path, session_state: Path, tmp_path: Path
) -> Buckets:
    settings = {**AWS, "AWS_ENDPOINT_URL": address, "TALLY_STATE": str(session_state)}
    return Buckets(Cloud(interpreter, repository, settings), tmp_path)


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_locked_there_and_back(buckets: Buckets, release: Signed, mode: str) -> None:
    bucket = buckets.make(mode)
    where = f"s3://{bucket}/tools"
    publish = ("publish", release.folder, where, "--key", release.pub, "--retain", "2d", "--mode", mode)
    assert buckets(*publish).succeeded().out == f"published: {where}#{NAME}\n"
    keys = buckets.keys(bucket)
    head = buckets.call("head_object", Bucket=bucket, Key=f"tools/{NAME}/release.json")
    assert head["ObjectLockMode"] == mode.upper()
    assert "PASSED" in buckets("verify", where, "--key", release.pub).succeeded().out
    buckets("fetch", where, "--key", release.pub, "--out", "out").succeeded()
    assert files(buckets.folder / "out" / NAME) == files(release.folder)
    assert buckets(*publish).succeeded().out == f"there already: {where}#{NAME}\n"
    assert buckets.keys(bucket) == keys


def test_what_is_put_on_top(buckets: Buckets, release: Signed) -> None:
    bucket = buckets.make("ontop")
    where = f"s3://{bucket}/p"
    locked = ("--retain", "2d", "--mode", "governance")
    buckets("publish", release.folder, where, "--key", release.pub, *locked).succeeded()
    artifact, index = f"p/{NAME}/{release.artifact.name}", f"p/{NAME}/release.json"
    buckets.call("put_object", Bucket=bucket, Key=artifact, Body="x" * release.artifact.stat().st_size)
    buckets.call("put_object", Bucket=bucket, Key=index, Body="{}")
    buckets("fetch", f"{where}#{NAME}", "--key", release.pub, "--out", "out").succeeded()
    assert files(buckets.folder / "out" / NAME) == files(release.folder)


def test_without_locks(buckets: Buckets, release: Signed) -> None:
    bucket = buckets.make("mutable", locks=False)
    publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub)
    assert "has no versioning and no object lock" in buckets(*publish).failed(2).err
    buckets(*publish, "--allow-mutable").succeeded()
    assert "PASSED" in buckets("verify", f"s3://{bucket}/p", "--key", release.pub).succeeded().out


def test_a_cache_and_a_rebuild(
    buckets: Buckets, address: str, tally_in: TallyIn, repository: Path, tmp_path: Path
) -> None:
    """A release of this machine: its store paths into a Nix cache, and made again from a bucket."""
    folder = tmp_path / "project"
    folder.mkdir()
    project = Project(folder, tally_in(folder), repository)
    project.build(project.recipe("word", "mkdir $out; echo said > $out/word")).succeeded()
    release, key = folder / "releases/word-1.0-x86_64-linux", folder / "release.key"
    buckets.make("cache", locks=False)
    where = f"cache+s3://cache?endpoint={address.removeprefix('http://')}&scheme=http"
    told = json.loads(buckets("publish", release, where, "--key", key, "--json").succeeded().out)
    (target,) = (each for each in told["storePaths"] if each.endswith("-word-1.0"))
    keys = ["--trusted-public-keys", " ".join(told["nixKeys"])]
    verify = ["nix", "store", "verify", "--store", f"{address}/cache", "--recursive", "--sigs-needed", "3"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NIX_CONF_DIR": str(tmp_path),
        "NIX_CONFIG": "experimental-features = nix-command\nbuild-users-group =\nsubstituters =",
    }
    ran = subprocess.run(
        [*verify, *keys, target], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr

    bucket = buckets.make("rebuilt")
    locked = ("--retain", "2d", "--mode", "governance")
    buckets("publish", release, f"s3://{bucket}/p", "--key", key, *locked).succeeded()
    rebuilt = buckets("rebuild", f"s3://{bucket}/p", "--publisher", folder / "release.pub")
    assert "REPRODUCED" in rebuilt.succeeded().out
