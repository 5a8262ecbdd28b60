"""The examples of docs/how-to/verify-in-a-pipeline.md do what the page says: their own lines are run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import releases

from orchestrator.keys.key import SigningKey

PAGE = "docs/how-to/verify-in-a-pipeline.md"
POLICY = '[[signer]]\nname = "release key"\nkey = "release.pub"\n'


@dataclass(frozen=True)
class Place:
    """Where an example runs: its paths stand for folders of the test's own."""

    folder: Path
    release: Path
    digest: str

    def run(self, line: str) -> int:
        """A line of an example, whose absolute paths are below `folder`."""
        line = re.sub(r"/(usr/bin/tally|srv/\S*|etc/tally)", lambda found: self.path(found[0]), line)
        line = line.replace("published/tree-2.1.0-x86_64-linux", str(self.release))
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env=environment, capture_output=True, check=False
        ).returncode

    def path(self, said: str) -> str:
        if said == "/usr/bin/tally":
            return f"{shlex.quote(sys.executable)} -m orchestrator.cli"
        if said.startswith("/srv/releases/"):
            return str(self.release)
        return f"{self.folder}{said}"


@pytest.fixture(params=[True, False], ids=["good", "harmed"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, int]:
    """A release and a policy, and the exit code that there should be."""
    made = releases.observed(tmp_path / "in")
    key = SigningKey.generate()
    path = releases.published(tmp_path / "out", made, key, releases.builder_keys(made)).path
    if not request.param:
        (path / "links" / "root.layout").write_bytes(b"harmed")
    for folder in (tmp_path, tmp_path / "etc/tally"):
        key.write(folder / "release")
        (folder / "policy.toml").write_text(POLICY)
    digest = made.facts.artifact.sha256.hex
    evidence = tmp_path / "srv/evidence" / digest
    shutil.copytree(path, evidence)
    (evidence / made.facts.artifact.file_name).unlink()
    return Place(tmp_path, path, digest), 0 if request.param else 1


def example(repository: Path, file: str) -> str:
    block = rf"^```\w+ file={re.escape(file)}\n(.*?)^```$"
    found = re.search(block, (repository / PAGE).read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{PAGE} has no {file}"
    return found[1]


def commands(text: str, before: str) -> list[str]:
    return [
        line.partition(before)[2] for line in text.splitlines() if line.lstrip().startswith(before.lstrip())
    ]


def test_github(repository: Path, place: tuple[Place, int]) -> None:
    where, code = place
    verify, deploy = commands(example(repository, ".github/workflows/deploy.yml"), "run: ")
    assert where.run(verify) == code
    assert '"version": "2.1.0"' in (where.folder / "verdict.sarif").read_text()
    assert where.run(deploy) == 0


def test_gitlab(repository: Path, place: tuple[Place, int]) -> None:
    where, code = place
    verify, _ = commands(example(repository, ".gitlab-ci.yml"), "    - ")
    assert where.run(verify) == code
    assert '"verdict"' in (where.folder / "verdict.json").read_text()


def test_systemd(repository: Path, place: tuple[Place, int]) -> None:
    where, code = place
    (line,) = commands(example(repository, "deploy/tree.service"), "ExecStartPre=")
    assert where.run(line) == code


def test_admission(repository: Path, place: tuple[Place, int]) -> None:
    where, code = place
    script = example(repository, "deploy/admit")
    assert where.run(f"set -- sha256:{where.digest}\n{script}") == code


@pytest.mark.parametrize("said", ["", "sha256:../../etc", "sha512:00", "sha256:0123$(id)", "sha256:"])
def test_admission_of_what_is_no_digest(repository: Path, tmp_path: Path, said: str) -> None:
    where = Place(tmp_path, tmp_path, "")
    assert where.run(f"set -- {shlex.quote(said)}\n{example(repository, 'deploy/admit')}") == 2
