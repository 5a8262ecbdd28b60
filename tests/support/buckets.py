"""`tally` against a server of S3's, and a user's own calls to it, by AWS's library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouds import AWS, Cloud

if TYPE_CHECKING:
    from tests.conftest import Ran

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
        return json.loads(self.cloud.code(_CALL, self.folder).succeeded().out)[0]

    def make(self, bucket: str, *, locks: bool = True) -> str:
        where = {"LocationConstraint": AWS["AWS_DEFAULT_REGION"]}
        self.call(
            "create_bucket", Bucket=bucket, CreateBucketConfiguration=where, ObjectLockEnabledForBucket=locks
        )
        return bucket

    def keys(self, bucket: str) -> list[str]:
        return [each["Key"] for each in self.call("list_object_versions", Bucket=bucket).get("Versions", ())]
