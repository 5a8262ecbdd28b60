"""What `tally publish` puts into servers that we did not write, read by clients that we did not write."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import debians
import pytest
import referring
import releases
import strangers
from projects import Project
from releases import Signed, files
from targets import laid_out

from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

pytestmark = pytest.mark.integration

T = TypeVar("T")
NAME = "pigz-2.8-x86_64-linux"
REPOSITORY = "tools/pigz"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


def had(make: Callable[[Path], T], state: Path) -> T:
    try:
        return make(state)
    except TallyError as error:
        pytest.skip(f"{make.__name__} cannot be had here: {error.message}")


@pytest.fixture(scope="module")
def host(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = had(debians.docker_registry, session_state)
    with debians.registry(program, tmp_path_factory.mktemp("registry") / "r") as found:
        yield found


@pytest.fixture(scope="module")
def telling(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One with the referrers endpoint."""
    program = had(referring.referring_registry, session_state)
    with referring.running(program, tmp_path_factory.mktemp("referring") / "r") as found:
        yield found


def put(tally_in: TallyIn, release: Signed, where: str) -> str:
    key = release.pub.with_suffix(".key")
    tally = tally_in(release.folder.parent)
    ran = tally("publish", release.folder, f"oci://{where}", "--key", key).succeeded()
    assert ran.out == f"published: oci://{where}:{NAME}\n"
    return where


@pytest.fixture(scope="module")
def places() -> dict[str, str]:
    """Where it was put already: pytest may ask for one registry, the other, and the first again."""
    return {}


@pytest.fixture(scope="module", params=["host", "telling"])
def published(
    tally_in: TallyIn, release: Signed, places: dict[str, str], request: pytest.FixtureRequest
) -> str:
    """Where it is, as clients name it, without a tag: in docker-registry, and where referrers are told."""
    if request.param not in places:
        where = f"{request.getfixturevalue(request.param)}/{REPOSITORY}"
        places[request.param] = put(tally_in, release, where)
    return places[request.param]


def test_the_referrers_endpoint(tally_in: TallyIn, release: Signed, telling: str) -> None:
    """All is told by it, and the tag that stands in for it is written, too: the server does not say that it
    knows a subject (distribution specification, "Pushing Manifests with Subject")."""
    where = put(tally_in, release, f"{telling}/endpoint")
    kinds = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    base = f"http://{where.replace('/', '/v2/', 1)}"
    with urllib.request.urlopen(urllib.request.Request(f"{base}/manifests/{NAME}", headers=kinds)) as answer:
        digest = hashlib.sha256(answer.read()).hexdigest()
    with urllib.request.urlopen(f"{base}/referrers/sha256:{digest}") as answer:
        assert len(json.load(answer)["manifests"]) == 10
    with urllib.request.urlopen(f"{base}/tags/list") as answer:
        assert sorted(json.load(answer)["tags"]) == [NAME, f"sha256-{digest}"]


def own_type(where: str, digest: str) -> str:
    """What a manifest says that it is."""
    address = f"http://{where.replace('/', '/v2/', 1)}/manifests/{digest}"
    kinds = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=kinds)) as answer:
        return str(json.load(answer)["artifactType"])


class TestRegistry:
    def test_there_and_back(self, tally: Tally, release: Signed, published: str, tmp_path: Path) -> None:
        where = f"oci://{published}:{NAME}"
        tally("fetch", where, "--key", release.pub, "--out", tmp_path / "out").succeeded()
        assert files(tmp_path / "out" / NAME) == files(release.folder)
        assert "PASSED" in tally("verify", where, "--key", release.pub).succeeded().out

    def test_again_changes_nothing(self, tally: Tally, release: Signed, published: str) -> None:
        key = release.pub.with_suffix(".key")
        ran = tally("publish", release.folder, f"oci://{published}", "--key", key).succeeded()
        assert ran.out == f"there already: oci://{published}:{NAME}\n"

    def test_another_release(self, tally: Tally, published: str, tmp_path: Path) -> None:
        other = releases.signed(tmp_path / "other")
        ran = tally("publish", other.folder, f"oci://{published}", "--key", other.pub).failed(2)
        assert "another release of the same artifact" in ran.err

    def test_cosign(self, session_state: Path, release: Signed, published: str, tmp_path: Path) -> None:
        try:
            cosign = strangers.cosign(session_state)
        except TallyError as error:
            pytest.skip(f"cosign cannot be had here: {error.message}")
        _, other = SigningKey.generate().write(tmp_path / "other")
        for kind in (*strangers.TYPES.values(), "https://in-toto.io/attestation/release/v0.1"):
            for key, expected in ((release.pub, 0), (other, 1)):
                code, said = strangers.cosign_attestation(cosign, key, kind, f"{published}:{NAME}", tmp_path)
                assert (code != 0) == bool(expected), f"{kind}: {said}"

    def test_oras(self, session_state: Path, release: Signed, published: str, tmp_path: Path) -> None:
        oras = had(debians.oras, session_state)
        code, said = oras.run(
            "discover", "--plain-http", "--format", "json", f"{published}:{NAME}", home=tmp_path
        )
        assert code == 0, said
        found = json.loads(said)
        listed = found.get("referrers", found.get("manifests", []))
        there = {each["digest"]: each["artifactType"] for each in listed}
        if set(there.values()) == {
            "application/vnd.oci.empty.v1+json"
        }:  # that registry's way: see referring.py
            there = {digest: own_type(published, digest) for digest in there}
        kinds = list(there.values())
        assert kinds.count("application/vnd.dev.sigstore.bundle.v0.3+json") == 6
        assert kinds.count("application/spdx+json") == 2
        artifact, whole = tmp_path / "artifact", tmp_path / "whole"
        code, said = oras.run("pull", "--plain-http", "-o", artifact, f"{published}:{NAME}", home=tmp_path)
        assert code == 0, said
        assert files(artifact) == {release.artifact.name: release.artifact.read_bytes()}
        (own,) = [digest for digest, kind in there.items() if kind == "application/vnd.tallystick.release.v1"]
        code, said = oras.run("pull", "--plain-http", "-o", whole, f"{published}@{own}", home=tmp_path)
        assert code == 0, said
        assert files(whole) == files(release.folder)

    def test_crane(self, session_state: Path, release: Signed, published: str, tmp_path: Path) -> None:
        crane = had(debians.crane, session_state)
        code, said = crane.run("manifest", "--insecure", f"{published}:{NAME}", home=tmp_path)
        assert code == 0, said
        (layer,) = json.loads(said)["layers"]
        assert layer["digest"] == f"sha256:{hashlib.sha256(release.artifact.read_bytes()).hexdigest()}"
        code, said = crane.run("ls", "--insecure", published, home=tmp_path)
        assert code == 0, said
        assert NAME in said.splitlines()

    def test_skopeo(self, session_state: Path, published: str, tmp_path: Path) -> None:
        try:
            skopeo = strangers.Skopeo(session_state)
        except TallyError as error:
            pytest.skip(f"skopeo cannot be had here: {error.message}")
        code, said = skopeo.fetch(f"{published}:{NAME}", tmp_path / "copy")
        assert code == 0, said
        assert (tmp_path / "copy" / "manifest.json").exists()


def test_an_image(project: Project, session_state: Path, host: str, tmp_path: Path) -> None:
    """Built, signed, published, and read as the image that it is."""
    packages = laid_out(project.folder / "packages")
    git = ["git", "-C", str(packages), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "packages")):
        subprocess.run([*git, *words], check=True)
    asked = ("hello", "-f", packages, "--artifact", "oci", "--key", "release.key")
    project.tally("build", *asked).succeeded()
    (name,) = project.releases
    where = f"oci://{host}/images/hello:1.0"
    project.tally("publish", f"releases/{name}", where, "--key", "release.key").succeeded()
    assert "PASSED" in project.tally("verify", where, "--key", "release.pub").succeeded().out
    project.tally("fetch", where, "--key", "release.pub", "--out", tmp_path / "out").succeeded()
    assert files(tmp_path / "out" / name) == files(project.folder / "releases" / name)
    crane = had(debians.crane, session_state)
    code, said = crane.run("validate", "--insecure", "--remote", f"{host}/images/hello:1.0", home=tmp_path)
    assert code == 0, said
    try:
        cosign = strangers.cosign(session_state)
    except TallyError as error:
        pytest.skip(f"cosign cannot be had here: {error.message}")
    pub = project.folder / "release.pub"
    for kind in strangers.TYPES.values():
        code, said = strangers.cosign_attestation(cosign, pub, kind, f"{host}/images/hello:1.0", tmp_path)
        assert code == 0, f"{kind}: {said}"


def test_behind_nginx(tally: Tally, session_state: Path, release: Signed, tmp_path: Path) -> None:
    nginx = had(debians.nginx, session_state)
    www = tmp_path / "www"
    with debians.served(nginx, www, tmp_path / "nginx") as address:
        location = ("--location", address)
        key = release.pub.with_suffix(".key")
        tally("publish", release.folder, f"dir:{www}", "--key", key, *location).succeeded()
        tally("fetch", address, "--key", release.pub, "--out", tmp_path / "out").succeeded()
        assert files(tmp_path / "out" / NAME) == files(release.folder)
        assert "PASSED" in tally("verify", f"{address}#{NAME}", "--key", release.pub).succeeded().out
        with urllib.request.urlopen(f"{address}feed.atom") as feed:
            assert b"<title>pigz-2.8-x86_64-linux</title>" in feed.read()
        harmed = www / f"{NAME}__links__root.layout"
        harmed.write_bytes(harmed.read_bytes() + b" ")
        ran = tally("fetch", address, "--key", release.pub, "--out", tmp_path / "no").failed(1)
        assert "digest-mismatch: links/root.layout is sent as more than" in ran.out
    assert not list((tmp_path / "no").glob("*"))
    ran = tally("fetch", address, "--key", release.pub, "--out", tmp_path / "no").failed(2)
    assert "cannot be read" in ran.err
    shutil.rmtree(www)
