"""`tally rebuild --attach`: what rebuilders sign lies with the release, and `tally verify` finds it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import debians
import policies
import pytest
import strangers
from projects import Project
from registries import FakeRegistry
from states import stores_copied

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import Ran, Tally, TallyIn

NAME = "tried-1.0-x86_64-linux"
NAMES = ("one", "two", "three")
CORES = """
[variation]
build-cores = false
[[builder]]
name = "a"
cores = {0}
[[builder]]
name = "b"
cores = {0}
"""


class Place:
    """A release that is published, and rebuilders of it in a folder of their own."""

    def __init__(self, project: Project, rebuilder: Tally, reference: str) -> None:
        self.project, self.rebuilder, self.reference = project, rebuilder, reference
        shutil.copy(project.folder / "release.pub", rebuilder.folder)
        for name in NAMES:
            rebuilder("keys", "generate", name).succeeded()

    def attach(self, name: str, *more: object, **environment: str) -> Ran:
        asked = ("rebuild", self.reference, "--publisher", "release.pub", "--attach", "--key", f"{name}.key")
        return self.rebuilder(*asked, *more, environment=environment)

    def verify(self, quorum: int, *more: object) -> Ran:
        policy = self.rebuilder.folder / "policy.toml"
        policy.write_text(policies.rebuilders(quorum, *NAMES))
        return self.rebuilder("verify", self.reference, "--policy", policy, *more)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as found:
        yield found


@pytest.fixture
def rebuilder(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, new_state: Path) -> Tally:
    """Somebody else, whose stores know nothing of what was built before."""
    return tally_in(tmp_path_factory.mktemp("rebuilder"), TALLY_STATE=str(new_state))


def published(project: Project, destination: str) -> Path:
    """A release that tells how many cores it was built with, for it to come out otherwise elsewhere."""
    (project.folder / "tally.toml").write_text(CORES.format(1))
    project.build(project.recipe("tried", "mkdir $out; echo $NIX_BUILD_CORES > $out/it")).succeeded()
    release = project.folder / "releases" / NAME
    project.tally("publish", release, destination, "--key", "release.pub").succeeded()
    return release


def test_three_operators_and_one_that_differs(
    project: Project, rebuilder: Tally, registry: FakeRegistry, toolchain_state: Path, tmp_path: Path
) -> None:
    published(project, registry.reference("tools/tried"))
    place = Place(project, rebuilder, registry.reference("tools/tried"))
    (rebuilder.folder / "tally.toml").write_text(CORES.format(1))
    assert "0 rebuilders that the policy trusts" in place.verify(1).failed(1).out
    for name in NAMES:
        ran = place.attach(name).succeeded()
        assert f"  attached  oci://{registry.host}/tools/tried@sha256:" in ran.out
    assert "rebuilt by one, three, two\n" in place.verify(3).succeeded().out
    count = len(registry.manifests)
    again = place.attach("two", "--json").succeeded()
    assert "(there already)" in json.loads(again.out)["rebuilds"][0]["attached"]
    assert len(registry.manifests) == count, "a nightly job adds nothing until something changes"

    # one of them comes to another result by now: it is found, and named
    (rebuilder.folder / "tally.toml").write_text(CORES.format(3))
    (tmp_path / "new").mkdir()
    (tmp_path / "new/sources").symlink_to(toolchain_state / "sources")
    stores_copied(toolchain_state, tmp_path / "new")
    other = place.attach("two", TALLY_STATE=str(tmp_path / "new")).failed(1)
    assert other.out.startswith(f"DIFFERS  {NAME}\n  attached  oci://")
    refused = place.verify(1).failed(1)
    assert "builders-disagree" in refused.out
    assert "the builders a and b agree on something else than the release has of /nix/store/" in refused.out
    # who does not ask for rebuilders is not asked to read them
    place.rebuilder("verify", place.reference, "--key", "release.pub").succeeded()


def test_who_had_no_release_in_hand_and_who_is_not_named(
    project: Project, rebuilder: Tally, registry: FakeRegistry
) -> None:
    """The same artifact in another release, attached to this one; a stranger's; and what is no bundle."""
    release = published(project, registry.reference("tools/tried"))
    place = Place(project, rebuilder, registry.reference("tools/tried"))
    (rebuilder.folder / "tally.toml").write_text(CORES.format(1))
    project.recipe("tried", "mkdir $out; echo $NIX_BUILD_CORES > $out/it")
    project.build(project.folder / "recipes/tried.toml", more=("--out", "again")).succeeded()
    other = f"dir:{rebuilder.folder}/elsewhere"
    project.tally("publish", project.folder / "again" / NAME, other, "--key", "release.pub").succeeded()
    elsewhere = Place.__new__(Place)
    elsewhere.project, elsewhere.rebuilder, elsewhere.reference = project, rebuilder, other
    elsewhere.attach("one").succeeded()
    assert "rebuilt by one\n" in elsewhere.verify(1).succeeded().out
    (bundle,) = (rebuilder.folder / "elsewhere").glob("rebuilds__*reproduction.sigstore.json")
    rebuilder("keys", "generate", "stranger").succeeded()
    place.attach("stranger").succeeded()
    smuggle(registry, bundle.read_bytes())
    smuggle(registry, b"no bundle")
    refused = place.verify(1).failed(1)
    assert "0 rebuilders that the policy trusts made it again (nothing)" in refused.out
    assert "is about another release of that artifact" in refused.out
    place.attach("one").succeeded()
    assert "rebuilt by one\n" in place.verify(1).succeeded().out
    assert release.is_dir()


def smuggle(registry: FakeRegistry, data: bytes) -> None:
    """Put a bundle into a copy of a rebuild that is attached."""
    from orchestrator.ground.digest import Sha256

    kind = "application/vnd.tallystick.rebuild.v1"
    found = next(d for _, d in registry.manifests.values() if json.loads(d).get("artifactType") == kind)
    document = json.loads(found)
    digest = Sha256.of(data)
    registry.blobs[str(digest)] = data
    for layer in document["layers"]:
        if layer["annotations"]["org.opencontainers.image.title"].endswith(".sigstore.json"):
            layer |= {"digest": str(digest), "size": len(data)}
    made = json.dumps(document).encode()
    registry.put_manifest(str(Sha256.of(made)), "application/vnd.oci.image.manifest.v1+json", made)


def test_a_static_folder_and_what_takes_nothing(project: Project, rebuilder: Tally) -> None:
    reference = f"dir:{rebuilder.folder}/www"
    release = published(project, reference)
    (rebuilder.folder / "tally.toml").write_text(CORES.format(1))
    place = Place(project, rebuilder, reference)
    ran = place.attach("one").succeeded()
    assert f"  attached  {reference}#{NAME}\n" in ran.out
    assert "(there already)" in place.attach("one").succeeded().out
    place.attach("two").succeeded()
    assert "rebuilt by one, two\n" in place.verify(2).succeeded().out
    fetched = rebuilder("fetch", reference, "--policy", "policy.toml", "--out", "fetched").succeeded()
    assert "PASSED" in fetched.out
    www = rebuilder.folder / "www"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=www, check=True)
    # what is listed and not there could be a no
    word = next(www.glob("rebuilds__*reproduction.sigstore.json"))
    data = word.read_bytes()
    word.write_bytes(data + b" ")
    assert "digest-mismatch" in place.verify(1).failed(1).out
    word.unlink()
    assert "file-missing" in place.verify(1).failed(1).out
    word.write_bytes(data)
    # the same release again changes nothing of it
    project.tally("publish", release, reference, "--key", "release.pub").succeeded()
    assert "rebuilt by one, two\n" in place.verify(2).succeeded().out

    asked = ("--publisher", "release.pub", "--attach", "--key", "one.key")
    for where, said in (
        (release, "is a folder, and --attach is for where a release is published"),
        ("https://releases.example.org/", "nothing can be attached there"),
    ):
        assert said in rebuilder("rebuild", where, *asked).failed(2).err
    alone = rebuilder("rebuild", f"dir:{release}", *asked).failed(2)
    assert alone.out.startswith(f"REPRODUCED  {NAME}\n"), "what came out is told all the same"
    assert "is published as a folder of its own, and nothing can be attached to that" in alone.err


def test_a_registry_that_takes_nothing_or_forgets(
    project: Project, rebuilder: Tally, registry: FakeRegistry
) -> None:
    registry.referrers = False
    published(project, registry.reference("tools/tried"))
    place = Place(project, rebuilder, registry.reference("tools/tried"))
    (rebuilder.folder / "tally.toml").write_text(CORES.format(1))
    registry.read_only = True
    ran = place.attach("one", "--attest", "kept", "--junit", "it.xml").failed(2)
    assert ran.out.startswith(f"REPRODUCED  {NAME}\n")
    assert "not attached: " in ran.err
    assert (rebuilder.folder / "kept" / NAME).is_dir()
    assert 'type="unattached"' in (rebuilder.folder / "it.xml").read_text()
    registry.read_only = False
    place.attach("one").succeeded()
    assert "rebuilt by one\n" in place.verify(1).succeeded().out, "by the fallback tag"


def test_cosign_verifies_a_rebuilder_in_debians_registry(
    project: Project, rebuilder: Tally, session_state: Path, tmp_path: Path
) -> None:
    try:
        cosign, server = strangers.cosign(session_state), debians.docker_registry(session_state)
    except TallyError as error:
        pytest.skip(f"a stranger's program cannot be had here: {error.message}")
    with debians.registry(server, tmp_path / "registry") as host:
        published(project, f"oci://{host}/tools/tried")
        place = Place(project, rebuilder, f"oci://{host}/tools/tried")
        (rebuilder.folder / "tally.toml").write_text(CORES.format(1))
        kind = "https://in-toto.io/attestation/scai/v0.3"
        asked = cosign, rebuilder.folder / "one.pub", kind, f"{host}/tools/tried:{NAME}", rebuilder.folder
        assert strangers.cosign_attestation(*asked)[0] != 0
        place.attach("one").succeeded()
        code, said = strangers.cosign_attestation(*asked)
        assert code == 0, said
        assert "rebuilt by one\n" in place.verify(1).succeeded().out
        every = rebuilder("rebuild", place.reference, "--all", "--publisher", "release.pub").succeeded()
        assert every.out.startswith(f"REPRODUCED  oci://{host}/tools/tried:{NAME}@sha256:")
