"""Release keys in clouds' key management, by each cloud's own library.

AWS is moto's server, with one thing mended (see clouds.moto), asked by the real boto3. Vault is a stand-in of
ours, asked by the real hvac. Neither is the service itself. Nobody gives a server for Azure's and Google's:
of these, what their libraries say without one.
"""

from __future__ import annotations

import base64
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import believing
import clouds
import pytest
import strangers
from caches import SigningKey
from clouds import AWS, NOWHERE, Cloud
from projects import Project

from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import PublicKey

_MAKE = """
import sys, boto3
client = boto3.client("kms")
for spec in sys.argv[1:]:
    key = client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    client.create_alias(AliasName="alias/" + spec, TargetKeyId=key["KeyId"])
    print(key["Arn"])
"""

_FILL = """
import pathlib, sys, boto3
client, name, folder = boto3.client("s3"), sys.argv[1], pathlib.Path(sys.argv[2])
client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
for file in folder.rglob("*"):
    if file.is_file():
        client.upload_file(str(file), name, str(file.relative_to(folder)))
"""


@pytest.fixture(scope="module")
def interpreter(session_state: Path) -> Path:
    try:
        return clouds.python(session_state)
    except TallyError as error:
        sys.stderr.write(f"notice: {error.message}\n")
        pytest.skip("the clouds' libraries cannot be had here")


@pytest.fixture(scope="module")
def aws(interpreter: Path, repository: Path, session_state: Path) -> Iterator[Cloud]:
    with clouds.moto(interpreter) as address:
        settings = {**AWS, "AWS_ENDPOINT_URL": address, "TALLY_STATE": str(session_state)}
        yield Cloud(interpreter, repository, settings)


@pytest.fixture(scope="module")
def arns(aws: Cloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    specs = ("ECC_NIST_P256", "ECC_NIST_P384", "RSA_2048")
    made = aws.run("-c", _MAKE, *specs, folder=tmp_path_factory.mktemp("aws")).succeeded()
    return dict(zip(specs, made.out.split(), strict=True))


def test_a_rotation_into_aws(aws: Cloud, arns: dict[str, str], tmp_path: Path) -> None:
    aws.tally("keys", "generate", "old", folder=tmp_path).succeeded()
    address = f"awskms:{arns['ECC_NIST_P256']}"
    tables = aws.tally("keys", "rotate", "old.pub", address, folder=tmp_path).succeeded().out
    aws.tally("keys", "show", address, "--out", "new.pub", folder=tmp_path).succeeded()
    first, second = tomllib.loads(tables)["signer"]
    assert first["key"] == "old.pub"
    assert second["key"] == (tmp_path / "new.pub").read_text()
    assert second["name"] in arns["ECC_NIST_P256"]
    again = aws.tally("keys", "rotate", address, "awskms:alias/ECC_NIST_P256", folder=tmp_path).failed(2)
    assert "is the very key that is to be replaced" in again.err


def test_a_release_by_a_key_in_aws_is_taken_by_everybody(
    aws: Cloud, arns: dict[str, str], project: Project, session_state: Path
) -> None:
    address = f"awskms:{arns['ECC_NIST_P256']}"
    aws.tally("keys", "show", address, "--out", "cloud.pub", folder=project.folder).succeeded()
    pub = project.folder / "cloud.pub"
    (project.folder / "tally.toml").write_text(f'[signing]\nkey = "{address}"\n')
    recipe = project.recipe("clouded", "mkdir $out; echo above > $out/file")
    aws.tally("build", recipe, folder=project.folder).succeeded()
    folder = project.folder / "releases" / "clouded-1.0-x86_64-linux"

    project.tally("verify", folder, "--key", pub).succeeded()
    project.tally("verify", folder, "--key", "release.pub").failed(1)
    strangers.accept(folder, pub, project.folder / "release.pub", session_state)


def test_every_way_to_write_a_key_of_aws(aws: Cloud, arns: dict[str, str], tmp_path: Path) -> None:
    arn = arns["ECC_NIST_P256"]
    key = arn.rpartition("/")[2]
    addresses = (f"awskms:{arn}", f"awskms:///{arn}", f"awskms:{key}", "awskms:alias/ECC_NIST_P256")
    shown = {aws.tally("keys", "show", each, "--json", folder=tmp_path).succeeded().out for each in addresses}
    assert len(shown) == 1


def test_keys_of_aws_that_sign_no_release(aws: Cloud, arns: dict[str, str], tmp_path: Path) -> None:
    for spec, said in (("ECC_NIST_P384", "ecdsa-sha2-nistp384"), ("RSA_2048", "rsassa-pss-sha256")):
        assert f"of another kind: {said}" in aws.refuses(f"awskms:{arns[spec]}", tmp_path)
    assert "alias/nobody is not found" in aws.refuses("awskms:alias/nobody", tmp_path)


def test_a_service_that_signs_something_else_is_found_out(
    interpreter: Path, repository: Path, tmp_path: Path
) -> None:
    """moto as it comes: its signature is over the digest's digest."""
    (tmp_path / "none.toml").write_text("")
    with clouds.moto(interpreter, digests=False) as where:
        settings = {**AWS, "AWS_ENDPOINT_URL": where, "TALLY_STATE": str(tmp_path / "state")}
        cloud = Cloud(interpreter, repository, settings)
        cloud.run("-c", _MAKE, "ECC_NIST_P256", folder=tmp_path).succeeded()
        address = "awskms:alias/ECC_NIST_P256"
        said = cloud.tally("build", "none.toml", "--key", address, folder=tmp_path).failed(2).err
        assert f"what {address} gave is no signature by its public key" in said


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "NoCredentialsError"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "NoRegionError"),
        ({**AWS, "AWS_ENDPOINT_URL": NOWHERE, "AWS_MAX_ATTEMPTS": "1"}, "EndpointConnectionError"),
    ],
    ids=["no credentials", "no region", "nobody there"],
)
def test_aws_that_cannot_be_asked(
    interpreter: Path, repository: Path, tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    cloud = Cloud(interpreter, repository, {"AWS_EC2_METADATA_DISABLED": "true", **environment})
    assert f"awskms:alias/release cannot be used: {said}" in cloud.refuses("awskms:alias/release", tmp_path)


def test_inputs_are_believed_from_a_bucket(aws: Cloud, project: Project, session_state: Path) -> None:
    key = SigningKey("ours-1")
    tools = believing.built_tools(project, session_state)
    tools.cache(key).into(project.folder / "cache")
    aws.run("-c", _FILL, "ours", project.folder / "cache", folder=project.folder).succeeded()
    table = project.folder / "tally.toml"
    table.write_text(believing.inputs_table(key, "s3://ours?region=eu-west-1"))
    build = ("build", "-f", "packages", "hello", "--key", "release.key")
    assert "; 1 believed" in aws.tally(*build, folder=project.folder).succeeded().err
    [release] = project.releases
    folder = project.folder / "releases" / release
    project.tally("verify", folder, "--key", "release.pub").succeeded()
    bundle = json.loads((folder / "attestations/provenance.sigstore.json").read_bytes())
    provenance = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    assert b'"cache":"s3://ours"' in provenance
    assert b"X-Amz" not in provenance

    # as anybody, by an endpoint that the address names
    settings = {"AWS_EC2_METADATA_DISABLED": "true", "TALLY_STATE": str(session_state)}
    public = replace(aws, environment=settings)
    place = aws.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    plan = ("plan", "-f", "packages", "hello")
    table.write_text(believing.inputs_table(key, f"s3://ours?endpoint={place}&scheme=http"))
    assert "1 believed from ours-1 (s3://ours)" in public.tally(*plan, folder=project.folder).succeeded().out

    for address, said in (
        (f"s3://nobodys?endpoint={place}&scheme=http", "s3://nobodys is no binary cache, or does not answer"),
        ("s3://ours?profile=nobody", "the cache s3://ours cannot be asked: ProfileNotFound"),
    ):
        table.write_text(believing.inputs_table(key, address))
        ran = public.tally(*plan, folder=project.folder).failed(2)
        assert said in ran.err
        assert "X-Amz" not in ran.err
    table.write_text(believing.inputs_table(key, "s3://ours"))
    assert "s3://ours needs the package boto3" in project.tally(*plan).failed(2).err


class TestVault:
    """Its keys are Ed25519: securesystemslib's signer takes no others."""

    @pytest.mark.parametrize("address", ["hv:release", "hv:release/10", "hashivault://release"])
    def test_the_newest_version(
        self, interpreter: Path, repository: Path, tmp_path: Path, address: str
    ) -> None:
        with clouds.vault() as (where, keys):
            cloud = Cloud(interpreter, repository, {"VAULT_ADDR": where, "VAULT_TOKEN": clouds.TOKEN})
            cloud.tally("keys", "show", address, "--out", "vault.pub", folder=tmp_path).succeeded()
            public = PublicKey.load(tmp_path / "vault.pub")
            assert public.verifies(keys["10"].sign(b"data"), b"data")
            (tmp_path / "none.toml").write_text("")
            state = {**cloud.environment, "TALLY_STATE": str(tmp_path / "state")}
            signing = Cloud(interpreter, repository, state)
            tried = signing.tally("build", "none.toml", "--key", address, folder=tmp_path).failed(2)
            assert "signatures by an Ed25519 key cannot be entered into a log" in tried.err

    def test_no_such_key_and_no_such_token(self, interpreter: Path, repository: Path, tmp_path: Path) -> None:
        with clouds.vault() as (where, _):
            cloud = Cloud(interpreter, repository, {"VAULT_ADDR": where, "VAULT_TOKEN": clouds.TOKEN})
            assert "hv:other cannot be used: InvalidPath" in cloud.refuses("hv:other", tmp_path)
            assert "is not the newest version" in cloud.refuses("hv:release/9", tmp_path)
            cloud = Cloud(interpreter, repository, {"VAULT_ADDR": where, "VAULT_TOKEN": "stolen"})
            said = cloud.refuses("hv:release", tmp_path)
            assert "hv:release cannot be used: Forbidden" in said
            assert "stolen" not in said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "DefaultCredentialsError",
        ),
        ("azurekms://v.vault.azure.net/release", "cannot be used: "),
    ],
)
def test_google_and_azure_without_credentials(
    interpreter: Path, repository: Path, tmp_path: Path, address: str, said: str
) -> None:
    assert said in Cloud(interpreter, repository, {}).refuses(address, tmp_path)
