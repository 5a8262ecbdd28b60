"""Builds with an image from a real registry for a toolchain, on real Nix; it is made of Debian's packages."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from debians import docker_registry, registry
from projects import Project

from orchestrator.pinning.request import package_output
from orchestrator.recipe.lock import read
from orchestrator.recipe.wanted import wanted_from
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SCRIPT = """\
mkdir $out
tool > $out/said
cp /etc/marker $out/marker
test ! -e /etc/gone
test ! -e /usr/share/emptied/below
test -e /usr/share/emptied/above
id -un > $out/user
"""


def layer(members: dict[str, str]) -> bytes:
    """A layer with these files, all of them programs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, text in members.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)


def debian(project: Project, folder: Path, state: Path) -> bytes:
    """A layer of the packages that every build gets, as dpkg unpacks them."""
    lock = read(project.folder / "tally.lock")
    found = lock.set_for([], "x86_64-linux")
    assert found is not None
    root, sources = folder / "root", Sources(state / "sources", Mirrors())
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for file in found.packages:
        deb = sources.fetch(wanted_from(package_output(lock.packages[file])))
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
        subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "-C", root],
            input=archive,
            check=True,
            capture_output=True,
        )
    (root / "etc/gone").write_text("")
    (root / "usr/share/emptied").mkdir()
    (root / "usr/share/emptied/below").write_text("")
    (root / "usr/bin/sh").symlink_to("bash")
    packed = subprocess.run(
        ["tar", "-c", "-C", root, "--exclude=./usr/share/doc", "."], capture_output=True, check=True
    ).stdout
    return gzip.compress(packed, 1, mtime=0)


class Pushing:
    """A repository of a registry that images are put into."""

    def __init__(self, host: str) -> None:
        self.host, self.base = host, f"http://{host}/v2/tools/c/"

    def blob(self, data: bytes, kind: str = LAYER) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        with urlopen(Request(f"{self.base}blobs/uploads/", method="POST")) as answer:
            place = answer.headers["Location"]
        headers = {"Content-Type": "application/octet-stream"}
        urlopen(Request(f"{place}&digest={digest}", data=data, headers=headers, method="PUT")).close()
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def manifest(self, document: dict[str, Any]) -> str:
        data = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        headers = {"Content-Type": document["mediaType"]}
        urlopen(Request(f"{self.base}manifests/{digest}", data=data, headers=headers, method="PUT")).close()
        return digest

    def image(self, *layers: dict[str, Any], architecture: str = "amd64") -> dict[str, Any]:
        settings = {"Env": ["PATH=/usr/local/bin:/opt/tool/bin:/usr/bin:/bin"]}
        config = {
            "os": "linux",
            "architecture": architecture,
            "config": settings,
            "rootfs": {"type": "layers"},
        }
        described = self.blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
        return {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": list(layers)}

    def name(self, digest: str) -> str:
        return f"{self.host}/tools/c@{digest}"


@pytest.fixture
def pushing(session_state: Path, tmp_path: Path) -> Iterator[Pushing]:
    with registry(docker_registry(session_state), tmp_path / "registry") as host:
        yield Pushing(host)


def recipe(project: Project, image: str) -> Path:
    made = project.recipe("a", SCRIPT)
    text = made.read_text().replace(
        'from = "debian"\npackages = []', f'from = "containers"\nimage = "{image}"'
    )
    made.write_text(text)
    return made


def test_an_image_is_the_toolchain(
    project: Project, pushing: Pushing, session_state: Path, tmp_path: Path
) -> None:
    below = pushing.blob(debian(project, tmp_path, session_state))
    above = pushing.blob(
        layer(
            {
                "opt/tool/bin/tool": "#!/bin/sh\necho tool",
                "etc/marker": "marked",
                "etc/.wh.gone": "",
                "usr/share/emptied/.wh..wh..opq": "",
                "usr/share/emptied/above": "",
            }
        )
    )
    document = pushing.image(below, above)
    digest = pushing.manifest(document)
    entry = {"mediaType": MANIFEST, "digest": digest, "size": len(json.dumps(document))}
    platforms = [{**entry, "platform": {"os": "linux", "architecture": "amd64"}}]
    index = pushing.manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms})
    made = recipe(project, pushing.name(index))
    assert "does not hold the image" in project.build(made, key=False, more=("--no-sign",)).failed(2).err
    assert "not locked for x86_64-linux: the image" in project.tally("lock", "--check").failed(1).out
    project.tally("lock").succeeded()
    project.tally("lock", "--check").succeeded()
    (held,) = read(project.folder / "tally.lock").container
    assert (held.manifest, held.path) == (digest[7:], ("/opt/tool/bin", "/usr/local/bin"))

    project.build(made).succeeded()
    release = project.folder / "releases/a-1.0-x86_64-linux"
    with tarfile.open(release / "a-1.0-x86_64-linux.tar.gz") as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    files = {each.name: each.read_text() for each in (tmp_path / "unpacked/a-1.0").iterdir()}
    assert files == {"said": "tool\n", "marker": "marked", "user": "builder\n"}
    policy = project.folder / "policy.toml"
    for image, code in ((pushing.name(index), 0), (pushing.name(digest), 1)):
        pinned = f'[[toolchain]]\nfrom = "containers"\nimage = "{image}"\n'
        policy.write_text(f'[[signer]]\nname = "us"\nkey = "release.pub"\n\n{pinned}')
        judged = project.tally("verify", release, "--policy", policy)
        assert judged.code == code, judged
    # each layer is a material by its digest and its address
    bill = (release / "sbom/a.cdx.json").read_text()
    assert above["digest"][7:] in bill
    assert below["digest"][7:] in bill


@pytest.mark.parametrize(
    ("members", "kind", "architecture", "says"),
    [
        ({"etc/x": "x"}, LAYER, "amd64", "the image has no /usr/bin/bash: it needs bash, coreutils, tar"),
        ({"../../x": "x"}, LAYER, "amd64", "has a path that leaves the root"),
        ({"etc/x": "x"}, "application/vnd.example.layer", "amd64", "which cannot be unpacked here"),
        ({"etc/x": "x"}, LAYER, "arm64", "is for linux/arm64, and the recipe for x86_64-linux"),
    ],
)
def test_an_image_that_nothing_can_be_built_with(
    project: Project, pushing: Pushing, members: dict[str, str], kind: str, architecture: str, says: str
) -> None:
    digest = pushing.manifest(pushing.image(pushing.blob(layer(members), kind), architecture=architecture))
    made = recipe(project, pushing.name(digest))
    ran = project.tally("lock")
    if ran.code == 0:
        ran = project.build(made, key=False, more=("--no-sign",))
    assert says in ran.failed(2).err


def test_an_image_that_there_is_not(project: Project, pushing: Pushing) -> None:
    recipe(project, pushing.name(f"sha256:{'0' * 64}"))
    before = (project.folder / "tally.lock").read_bytes()
    assert f"no address gave sha256:{'0' * 64}" in project.tally("lock").failed(2).err
    recipe(project, f"{pushing.host}/tools/c:latest")
    assert "a tag can name another image tomorrow" in project.tally("lock").failed(2).err
    assert (project.folder / "tally.lock").read_bytes() == before
