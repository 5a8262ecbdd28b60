"""`tally publish` into a bucket with object lock: moto's server, asked by the real boto3."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import clouds
import pytest
import releases
from buckets import Buckets
from clouds import AWS, NOWHERE, Cloud
from misbehaving import Wrong, proxy
from releases import Signed, files

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey

if TYPE_CHECKING:
    from tests.conftest import Tally

pytestmark = pytest.mark.integration

NAME = "pigz-2.8-x86_64-linux"
LOCKED = ("--retain", "30d", "--mode", "compliance")
_SIGNED = """
import hashlib, sys
from orchestrator.publishing.objects.bucket import Bucket
from orchestrator.publishing.reference import parse
bucket, data = Bucket(parse(sys.argv[1]), publish=True), b"small"
def tell(request, **_):
    said = request.headers["X-Amz-Content-SHA256"].decode()
    signed = b"x-amz-checksum-crc32" in request.headers["Authorization"]
    kind = "hashed" if said == hashlib.sha256(data).hexdigest() else said
    print(kind, signed, bucket._client.meta.config.s3["addressing_style"])
bucket._client.meta.events.register("before-send.s3.PutObject", tell)
assert bucket.put_first(sys.argv[2], data, None)
"""
_LARGE = """
import hashlib, resource, sys
from datetime import UTC, datetime, timedelta
from orchestrator.ground.digest import Sha256
from orchestrator.publishing.objects.bucket import Bucket
from orchestrator.publishing.objects.retention import Lock, Mode
from orchestrator.publishing.reference import parse
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bucket, block = Bucket(parse(sys.argv[1]), publish=True), bytes(range(256)) * 4096
lock = Lock(datetime.now(UTC) + timedelta(days=2), Mode.GOVERNANCE)
whole, found = hashlib.sha256(), hashlib.sha256()
before = peak()
for _ in range(200):
    whole.update(block)
digest = Sha256(whole.hexdigest())
bucket.put("large", 200 << 20, digest, lambda: iter([block] * 200), lock)
bucket.hold("large", None, lock)
told = bucket.told("large")
assert told.sha256 == digest.hex and told.mode == "GOVERNANCE", told
for chunk in bucket.read("large", told.id):
    found.update(chunk)
assert found.digest() == whole.digest()
assert not bucket.deletes("large", told.id)
print((peak() - before) // 1024)
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


def test_there_and_back(buckets: Buckets, bucket: str, release: Signed) -> None:
    where = f"s3://{bucket}/tools/pigz"
    location = f"https://releases.example.org/tools/pigz/{NAME}/"
    key = release.pub.with_suffix(".key")
    publish = ("publish", release.folder, where, "--key", key, "--location", location, *LOCKED)
    assert buckets(*publish).succeeded().out == f"published: {where}#{NAME}\n"
    keys = buckets.keys(bucket)
    assert sorted(keys) == sorted(
        ["tools/pigz/lock-marker", f"tools/pigz/{NAME}.locations.sigstore.json"]
        + [f"tools/pigz/{NAME}/{each}" for each in files(release.folder)]
    )
    head = buckets.call("head_object", Bucket=bucket, Key=f"tools/pigz/{NAME}/release.json")
    assert head["ObjectLockMode"] == "COMPLIANCE"

    for reference in (where, f"{where}#{NAME}", f"{where}/{NAME}"):
        assert "PASSED" in buckets("verify", reference, "--key", release.pub).succeeded().out
    buckets("fetch", where, "--key", release.pub, "--out", "out").succeeded()
    assert files(buckets.folder / "out" / NAME) == files(release.folder)

    assert buckets(*publish).succeeded().out == f"there already: {where}#{NAME}\n"
    assert buckets.keys(bucket) == keys


def published(buckets: Buckets, bucket: str) -> bool:
    """Whether anybody would find it."""
    return any(each.endswith("release.json") for each in buckets.keys(bucket))


class TestLocks:
    @pytest.mark.parametrize(
        ("mode", "lie"),
        [
            ("governance", Wrong(asking={"x-amz-bypass-governance-retention": "true"})),
            ("compliance", Wrong(status=204)),
        ],
    )
    def test_a_server_that_lets_go(
        self, buckets: Buckets, bucket: str, address: str, release: Signed, mode: str, lie: Wrong
    ) -> None:
        def rule(method: str, path: str) -> Wrong | None:
            return lie if method == "DELETE" else None

        with proxy(address, rule) as lying:
            publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub)
            ran = buckets(*publish, "--retain", "30d", "--mode", mode, AWS_ENDPOINT_URL=lying).failed(1)
        assert f"s3://{bucket} claims to lock objects, and let one be deleted" in ran.err
        assert ran.out == ""
        assert not published(buckets, bucket)
        assert (
            "there is no release" in buckets("verify", f"s3://{bucket}/p", "--key", release.pub).failed(2).err
        )

    def test_a_server_that_forgets(
        self, buckets: Buckets, bucket: str, address: str, release: Signed
    ) -> None:
        with proxy(address, lambda *_: Wrong(without=("x-amz-object-lock",))) as forgetful:
            publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub)
            ran = buckets(*publish, *LOCKED, AWS_ENDPOINT_URL=forgetful).failed(1)
        assert "does not say that it is locked as asked" in ran.err
        assert not published(buckets, bucket)

    def test_a_bucket_without(self, buckets: Buckets, release: Signed) -> None:
        bucket = buckets.make("mutable", locks=False)
        publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub)
        ran = buckets(*publish, *LOCKED).failed(2)
        assert "s3://mutable has no versioning and no object lock" in ran.err
        assert "leave --retain and --mode out" in buckets(*publish, *LOCKED, "--allow-mutable").failed(2).err
        assert buckets.keys(bucket) == []
        buckets(*publish, "--allow-mutable").succeeded()
        artifact = f"p/{NAME}/{release.artifact.name}"
        buckets.call("put_object", Bucket=bucket, Key=artifact, Body="x" * release.artifact.stat().st_size)
        fetched = buckets("fetch", f"s3://{bucket}/p", "--key", release.pub, "--out", "out").failed(1)
        assert "digest-mismatch" in fetched.out
        assert not (buckets.folder / "out" / NAME).exists()
        buckets.call("delete_object", Bucket=bucket, Key=artifact)
        assert "file-missing" in buckets("verify", f"s3://{bucket}/p", "--key", release.pub).failed(1).out
        assert "published" in buckets(*publish, "--allow-mutable").succeeded().out
        buckets("verify", f"s3://{bucket}/p", "--key", release.pub).succeeded()

    def test_how_long_is_not_said(self, buckets: Buckets, bucket: str, release: Signed) -> None:
        publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub)
        assert "--retain is missing" in buckets(*publish).failed(2).err
        assert (
            "is over already"
            in buckets(*publish, "--retain", "2020-01-01", "--mode", "governance").failed(2).err
        )
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}
        buckets.call(
            "put_object_lock_configuration",
            Bucket=bucket,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
        )
        buckets(*publish).succeeded()
        key = f"p/{NAME}/release.json"
        assert buckets.call("head_object", Bucket=bucket, Key=key)["ObjectLockMode"] == "GOVERNANCE"
        # longer, and by nobody: each object is held, and none is put again
        keys = [each for each in buckets.keys(bucket) if "marker" not in each]
        buckets(*publish, *LOCKED).succeeded()
        assert buckets.call("head_object", Bucket=bucket, Key=key)["ObjectLockMode"] == "COMPLIANCE"
        assert [each for each in buckets.keys(bucket) if "marker" not in each] == keys


def test_what_is_put_on_top(buckets: Buckets, bucket: str, release: Signed, tmp_path: Path) -> None:
    """By somebody who may write: the versions below are locked, and are what is fetched."""
    where = f"s3://{bucket}/p"
    publish = ("publish", release.folder, where, "--key", release.pub, *LOCKED)
    buckets(*publish).succeeded()
    artifact, index = f"p/{NAME}/{release.artifact.name}", f"p/{NAME}/release.json"
    buckets.call("put_object", Bucket=bucket, Key=artifact, Body="x" * release.artifact.stat().st_size)
    buckets.call("put_object", Bucket=bucket, Key=index, Body="{}")
    buckets.call("delete_object", Bucket=bucket, Key=f"p/{NAME}/links/root.layout")
    buckets("fetch", f"{where}#{NAME}", "--key", release.pub, "--out", "out").succeeded()
    assert files(buckets.folder / "out" / NAME) == files(release.folder)
    assert buckets(*publish).succeeded().out == f"published: {where}#{NAME}\n"
    shown = buckets.call("get_object", Bucket=bucket, Key=index)["Body"]
    assert shown.encode("latin-1") == (release.folder / "release.json").read_bytes()

    other = releases.signed(tmp_path / "other")
    ran = buckets("publish", other.folder, where, "--key", other.pub, *LOCKED).failed(2)
    assert f"{where} has another release named {NAME}" in ran.err


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(500),
        Wrong(403, "QuotaExceeded"),
        Wrong(400, "ExpiredToken"),
        Wrong(503, "SlowDown", headers={"Retry-After": "4000"}),
        Wrong(cut=True, status=200),
    ],
)
def test_what_stops_goes_on(
    buckets: Buckets, bucket: str, address: str, release: Signed, wrong: Wrong
) -> None:
    puts: list[str] = []

    def rule(method: str, path: str) -> Wrong | None:
        if method == "PUT":
            puts.append(path)
        return wrong if method == "PUT" and len(puts) > 9 else None

    def counting(method: str, path: str) -> None:
        if method == "PUT":
            puts.append(path)

    publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub, *LOCKED)
    with proxy(address, rule) as bad:
        ran = buckets(*publish, AWS_ENDPOINT_URL=bad, AWS_MAX_ATTEMPTS="1").failed(2)
    assert f"s3://{bucket} does" in ran.err or f"s3://{bucket}/" in ran.err
    assert "goes on where it stopped" in ran.err or "run the command again" in ran.err
    assert not published(buckets, bucket)
    puts.clear()
    with proxy(address, counting) as good:
        buckets(*publish, AWS_ENDPOINT_URL=good).succeeded()
    assert len(puts) == len(files(release.folder)) + 1 - 9


def test_busy_now_and_then(buckets: Buckets, bucket: str, address: str, release: Signed) -> None:
    """AWS's library asks again, and each file is put once."""
    asked: list[str] = []

    def rule(method: str, path: str) -> Wrong | None:
        asked.append(path)
        busy = Wrong(503, "SlowDown", headers={"Retry-After": "1"})
        return busy if len(asked) % 20 == 0 else None

    with proxy(address, rule) as busy:
        publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub, *LOCKED)
        buckets(*publish, AWS_ENDPOINT_URL=busy).succeeded()
    assert len(asked) > 50
    assert len(buckets.keys(bucket)) == len(files(release.folder)) + 1


def test_429_as_long_as_it_asks_for(buckets: Buckets, bucket: str, address: str, release: Signed) -> None:
    """A server that has us wait is waited for; who waits long is told, and nobody waits for an hour."""
    asked: list[str] = []

    def rule(method: str, path: str) -> Wrong | None:
        asked.append(path)
        wait = {5: "3", 12: "1"}.get(len(asked))
        return Wrong(429, "TooManyRequests", headers={"Retry-After": wait}) if wait else None

    publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub, *LOCKED)
    with proxy(address, rule) as busy:
        ran = buckets(*publish, AWS_ENDPOINT_URL=busy, AWS_MAX_ATTEMPTS="1").succeeded()
    assert ran.err.count("answers 429 and has us wait for 3 s") == 1
    assert len(buckets.keys(bucket)) == len(files(release.folder)) + 1
    hour = Wrong(429, "TooManyRequests", headers={"Retry-After": "3600"})
    with proxy(address, lambda *_: hour) as closed:
        ran = buckets("fetch", f"s3://{bucket}/p", "--key", release.pub, AWS_ENDPOINT_URL=closed).failed(2)
    assert "has others wait longer than anybody waits here (Retry-After: 3600)" in ran.err


def test_an_object_whose_metadata_lies(buckets: Buckets, bucket: str, release: Signed) -> None:
    """Put there before a release, it is not taken for the file; put on top of one, it is found out."""
    name = "attestations/provenance.sigstore.json"
    data = (release.folder / name).read_bytes()
    lie = {
        "Bucket": bucket,
        "Key": f"p/{NAME}/{name}",
        "Body": "x" * len(data),
        "Metadata": {"sha256": Sha256.of(data).hex},
    }
    buckets.call("put_object", **lie)
    where = f"s3://{bucket}/p"
    publish = ("publish", release.folder, where, "--key", release.pub, *LOCKED)
    buckets(*publish).succeeded()
    buckets("verify", where, "--key", release.pub).succeeded()
    buckets.call("put_object", **lie)
    buckets(*publish).succeeded()
    buckets("fetch", where, "--key", release.pub, "--out", "out").succeeded()
    assert (buckets.folder / "out" / NAME / name).read_bytes() == data


def test_a_fetch_that_stops(buckets: Buckets, bucket: str, address: str, release: Signed) -> None:
    where = f"s3://{bucket}/p"
    buckets("publish", release.folder, where, "--key", release.pub, *LOCKED).succeeded()
    for wrong, said in (
        (Wrong(cut=True), "stopped in the middle"),
        (Wrong(403, "AccessDenied"), "AccessDenied"),
        (Wrong(503, "SlowDown"), "SlowDown"),
    ):

        def rule(method: str, path: str, wrong: Wrong = wrong) -> Wrong | None:
            asked = f"/p/{NAME}/" in path and "release.json" not in path
            return wrong if method == "GET" and asked else None

        with proxy(address, rule) as bad:
            settings = {"AWS_ENDPOINT_URL": bad, "AWS_MAX_ATTEMPTS": "1"}
            ran = buckets("fetch", where, "--key", release.pub, "--out", "out", **settings)
        assert said in ran.failed(2).err
        assert not list((buckets.folder / "out").iterdir())


def test_what_cannot_be_asked(
    buckets: Buckets, bucket: str, address: str, release: Signed, tally: Tally
) -> None:
    publish = ("publish", release.folder, f"s3://{bucket}/p", "--key", release.pub, *LOCKED)
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    assert "there are no credentials to publish" in buckets(*publish, **none).failed(2).err
    nobody = {"AWS_ENDPOINT_URL": NOWHERE, "AWS_MAX_ATTEMPTS": "1"}
    assert "EndpointConnectionError" in buckets(*publish, **nobody).failed(2).err
    elsewhere = ("publish", release.folder, "s3://nobodys-bucket/p", "--key", release.pub, *LOCKED)
    ran = buckets(*elsewhere).failed(2)
    assert "s3://nobodys-bucket cannot be asked: there is no such bucket" in ran.err
    plain = {"AWS_ENDPOINT_URL": "http://bucket.example.org"}
    assert "has no TLS" in buckets(*publish, **plain).failed(2).err
    with proxy(address, lambda *_: Wrong(403, "AccessDenied")) as closed:
        ran = buckets(*publish, AWS_ENDPOINT_URL=closed).failed(2)
    assert "hint: see whose credentials are found" in ran.err
    assert "needs the package boto3" in tally(*publish).failed(2).err
    assert buckets.keys(bucket) == []


def test_a_large_file_goes_in_parts(buckets: Buckets, bucket: str) -> None:
    grown = buckets.cloud.run("-c", _LARGE, f"s3://{bucket}/p", folder=buckets.folder).succeeded()
    assert int(grown.out) < 150  # of 200 MiB


def test_a_large_artifact_goes_as_its_file(buckets: Buckets, bucket: str, tmp_path: Path) -> None:
    made, key = releases.observed(tmp_path / "in", content=bytes(range(256)) * 66_000), SigningKey.generate()
    _, pub = key.write(tmp_path / "large")
    large = releases.published(tmp_path / "published", made, key, releases.builder_keys(made)).path
    buckets("publish", large, f"s3://{bucket}/p", "--key", pub, *LOCKED).succeeded()
    artifact = f"p/{NAME}/{NAME}.tar.gz"
    head = buckets.call("head_object", Bucket=bucket, Key=artifact)
    assert (head["ObjectLockMode"], head["ContentLength"]) == ("COMPLIANCE", 66_000 * 256)
    assert head["ETag"].endswith('-2"'), "it has two parts"
    buckets("fetch", f"s3://{bucket}/p", "--key", pub, "--out", "out").succeeded()
    assert files(buckets.folder / "out" / NAME) == files(large)


def test_what_is_sent_is_hashed_for_its_signature_where_the_user_says_so(
    buckets: Buckets, bucket: str, tmp_path: Path
) -> None:
    """Some buckets' policies ask for it; its checksum is signed in any case."""
    own = tmp_path / "config"
    for text, expected in (("", "UNSIGNED-PAYLOAD"), ("  payload_signing_enabled = true\n", "hashed")):
        own.write_text(f"[default]\ns3 =\n  addressing_style = path\n{text}")
        cloud = replace(buckets.cloud, environment={**buckets.cloud.environment, "AWS_CONFIG_FILE": str(own)})
        ran = cloud.run("-c", _SIGNED, f"s3://{bucket}/p", expected, folder=buckets.folder).succeeded()
        assert ran.out == f"{expected} True path\n"
