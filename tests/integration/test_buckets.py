"""`tally publish` into a bucket with object lock: moto's server, asked by the real boto3."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clouds
import pytest
import releases
from clouds import AWS, Cloud
from releases import Signed

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import Ran

pytestmark = pytest.mark.integration

NAME = "pigz-2.8-x86_64-linux"
LOCKED = ("--retain", "30d", "--mode", "compliance")
_CALL = """
import json, sys, boto3
client, found = boto3.client("s3"), []
for name, arguments in json.load(open("calls.json")):
    answer = getattr(client, name)(**arguments)
    answer.pop("ResponseMetadata", None)
    if "Body" in answer:
        answer["Body"] = answer["Body"].read().decode("latin-1")
    found.append(answer)
print(json.dumps(found, default=str))
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def interpreter(session_state: Path) -> Path:
    try:
        return clouds.python(session_state)
    except TallyError as error:
        sys.stderr.write(f"notice: {error.message}\n")
        pytest.skip("the clouds' libraries cannot be had here")


@pytest.fixture(scope="module")
def address(interpreter: Path) -> Iterator[str]:
    with clouds.moto(interpreter) as found:
        yield found


class Buckets:
    """The server, a user of it, and a folder to be in."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder

    def __call__(self, *words: str | Path, **environment: str) -> Ran:
        cloud = replace(self.cloud, environment={**self.cloud.environment, **environment})
        return cloud.tally(*words, folder=self.folder)

    def call(self, name: str, **arguments: Any) -> Any:
        """One operation of S3's."""
        (self.folder / "calls.json").write_text(json.dumps([(name, arguments)]))
        return json.loads(self.cloud.run("-c", _CALL, folder=self.folder).succeeded().out)[0]

    def make(self, bucket: str, *, locks: bool = True) -> str:
        where = {"LocationConstraint": AWS["AWS_DEFAULT_REGION"]}
        self.call(
            "create_bucket", Bucket=bucket, CreateBucketConfiguration=where, ObjectLockEnabledForBucket=locks
        )
        return bucket

    def keys(self, bucket: str) -> list[str]:
        return [each["Key"] for each in self.call("list_object_versions", Bucket=bucket).get("Versions", ())]


@pytest.fixture
def buckets(
    interpreter: Path, address: str, repository: Path, session_state: Path, tmp_path: Path
) -> Buckets:
    settings = {**AWS, "AWS_ENDPOINT_URL": address, "TALLY_STATE": str(session_state)}
    return Buckets(Cloud(interpreter, repository, settings), tmp_path)


@pytest.fixture
def bucket(buckets: Buckets, request: pytest.FixtureRequest) -> str:
    name = "".join(each for each in request.node.name.lower() if each.isalnum())
    return buckets.make(name[:60])


def files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_there_and_back(buckets: Buckets, bucket: str, release: Signed) -> None:
    where = f"s3://{bucket}/tools/pigz"
    publish = ("publish", release.folder, where, "--key", release.pub, *LOCKED)
    assert buckets(*publish).succeeded().out == f"published: {where}#{NAME}\n"
    keys = buckets.keys(bucket)
    assert sorted(keys) == sorted(
        ["tools/pigz/lock-marker", *(f"tools/pigz/{NAME}/{each}" for each in files(release.folder))]
    )
    head = buckets.call("head_object", Bucket=bucket, Key=f"tools/pigz/{NAME}/release.json")
    assert head["ObjectLockMode"] == "COMPLIANCE"

    for reference in (where, f"{where}#{NAME}", f"{where}/{NAME}"):
        assert "PASSED" in buckets("verify", reference, "--key", release.pub).succeeded().out
    buckets("fetch", where, "--key", release.pub, "--out", "out").succeeded()
    assert files(buckets.folder / "out" / NAME) == files(release.folder)

    assert buckets(*publish).succeeded().out == f"there already: {where}#{NAME}\n"
    assert buckets.keys(bucket) == keys
