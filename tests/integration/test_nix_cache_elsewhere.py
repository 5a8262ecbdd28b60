"""`tally publish RELEASE cache+https://…` and `cache+s3://…`: caches on servers, which Nix takes from."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clouds
import debians
import pytest
from clouds import AWS, Cloud
from misbehaving import Wrong, proxy
from projects import Project
from releases import files

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import Ran, TallyIn

pytestmark = pytest.mark.integration

PUT = "dav_methods PUT; create_full_put_path on; client_max_body_size 0;"
KEPT = f"{PUT} auth_basic cache; auth_basic_user_file {{}};"

_MAKE = """
import boto3, json
client = boto3.client("s3")
client.create_bucket(Bucket="cache", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
actions = ["s3:GetObject", "s3:HeadObject"]  # the second is moto's own
public = {"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": "arn:aws:s3:::cache/*"}
client.put_bucket_policy(Bucket="cache", Policy=json.dumps({"Version": "2012-10-17", "Statement": [public]}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path) -> Project:
    folder = tmp_path_factory.mktemp("made")
    made = Project(folder, tally_in(folder), repository)
    made.recipe("word", "mkdir $out; echo said > $out/word")
    program = "mkdir -p $out; ln -s $word/word $out/word; head -c 6000000 /dev/zero > $out/large"
    made.build(made.recipe("say", program, 'inputs = ["word"]\n')).succeeded()
    return made


@pytest.fixture(scope="module")
def nginx(session_state: Path) -> debians.Program:
    try:
        return debians.nginx(session_state)
    except TallyError as error:
        pytest.skip(f"nginx cannot be had here: {error.message}")


@pytest.fixture(scope="module")
def interpreter(session_state: Path) -> Path:
    try:
        return clouds.python(session_state)
    except TallyError as error:
        pytest.skip(f"the clouds' libraries cannot be had here: {error.message}")


def arguments(project: Project, where: str, *more: str) -> list[str]:
    release, key = project.folder / "releases/say-1.0-x86_64-linux", project.folder / "release.key"
    return ["publish", str(release), f"cache+{where}", "--key", str(key), "--with-runtime", *more]


def taken(address: str, told: dict[str, Any], folder: Path) -> None:
    """By the Nix of this machine, with the builders' and the release's signatures proved."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "NIX_CONF_DIR": str(folder),
        "NIX_CONFIG": "experimental-features = nix-command\nbuild-users-group =\nsubstituters =",
    }
    (target,) = (each for each in told["storePaths"] if each.endswith("-say-1.0"))
    keys = ["--trusted-public-keys", " ".join(told["nixKeys"])]
    for command in (
        ["copy", "--from", address, "--to", str(folder / "store"), *keys, target],
        ["store", "verify", "--store", address, "--recursive", "--sigs-needed", "3", *keys, target],
    ):
        ran = subprocess.run(["nix", *command], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    assert (folder / "store" / target.lstrip("/") / "large").stat().st_size == 6_000_000


class TestServer:
    def test_there_and_taken(self, project: Project, nginx: debians.Program, tmp_path: Path) -> None:
        www = tmp_path / "www"
        www.mkdir()
        with debians.served(nginx, www, tmp_path / "nginx", PUT) as address:
            told = json.loads(project.tally(*arguments(project, address, "--json")).succeeded().out)
            assert told["changed"] is True
            before = files(www)
            assert sum(each.endswith(".narinfo") for each in before) == 3
            taken(address.rstrip("/"), told, tmp_path)
            again = json.loads(project.tally(*arguments(project, address, "--json")).succeeded().out)
            assert again == {**told, "changed": False}
            assert files(www) == before

            (nar, *_) = (each for each in before if each.startswith("nar/"))
            (www / nar).write_bytes(before[nar][:-1])
            assert "published" in project.tally(*arguments(project, address)).succeeded().out
            assert files(www) == before

    def test_by_the_users_password(self, project: Project, nginx: debians.Program, tmp_path: Path) -> None:
        www = tmp_path / "www"
        www.mkdir()
        (tmp_path / "users").write_text("me:{PLAIN}secret\n")
        settings = KEPT.format(tmp_path / "users")
        with debians.served(nginx, www, tmp_path / "nginx", settings) as address:
            ran = project.tally(*arguments(project, address), environment={"HOME": str(tmp_path)}).failed(2)
            assert "HTTP status 401" in ran.err
            assert "hint: put your user and password for it into ~/.netrc" in ran.err
            (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
            (tmp_path / ".netrc").chmod(0o600)
            project.tally(*arguments(project, address), environment={"HOME": str(tmp_path)}).succeeded()
        assert (www / "nix-cache-info").exists()

    @pytest.mark.parametrize("wrong", [Wrong(500), Wrong(507), Wrong(403), Wrong(cut=True, status=201)])
    def test_what_stops_goes_on(
        self, project: Project, nginx: debians.Program, tmp_path: Path, wrong: Wrong
    ) -> None:
        www, puts = tmp_path / "www", []
        www.mkdir()

        def rule(method: str, path: str) -> Wrong | None:
            if method == "PUT":
                puts.append(path)
            return wrong if method == "PUT" and len(puts) > 3 else None

        with debians.served(nginx, www, tmp_path / "nginx", PUT) as address:
            with proxy(address.removesuffix("/releases/"), rule) as bad:
                ran = project.tally(*arguments(project, f"{bad}/releases")).failed(2)
            said = (
                "does not take",
                "cannot be reached",
                "did not come back",
            )  # the last: it said that it kept it
            assert any(each in ran.err for each in said)
            assert len(list(www.glob("*.narinfo"))) == 0
            project.tally(*arguments(project, address)).succeeded()
        assert len(list(www.glob("*.narinfo"))) == 3

    def test_a_server_that_keeps_no_nars(
        self, project: Project, nginx: debians.Program, tmp_path: Path
    ) -> None:
        """It says that it took them: nothing makes them found."""
        www = tmp_path / "www"
        www.mkdir()

        def rule(method: str, path: str) -> Wrong | None:
            return Wrong(201) if method == "PUT" and "/nar/" in path else None

        with (
            debians.served(nginx, www, tmp_path / "nginx", PUT) as address,
            proxy(address.removesuffix("/releases/"), rule) as lying,
        ):
            ran = project.tally(*arguments(project, f"{lying}/releases")).failed(2)
        assert "did not come back from" in ran.err
        assert list(files(www)) == ["nix-cache-info"]

    def test_a_rate_limit(self, project: Project, nginx: debians.Program, tmp_path: Path) -> None:
        www, asked = tmp_path / "www", []
        www.mkdir()

        def rule(method: str, path: str) -> Wrong | None:
            asked.append(path)
            return Wrong(429, headers={"Retry-After": "0"}) if len(asked) % 2 else None

        with debians.served(nginx, www, tmp_path / "nginx", PUT) as address:
            with proxy(address.removesuffix("/releases/"), rule) as busy:
                project.tally(*arguments(project, f"{busy}/releases")).succeeded()

            def closed(method: str, path: str) -> Wrong | None:
                return Wrong(429, headers={"Retry-After": "4000"})

            with proxy(address.removesuffix("/releases/"), closed) as closed_for_long:
                ran = project.tally(*arguments(project, f"{closed_for_long}/releases")).failed(2)
            assert "HTTP status 429, Retry-After: 4000" in ran.err

    def test_addresses_that_are_none(self, project: Project, tmp_path: Path) -> None:
        for where, said in (
            ("http://cache.example.org/x", "has no TLS"),
            ("https://me:secret@cache.example.org/x", "it has a user or a password in it"),
            ("https://cache.example.org/x?a=b", "names no cache"),
            ("http://127.0.0.1:9/x", "cannot be reached"),
        ):
            ran = project.tally(*arguments(project, where)).failed(2)
            assert said in ran.err
            assert "secret" not in ran.err


class TestBucket:
    @pytest.fixture
    def address(self, interpreter: Path) -> Iterator[str]:
        with clouds.moto(interpreter) as found:
            yield found

    @pytest.fixture
    def cloud(self, interpreter: Path, address: str, repository: Path, session_state: Path) -> Cloud:
        settings = {**AWS, "TALLY_STATE": str(session_state)}
        return Cloud(interpreter, repository, settings)

    def make(self, cloud: Cloud, address: str, folder: Path) -> None:
        """One that anybody may read."""
        with_address = replace(cloud, environment={**cloud.environment, "AWS_ENDPOINT_URL": address})
        with_address.run("-c", _MAKE, folder=folder).succeeded()

    def test_there_and_taken(self, project: Project, cloud: Cloud, address: str, tmp_path: Path) -> None:
        where = f"s3://cache?region=eu-west-1&endpoint={address.removeprefix('http://')}&scheme=http"

        def publish(*more: str) -> Ran:
            return cloud.tally(*arguments(project, where, *more), folder=tmp_path)

        assert "there is no such bucket" in publish().failed(2).err
        self.make(cloud, address, tmp_path)
        told = json.loads(publish("--json").succeeded().out)
        assert told["changed"] is True
        taken(f"{address}/cache", told, tmp_path)
        assert json.loads(publish("--json").succeeded().out) == {**told, "changed": False}

    def test_a_bucket_with_other_objects(
        self, project: Project, cloud: Cloud, address: str, tmp_path: Path
    ) -> None:
        self.make(cloud, address, tmp_path)
        settings = {**cloud.environment, "AWS_ENDPOINT_URL": address}
        code = 'import boto3; boto3.client("s3").put_object(Bucket="cache", Key="mine", Body=b"x")'
        cloud = replace(cloud, environment=settings)
        cloud.run("-c", code, folder=tmp_path).succeeded()
        ran = cloud.tally(*arguments(project, "s3://cache"), folder=tmp_path).failed(2)
        assert "s3://cache is no Nix binary cache: it has other files" in ran.err
        ran = cloud.tally(*arguments(project, "s3://cache/x"), folder=tmp_path).failed(2)
        assert "is no cache in a bucket" in ran.err
