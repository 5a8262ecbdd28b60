"""A release by an identity in a registry: who logs in signs where it is, and cosign verifies by identity."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import debians
import pytest
import releases
import strangers
from instances import ALICE, PrivateInstance
from registries import FakeRegistry

from orchestrator.evidence.terms import LOCATIONS
from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

pytestmark = pytest.mark.integration

NAME = "pigz-2.8-x86_64-linux"
RELEASE = "https://in-toto.io/attestation/release/v0.1"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateInstance]:
    with PrivateInstance.running(tmp_path_factory.mktemp("instance")) as found:
        yield found


@pytest.fixture(scope="module")
def release(instance: PrivateInstance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    made = releases.observed(folder / "in")
    return releases.published(folder / "out", made, instance.signer(), releases.builder_keys(made)).path


@pytest.fixture
def tally(instance: PrivateInstance, tally_in: TallyIn, tmp_path: Path) -> Tally:
    """In a folder whose configuration names the instance."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "tally.toml").write_text(f'[signing.keyless]\ninstance = "{instance.config()}"\n')
    return tally_in(folder)


def whom(instance: PrivateInstance) -> list[str | Path]:
    return ["--identity", ALICE, "--issuer", instance.oidc.issuer, "--trusted-root", instance.root_file()]


def test_by_cosign(
    tally: Tally, instance: PrivateInstance, release: Path, session_state: Path, tmp_path: Path
) -> None:
    try:
        server, cosign = debians.docker_registry(session_state), strangers.cosign(session_state)
    except TallyError as error:
        pytest.skip(f"not asked: {error.message}")
    with debians.registry(server, tmp_path / "registry") as host:
        publish = ["publish", release, f"oci://{host}/pigz", *whom(instance), "--keyless"]
        token = ["--identity-token-fd", "0"]
        ran = tally(*publish, *token, stdin=instance.oidc.token()).succeeded()
        assert f"where the release is published will be signed by {ALICE}" in ran.err
        assert "builds" not in ran.err
        again = tally(*publish, *token, stdin=instance.oidc.token()).succeeded()
        assert again.out == f"there already: oci://{host}/pigz:{NAME}\n"
        for kind in (*strangers.TYPES.values(), RELEASE):
            for who, expected in ((ALICE, True), ("bob@example.org", False)):
                code, said = strangers.cosign_attestation_by(
                    cosign,
                    (who, instance.oidc.issuer),
                    instance.root_file(),
                    kind,
                    f"{host}/pigz:{NAME}",
                    tmp_path,
                )
                assert (code == 0) == expected, f"{kind} by {who}: {said}"


def test_another_identity_signs_for_itself(
    tally: Tally, instance: PrivateInstance, release: Path, tmp_path: Path
) -> None:
    """The locations that one person signed are not passed on by another's word."""
    publish = ["publish", release, f"dir:{tmp_path}/www", *whom(instance), "--keyless"]
    token = ["--identity-token-fd", "0"]
    first = [*publish, "--location", "https://a.example.org/r/", *token]
    tally(*first, stdin=instance.oidc.token()).succeeded()
    more = [*publish, "--location", "https://b.example.org/r/", *token]
    locations = tmp_path / "www" / f"{NAME}__locations.sigstore.json"
    tally(*more, stdin=instance.oidc.token()).succeeded()
    assert {"a.example", "b.example"} == located(locations)
    bob = instance.oidc.token(email="bob@example.org")
    tally(*publish, "--location", "https://c.example.org/r/", *token, stdin=bob).succeeded()
    assert located(locations) == {"c.example"}


def located(bundle: Path) -> set[str]:
    """The hosts in a statement of locations."""
    payload = json.loads(bundle.read_bytes())["dsseEnvelope"]["payload"]
    entries = json.loads(b64decode(payload))["predicate"][LOCATIONS]
    return {each["uri"].split("/")[2].removesuffix(".org") for each in entries}


def test_what_does_not_go_together(tally: Tally, instance: PrivateInstance, release: Path) -> None:
    with FakeRegistry().running() as registry:
        where = registry.reference()
        for words, said in (
            ((where, "--keyless"), "--identity or --policy is missing"),
            ((where, "--keyless", "--key", "x.pub", *whom(instance)), "stands for --key and --policy"),
            ((where, "--keyless", "--key", "x.pub"), "--key and --keyless were both given"),
            ((where, "--identity-token-fd", "0", *whom(instance)), "is for signing without a key"),
            (("cache+file:///x", "--keyless", *whom(instance)), "--keyless is not for a Nix cache"),
        ):
            assert said in tally("publish", release, *words).failed(2).err
        expired = instance.oidc.token(lasts=-5)
        ran = tally(
            *("publish", release, where, *whom(instance), "--keyless", "--identity-token-fd", "0"),
            stdin=expired,
        ).failed(2)
        assert "token" in ran.err
        assert registry.contents == ({}, {}, {})
