"""A release that was really built, and signed with a log and a timestamp authority by address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Answer, Asked, saying
from projects import Project
from services import ENTRIES, Services


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    folder = tmp_path / "services"
    folder.mkdir()
    with Services.running(folder) as found:
        yield found


@pytest.fixture
def recipe(project: Project, services: Services) -> Path:
    """In a project that signs there, beside a policy that asks for both."""
    (project.folder / "tally.toml").write_text(services.toml() + 'key = "release.key"\n')
    (project.folder / "policy.toml").write_text(
        f"trusted-root = {json.dumps(str(services.root_file()))}\n[require]\nlog = true\ntimestamp = true\n"
        '[[signer]]\nname = "us"\nkey = "release.pub"\nuntil = 2100-01-01\n'
    )
    return project.recipe("small", "mkdir -p $out; echo small > $out/file")


def test_it_is_logged_and_stamped(project: Project, services: Services, recipe: Path) -> None:
    ran = project.tally("build", recipe).succeeded()
    folder = project.folder / ran.out.strip()
    assert (folder / "trusted_root.json").read_bytes() == services.root.render()
    said = project.tally("verify", folder, "--policy", "policy.toml").succeeded().out
    assert "notice" not in said
    explained = project.tally("policy", "explain", folder, "--policy", "policy.toml").succeeded().out
    assert "pass  signer: 5 statements signed by us" in explained
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = project.tally("build", recipe).succeeded()
    assert "was there already, and stays as it is" in again.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("which", ["log", "timestamp", "root"])
def test_who_does_not_answer_is_told_of_before_anything_is_built(
    project: Project, services: Services, recipe: Path, which: str
) -> None:
    match which:
        case "log":
            services.rekor_server.server.faults[ENTRIES] = saying(b"frozen", 405)
        case "timestamp":
            services.tsa_server.server.routes.clear()
        case "root":
            (services.folder / "trusted_root.json").unlink()
    ran = project.tally("build", recipe).failed(2)
    said = {"log": "takes no entries any more", "timestamp": "HTTP 404", "root": "cannot read"}
    assert said[which] in ran.err
    assert "hint: " in ran.err
    assert "built" not in ran.err
    assert not (project.folder / "releases").exists()


def test_a_log_that_dies_while_it_is_built_loses_nothing(
    project: Project, services: Services, recipe: Path
) -> None:
    server = services.rekor_server.server

    def dying(asked: Asked) -> Answer:
        if asked.body == b"{}":  # that it answers is seen before the build
            return services.rekor_server.enter(asked)
        return Answer(b"disk full", 500)

    server.faults[ENTRIES] = dying
    ran = project.tally("build", recipe).failed(2)
    assert "agree" in ran.err
    assert "HTTP 500: disk full" in ran.err
    assert not (project.folder / "releases").exists()
    del server.faults[ENTRIES]
    ran = project.tally("build", recipe).succeeded()
    folder = project.folder / ran.out.strip()
    project.tally("verify", folder, "--policy", "policy.toml").succeeded()
