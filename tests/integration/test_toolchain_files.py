"""Builds with upstream's own archives over a Debian base, on real Nix: esbuild as npm has it, and others."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from projects import Project

ESBUILD = """\
[[toolchain.files]]
url = "mirror://npm/@esbuild/linux-x64/-/linux-x64-0.21.5.tgz"
sha256 = "d3c7e7e0991f28e987c8a8f1163ffebf326dfff80228afc7f12669a120591fe4"
to = "/opt/esbuild"
"""
BUNDLE = """\
mkdir $out
echo "export const two = 1 + 1" > two.js
echo "import { two } from './two.js'; console.log(two)" > main.js
esbuild --bundle --minify main.js > $out/bundle.js
esbuild --version > $out/version
tool > $out/said
"""


def archive(folder: Path, name: str, members: dict[str, str], kind: str = "gz") -> tuple[str, str]:
    """An archive with programs, and its sha256."""
    with tarfile.open(folder / name, f"w:{kind}") as tar:  # type: ignore[call-overload]
        for path, text in members.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return name, hashlib.sha256((folder / name).read_bytes()).hexdigest()


def entry(name: str, sha256: str, more: str = 'to = "/opt/tool"') -> str:
    return f'[[toolchain.files]]\nurl = "mirror://here/{name}"\nsha256 = "{sha256}"\n{more}\n'


def recipe(project: Project, script: str, files: str) -> Path:
    (project.folder / "tally.toml").write_text(f'[mirrors]\nhere = ["file://{project.folder}/"]\n')
    made = project.recipe("bundle", script)
    text = made.read_text().replace('from = "debian"\npackages = []', f'from = "files"\n\n{files}')
    made.write_text(text)
    return made


def test_upstreams_archives_over_a_debian_base(project: Project) -> None:
    tool = archive(project.folder, "tool.tar.xz", {"tool-1/sbin/tool": "#!/bin/sh\necho tool"}, "xz")
    files = ESBUILD + entry(*tool, 'to = "/usr/local/tool"\npath = ["sbin"]')
    made = recipe(project, BUNDLE, files)
    project.tally("lock").succeeded()
    project.build(made).succeeded()
    release = project.folder / "releases/bundle-1.0-x86_64-linux"
    with tarfile.open(release / "bundle-1.0-x86_64-linux.tar.gz") as packed:
        packed.extractall(project.folder / "unpacked", filter="data")
    unpacked = project.folder / "unpacked/bundle-1.0"
    assert (unpacked / "version").read_text() == "0.21.5\n"
    assert "console.log" in (unpacked / "bundle.js").read_text()
    assert (unpacked / "said").read_text() == "tool\n"

    # each archive is a material by its digest, with a package URL and its address
    provenance = next((release / "attestations").glob("provenance*"))
    envelope = json.loads(provenance.read_text())["dsseEnvelope"]
    predicate = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    materials = predicate["buildDefinition"]["resolvedDependencies"]
    found = next(each for each in materials if each.get("digest", {}).get("sha256") == tool[1])
    assert f"pkg:generic/tool.tar.xz?checksum=sha256:{tool[1]}" in json.dumps(found)
    assert predicate["buildDefinition"]["internalParameters"]["toolchains"] == [
        {"from": "files", "suite": "bookworm"}
    ]
    policy = project.folder / "policy.toml"
    policy.write_text('[[signer]]\nname = "us"\nkey = "release.pub"\n\n[[toolchain]]\nfrom = "files"\n')
    project.tally("verify", release, "--policy", policy).succeeded()
    again = project.tally("rebuild", release, "--publisher", "release.pub")
    assert "reproduced" in again.succeeded().out.lower()


@pytest.mark.parametrize(
    ("members", "more", "says"),
    [
        (
            {"bin/x": "x"},
            'to = "/opt/tool"\npath = ["sbin"]',
            "/opt/tool has no folder sbin, which `path` names",
        ),
        ({"bin/x": "x"}, 'to = "/opt"', "expected a folder below /opt or /usr/local"),
        ({"bin/x": "x"}, 'to = "/opt/../etc"', "expected a folder below /opt or /usr/local"),
        ({"bin/x": "x"}, 'to = "/opt/tool"\npath = ["../../bin"]', "relative path without '..'"),
        (None, 'to = "/opt/tool"', "cannot be unpacked: it has to be a .tar"),
    ],
)
def test_what_is_no_toolchain(project: Project, members: dict[str, str] | None, more: str, says: str) -> None:
    name, sha256 = archive(project.folder, "x.tar.gz", members or {})
    if members is None:
        (project.folder / name).write_text("no archive")
        sha256 = hashlib.sha256(b"no archive").hexdigest()
    made = recipe(project, "mkdir $out", entry(name, sha256, more))
    assert says in project.build(made, key=False, more=("--no-sign",)).failed(2).err


def test_a_wrong_digest_is_met_when_it_is_locked(project: Project) -> None:
    name, _ = archive(project.folder, "x.tar.gz", {"bin/x": "x"})
    recipe(project, "mkdir $out", entry(name, "0" * 64))
    before = (project.folder / "tally.lock").read_bytes()
    assert "its sha256 is" in project.tally("lock").failed(2).err
    assert (project.folder / "tally.lock").read_bytes() == before
