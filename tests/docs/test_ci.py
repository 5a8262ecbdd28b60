"""Pipelines in docs/how-to: each is what its forge's schema says, and those of run-in-ci.md are run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import parse

import pytest
from pipelines import Runner, files_of, github, gitlab, read
from projects import Project
from registries import PASSWORD, USER, FakeRegistry
from schemas import refusal
from warm import WARM

if TYPE_CHECKING:
    from tests.conftest import TallyIn

PAGES = sorted((Path(__file__).resolve().parent.parent.parent / "docs/how-to").glob("*.md"))
PAGE = next(page for page in PAGES if page.name == "run-in-ci.md")
SCHEMAS = {".github/workflows": "vendor.github-workflows", ".": "vendor.gitlab-ci"}
LABELLED = "contains(github.event.pull_request.labels.*.name, 'changes-artifact') && 'different' || 'same'"
GH = """#!/bin/sh
printf '%s\\n' "$*" >> {calls}
case "$2" in
    create) printf '%s\\n' "$4" > {title} ;;
    list) if [ -f {title} ] && [ "$(cat {title})" = "$TITLE" ]; then echo 7; fi ;;
esac
"""
"""GitHub's command line: what it is asked is kept, and an issue that it made is open."""
SAME, OTHER = "mkdir -p $out; printf 'one\\n' > $out/it", "mkdir $out; echo other > $out/it"


@pytest.mark.parametrize("page", [page for page in PAGES if files_of(page)], ids=lambda page: page.stem)
def test_the_forges_schema_takes_it(page: Path, tmp_path: Path) -> None:
    """The schemas are those that check-jsonschema brings: no network."""
    for name, text in files_of(page).items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        schema = SCHEMAS[str(Path(name).parent)]
        more = ["--data-transform", "gitlab-ci"] if schema == "vendor.gitlab-ci" else []
        assert refusal(file, schema, *more) is None, f"{page.name}, {name}"


def test_the_schema_refuses_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text("on: push\njobs:\n  one:\n    step: []\n")
    assert "'runs-on' is a required property" in str(refusal(tmp_path / "x.yml", "vendor.github-workflows"))


@pytest.mark.parametrize("page", [page for page in PAGES if files_of(page)], ids=lambda page: page.stem)
def test_what_is_left_for_people_is_written_and_a_job_may_do_no_more_than_it_needs(page: Path) -> None:
    for name, text in files_of(page).items():
        for job in read(text).get("jobs", read(text)).values():
            uploaded = [
                step["with"]["path"] for step in job.get("steps", []) if "upload-artifact" in str(step)
            ]
            scripts = "\n".join(step.get("run", "") for step in job.get("steps", []))
            assert all(path in scripts for path in uploaded), f"{name}: {uploaded}"
        if name.startswith(".github"):
            assert read(text)["permissions"]["contents"] == "read", f"{name} may write"


@pytest.fixture
def forge(tmp_path: Path, tally_in: TallyIn, repository: Path, session_state: Path) -> Iterator[Forge]:
    (tmp_path / "bin").mkdir()
    with FakeRegistry(basic=True).running() as registry, WARM.program(tmp_path / "bin") as program:
        yield Forge(tmp_path, tally_in, repository, registry, program, session_state)


class Forge:
    """A reader's repository with the recipe `tree`, its runner, and the registry that it publishes to."""

    def __init__(
        self,
        folder: Path,
        tally_in: TallyIn,
        repository: Path,
        registry: FakeRegistry,
        program: Path,
        state: Path,
    ) -> None:
        self.registry, self.folder = registry, folder / "checkout"
        self.folder.mkdir()
        self.project = Project(self.folder, tally_in(self.folder), repository)
        (self.folder / "keys").mkdir()
        for kind in ("key", "pub"):
            (self.folder / f"release.{kind}").rename(self.folder / "keys" / f"ci.{kind}")
        self.key = (self.folder / "keys/ci.key").read_text()
        (self.folder / "keys/ci.key").unlink()
        subprocess.run(["git", "init", "-q", self.folder], check=True)
        self.becomes("mkdir $out; echo one > $out/it")
        self.calls = folder / "calls"
        gh = program.parent / "gh"
        gh.write_text(GH.format(calls=self.calls, title=folder / "title"))
        gh.chmod(0o755)
        self.temporary = folder / "runner"
        self.temporary.mkdir()
        self.runner = Runner(
            self.folder,
            {
                "PATH": f"{program.parent}:/usr/bin:/bin:/usr/sbin:/sbin",
                "TALLY_STATE": str(state),
                "RUNNER_TEMP": str(self.temporary),
                "GITHUB_ACTOR": USER,
                "GITHUB_REPOSITORY": "Owner/Project",
                "GITHUB_REF_NAME": "v1.0",
            },
        )
        self.files = files_of(PAGE)

    def becomes(self, script: str) -> None:
        """A commit that changes the recipe, whose source is the whole project."""
        self.project.recipe("tree", script, '[source]\npath = "."\n')
        git = ["git", "-C", str(self.folder), "-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "add", "keys", "recipes", "tally.lock"], check=True)
        subprocess.run([*git, "commit", "-qm", "A change"], check=True)

    def github(self, name: str, **known: str) -> tuple[bool, dict[str, bool]]:
        where = {f"github.{key}": key for key in ("server_url", "repository", "run_id")}
        where |= {"vars.REGISTRY": self.registry.host, "secrets.RELEASE_KEY": self.key.rstrip("\n")}
        tag = known.get("ref") == "tag"
        more = {
            "github.token": PASSWORD,
            LABELLED: known.get("expect", ""),
            "github.ref_type == 'tag'": str(tag).lower(),
            "github.ref_type == 'tag' && format('tree:{0}', github.ref_name) || 'tree/main:latest'": (
                "tree:v1.0" if tag else "tree/main:latest"
            ),
            "github.ref_type == 'branch' && '--move-tag' || ''": "" if tag else "--move-tag",
        }
        self.runner.check_out()
        return github(self.runner, self.files[f".github/workflows/{name}.yml"], {**where, **more, **known})

    def gitlab(self, job: str, rule: int = 0, **more: str) -> bool:
        file = self.temporary / "RELEASE_KEY"
        file.write_text(self.key)
        variables = {
            "CI_PROJECT_DIR": str(self.folder),
            "CI_REGISTRY": self.registry.host,
            "CI_REGISTRY_IMAGE": f"{self.registry.host}/group/project",
            "CI_REGISTRY_USER": USER,
            "CI_REGISTRY_PASSWORD": PASSWORD,
            "CI_COMMIT_TAG": "v1.0" if rule else "",
            "CI_MERGE_REQUEST_LABELS": "",
            "RELEASE_KEY": str(file),
        }
        self.runner.check_out()
        return gitlab(self.runner, self.files[".gitlab-ci.yml"], job, {**variables, **more}, rule)

    def harm(self) -> None:
        """Somebody changes what the registry has."""
        for digest, data in self.registry.blobs.items():
            self.registry.blobs[digest] = data + b"x"

    def cases(self, name: str) -> list[str]:
        """What the forge shows of a JUnit file: what is in each case."""
        suite = parse(self.folder / name).iterfind(".//testcase")
        return [case[0].attrib["type"] if len(case) else "passed" for case in suite]


def test_github(forge: Forge) -> None:
    published, steps = forge.github("publish", ref="branch")
    assert published, forge.runner.said
    assert list(steps) == ["Log in", "Build, compare, sign", "Publish", "Leave no key behind"]
    assert set(forge.registry.tags) == {"latest"}
    there = forge.registry.contents
    shutil.rmtree(forge.temporary / "releases")
    assert forge.github("publish", ref="branch")[0], forge.runner.said
    assert forge.registry.contents == there, "another build of the same artifact is nothing new"
    assert any("there already" in said for said in forge.runner.said)
    shutil.rmtree(forge.temporary / "releases")
    assert not (forge.temporary / "release.key").exists()
    assert not (forge.temporary / "docker").exists()
    version, steps = forge.github("publish", ref="tag")
    assert version, forge.runner.said
    assert set(forge.registry.tags) == {"latest", "v1.0"}

    assert forge.github("unchanged", expect="same")[0], forge.runner.said
    assert "nothing to build" in forge.runner.said[-1]
    forge.becomes(SAME)
    assert forge.github("unchanged", expect="same")[0], forge.runner.said
    assert not forge.github("unchanged", expect="different")[0]
    forge.becomes(OTHER)
    assert not forge.github("unchanged", expect="same")[0]
    assert forge.cases("unchanged.xml") == ["different"]
    assert forge.github("unchanged", expect="different")[0], forge.runner.said

    assert forge.github("re-prove") == (True, {"Log in": True, "Make it again": True}), forge.runner.said
    assert set(forge.cases("re-prove.xml")) == {"passed"}
    assert not forge.calls.exists()
    forge.harm()
    again, steps = forge.github("re-prove")
    assert not again
    assert steps == {"Log in": True, "Make it again": False, "Tell people": True}, forge.runner.said
    assert set(forge.cases("re-prove.xml")) == {"unverified"}
    assert "server_url/repository/actions/runs/run_id says what differs" in forge.calls.read_text()
    forge.github("re-prove")
    told = [line.split()[1] for line in forge.calls.read_text().splitlines()]
    assert told == ["list", "create", "list", "comment"], "one issue, however many nights it takes"


def test_a_build_that_fails_publishes_nothing_and_leaves_no_key(forge: Forge) -> None:
    forge.becomes("exit 3")
    failed, steps = forge.github("publish", ref="branch")
    assert not failed
    assert steps == {"Log in": True, "Build, compare, sign": False, "Leave no key behind": True}
    assert not forge.registry.tags
    assert not (forge.temporary / "release.key").exists()


def test_a_tag_that_is_not_the_recipes_version_publishes_nothing(forge: Forge) -> None:
    forge.runner.environment = {**forge.runner.environment, "GITHUB_REF_NAME": "v1.1"}
    failed, steps = forge.github("publish", ref="tag")
    assert not failed
    assert not steps.pop("Compare the tag with the release")
    assert list(steps) == ["Log in", "Build, compare, sign", "Leave no key behind"]
    assert "another version" in forge.runner.said[-2]
    assert not forge.gitlab("publish", rule=1, CI_COMMIT_TAG="v1.1")
    assert "recipes/tree.toml has another version than v1.1" in forge.runner.said[-2]
    assert not forge.registry.tags


def test_before_anything_is_published_nothing_is_decided(forge: Forge) -> None:
    assert not forge.github("unchanged", expect="same")[0]
    assert "UNDECIDED" in forge.runner.said[-1]
    assert forge.cases("unchanged.xml") == ["undecided"]
    again, steps = forge.github("re-prove")
    assert not again
    assert not steps["Make it again"]


def test_without_a_registry_it_is_told_what_to_set(forge: Forge) -> None:
    known = {"vars.REGISTRY": ""}
    assert not forge.github("publish", ref="branch", **known)[0]
    assert "REGISTRY: is not set" in forge.runner.said[0]


def test_a_version_that_waits_is_not_cancelled_by_another_ref(forge: Forge) -> None:
    assert "github.ref" in read(forge.files[".github/workflows/publish.yml"])["concurrency"]["group"]


def test_gitlab(forge: Forge) -> None:
    assert forge.gitlab("publish"), forge.runner.said
    assert set(forge.registry.tags) == {"latest"}
    assert not forge.folder.with_name("checkout.tmp").joinpath("docker").exists(), "the login is removed"
    assert forge.gitlab("publish", rule=1), forge.runner.said
    assert set(forge.registry.tags) == {"latest", "v1.0"}

    assert forge.gitlab("unchanged"), forge.runner.said
    forge.becomes(OTHER)
    assert not forge.gitlab("unchanged")
    assert not forge.gitlab("unchanged", CI_MERGE_REQUEST_LABELS="not-changes-artifact,other")
    assert forge.cases("unchanged.xml") == ["different"]
    assert forge.gitlab("unchanged", CI_MERGE_REQUEST_LABELS="other,changes-artifact"), forge.runner.said

    assert forge.gitlab("re-prove"), forge.runner.said
    forge.harm()
    assert not forge.gitlab("re-prove")
    assert set(forge.cases("re-prove.xml")) == {"unverified"}
