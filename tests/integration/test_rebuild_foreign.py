"""`tally rebuild` of provenance that is not ours: a flake by its commit and narHash, and what it names."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from targets import laid_out

from orchestrator.ground.nar import nar_hash

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

pytestmark = pytest.mark.integration

FLAKE = """\
{
  outputs = { self }: {
    packages.x86_64-linux.default =
      (import ./default.nix { system = "x86_64-linux"; who = "you"; }).hello;
  };
}
"""
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")


@pytest.fixture
def tally(tmp_path: Path, tally_in: TallyIn) -> Tally:
    return tally_in(tmp_path)


@pytest.fixture
def flake(tmp_path: Path) -> str:
    """A reference to a commit of a flake and its content, with an attribute."""
    folder = laid_out(tmp_path / "flake")
    (folder / "flake.nix").write_text(FLAKE)
    digest = b64encode(bytes.fromhex(nar_hash(folder).hex)).decode()
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "a flake")):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    rev = subprocess.check_output([*GIT, "rev-parse", "HEAD"], cwd=folder, text=True).strip()
    return f"git+file://{folder}?rev={rev}&narHash={quote(f'sha256-{digest}', safe='')}#default"


def written(file: Path, flake: str, output: str, digest: str, name: str = "sha256") -> Path:
    """As others write it: SLSA 1, the output as a subject."""
    definition = {"buildType": "https://example.org/nix/v1", "externalParameters": {"flake": flake}}
    document: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "hello", "uri": output, "digest": {name: digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": definition},
    }
    file.write_text(json.dumps(document))
    return file


def test_what_provenance_names_is_made_again(tally: Tally, flake: str, tmp_path: Path) -> None:
    file = tmp_path / "provenance.json"
    release = "--even-if-unverified"
    plain = re.sub("&narHash=[^#]*", "", flake)
    (plan,) = json.loads(tally("plan", "--json", plain).succeeded().out)["derivations"].values()
    output = plan["outputs"]["out"]
    tally("keys", "generate", "k").succeeded()
    written(file, flake, output, "0" * 64)
    ran = tally("rebuild", file, "--publisher", "k.pub").failed(2)
    assert "whose signature is not looked at" in ran.err
    ran = tally("rebuild", file, release, "--json").failed(1)
    (found,) = json.loads(ran.out)["rebuilds"]
    assert found["verdict"] == "differs"
    (made,) = found["outputs"]
    assert made["path"] == output
    written(file, flake, output, made["narSha256"])
    ran = tally("rebuild", file, release, "--junit", "junit.xml").succeeded()
    assert f"REPRODUCED  {file}" in ran.out
    assert "the provenance itself was not verified" in ran.err
    assert 'failures="0" errors="0"' in (tmp_path / "junit.xml").read_text()
    other = output.replace("-hello", "-other")
    ran = tally("rebuild", written(file, flake, other, made["narSha256"]), release).failed(2)
    assert f"the provenance names {other}" in ran.err
    wrong = re.sub("narHash=[^#]*", f"narHash=sha256-{'A' * 43}%3D", flake)
    ran = tally("rebuild", written(file, wrong, output, made["narSha256"]), release).failed(2)
    assert f"the provenance names {'0' * 64}" in ran.err
    ran = tally("rebuild", written(file, flake, output, made["narSha256"], "sha512"), release).failed(2)
    assert f"names no sha256 of {output}" in ran.err
