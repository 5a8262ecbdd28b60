"""The CI jobs that `tally init` writes: forges' schemas take them, and their steps do what they say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pipelines import Runner, github, read
from schemas import refusal

from orchestrator.projects import workflow

TALLY = """#!/bin/sh
echo "$@" >> "$CALLS"
"""
RELEASED = f"({workflow.SIGNED}) && secrets.RELEASE_KEY || ''"
HOSTILE = 'recipes/it\'s "$(touch x)".toml'


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """One whose `tally` says what it is asked for."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tally").write_text(TALLY)
    (tmp_path / "bin/tally").chmod(0o755)
    kept = {"RUNNER_TEMP": str(tmp_path), "CALLS": str(tmp_path / "calls")}
    return Runner(tmp_path, {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", **kept})


@pytest.mark.parametrize("target", ["recipes/hello.toml", HOSTILE])
@pytest.mark.parametrize("locked", [True, False])
def test_the_forges_schemas_take_them(target: str, locked: bool, tmp_path: Path) -> None:
    for name, schema, text in (
        ("a.yml", "vendor.github-workflows", workflow.github(target, locked=locked)),
        ("b.yml", "vendor.gitlab-ci", workflow.gitlab(target, locked=locked)),
    ):
        (tmp_path / name).write_text(text)
        assert refusal(tmp_path / name, schema) is None


@pytest.mark.parametrize("key", ["", "a secret"])
@pytest.mark.parametrize("target", ["recipes/hello.toml", HOSTILE])
def test_the_steps_on_github(key: str, target: str, runner: Runner) -> None:
    known = {RELEASED: key, "runner.temp": str(runner.folder)}
    succeeded, _ = github(runner, workflow.github(target, locked=True), known)
    assert succeeded, runner.said
    lock, build = (runner.folder / "calls").read_text().splitlines()
    assert lock == "lock --check"
    signing = f"--key {runner.folder}/release.key" if key else "--no-sign"
    assert build == f"build {target} {signing} --out {runner.folder}/releases"
    assert not (runner.folder / "release.key").exists(), "no key is left behind"
    assert not (runner.folder / "x").exists(), "a name is no code"


def test_on_github_other_branches_have_neither_key_nor_environment() -> None:
    text = workflow.github("recipes/hello.toml", locked=True)
    (job,) = read(text)["jobs"].values()
    assert job["environment"] == f"${{{{ ({workflow.SIGNED}) && 'release' || '' }}}}"
    assert text.count("secrets.") == 1
    assert f"RELEASE_KEY: ${{{{ {RELEASED} }}}}" in text


@pytest.mark.parametrize(
    ("pushed", "signed"),
    [
        ({"CI_COMMIT_BRANCH": "trunk"}, True),
        ({"CI_COMMIT_TAG": "v1.0"}, True),
        ({"CI_COMMIT_BRANCH": "feature"}, False),
        ({"CI_COMMIT_BRANCH": "v1.0"}, False),
        ({"CI_COMMIT_TAG": "trunk"}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("key", ["", "/a/file"])
def test_the_steps_on_gitlab(key: str, pushed: Mapping[str, str], signed: bool, runner: Runner) -> None:
    (job,) = read(workflow.gitlab(HOSTILE, locked=False)).values()
    known = {**job["variables"], "RELEASE_KEY": key, "CI_DEFAULT_BRANCH": "trunk", **pushed}
    assert runner.run("\n".join(job["script"]), known), runner.said
    (build,) = (runner.folder / "calls").read_text().splitlines()
    signing = f"--key {key}" if key and signed else "--no-sign"
    assert build == f"build {HOSTILE} {signing} --out {runner.folder}/releases"
