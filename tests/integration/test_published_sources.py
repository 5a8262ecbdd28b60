"""`tally publish --with-sources`: what a rebuilder needs lies beside the release, by digest."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from projects import Project

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Given:
    """A published release, and a rebuilder in an empty folder, with empty stores."""

    www: Path
    rebuilder: Tally

    @property
    def listing(self) -> list[dict[str, object]]:
        (file,) = self.www.glob("*__sources.json")
        found: list[dict[str, object]] = json.loads(file.read_bytes())["sources"]
        return found

    def file(self, name: str) -> Path:
        """Where an input lies, by the beginning of its name."""
        (one,) = (each for each in self.listing if str(each["name"]).startswith(name))
        return self.www / f"sources__sha256-{one['sha256']}"


@pytest.fixture
def given(project: Project, tally_in: TallyIn, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A release from a folder of its maker's repository, of which nothing else is left."""
    git = ["git", "-C", str(project.folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (project.folder / "tree").mkdir()
    (project.folder / "tree/word").write_text("said\n")
    (project.folder / "tree/run").write_text("#!/bin/sh\n")
    (project.folder / "tree/run").chmod(0o755)
    (project.folder / "tree/link").symlink_to("word")
    more = '[sources.tree]\npath = "tree"\n'
    recipe = project.recipe("whole", "mkdir $out; cp -r tree $out/it", more)
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        subprocess.run([*git, *words], check=True)
    project.build(recipe).succeeded()
    www = tmp_path_factory.mktemp("www")
    (release,) = (project.folder / "releases").iterdir()
    publish = ("publish", release, f"dir:{www}", "--key", "release.key", "--with-sources")
    assert "published: " in project.tally(*publish).succeeded().out
    before = {each: each.stat().st_mtime_ns for each in www.iterdir()}
    assert "there already: " in project.tally(*publish).succeeded().out
    assert {each: each.stat().st_mtime_ns for each in www.iterdir()} == before
    folder = tmp_path_factory.mktemp("rebuilder")
    shutil.copy(project.folder / "release.pub", folder)
    shutil.rmtree(project.folder)
    state = tmp_path_factory.mktemp("state")
    return Given(www, tally_in(folder, TALLY_STATE=str(state)))


def test_a_rebuilder_takes_them_from_there(given: Given) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=given.www, check=True)
    assert {each["form"] for each in given.listing} == {"file", "nar"}
    assert all(Path(given.www / f"sources__sha256-{each['sha256']}").is_file() for each in given.listing)
    ran = given.rebuilder("rebuild", f"dir:{given.www}", "--publisher", "release.pub").succeeded()
    assert ran.out.startswith("REPRODUCED  whole-1.0-x86_64-linux\n")
    assert f"found in dir:{given.www}" in ran.err
    assert "found in http" not in ran.err
