"""`tally rebuild deb:…` and `npm:… --repository`: a real package of each, made by real builders.

Debian's `leave` is the smallest of its compiled packages: one C file, no build dependency of its own. The
archive has it built once more (`+b1`), by a compiler that it serves no longer, so it comes out DIFFERENT.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.served.named import NpmName
from orchestrator.served.npm import package_of
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Ran, TallyIn

pytestmark = pytest.mark.integration

LEAVE = "deb:leave=1.12-2.2+b1"
CHALK = "npm:chalk@5.3.0"


def only(ran: Ran) -> dict[str, Any]:
    (found,) = json.loads(ran.out)["rebuilds"]
    return dict(found)


def test_a_compiled_package_of_debian(tmp_path: Path, tally_in: TallyIn) -> None:
    ran = tally_in(tmp_path)("rebuild", LEAVE, "--recipe", "made", "--json")
    assert ran.code == 1, ran.err
    found = only(ran)
    assert found["verdict"] == "different"
    assert [each["name"] for each in found["files"]] == ["data/usr/bin/leave"], "all else is the same"
    assert found["container"] == [], "and so are the archives"
    assert found["class"] is None, "its names are in another order, which is no debug data"
    settings = {each["name"]: each for each in found["settings"]}
    assert settings["dpkg-buildpackage"]["value"] == "--build=any"
    assert settings["changelog entry"]["readOffPublishedFile"]
    assert set(found["agreement"]["builders"]) == {"a", "b"}
    assert "buildd_amd64" in (tmp_path / "made/leave-1.12-2.2+b1/leave.toml").read_text()
    kept = list(tmp_path.joinpath(found["kept"]).glob("made/*.deb"))
    assert len(kept) == 1


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository whose one commit has what a package of npm's holds, and what it does not."""
    mirrors = Mirrors()
    sources = Sources(tmp_path / "sources", mirrors)
    [version] = [package_of(NpmName("chalk", "5.3.0"), mirrors, sources)]
    with tarfile.open(sources.fetch(version.wanted)) as archive:
        archive.extractall(tmp_path / "served", filter="data")
    folder = tmp_path / "served/package"
    (folder / "test").mkdir()
    (folder / "test/none.js").write_text("it is not packed\n")
    git(folder, "init", "-q")
    return folder


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.check_output(command, cwd=folder, text=True).strip()


def committed(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD")


def test_a_package_of_npm_from_its_repository(tmp_path: Path, tally_in: TallyIn, clone: Path) -> None:
    tally = tally_in(tmp_path)
    first = committed(clone)
    tally("keys", "generate", "k").succeeded()
    words = ("rebuild", CHALK, "--repository", str(clone), "--commit", first, "--json")
    ran = tally(*words, "--attest", "signed", "--key", "k.key").succeeded()
    found = only(ran)
    assert found["verdict"] == "identical"
    assert found["made"] == {"sha256": found["served"]["sha256"]}
    assert (tmp_path / "signed/chalk-5.3.0/attestations/reproduction.sigstore.json").exists()
