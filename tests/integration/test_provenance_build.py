"""What a release says of where it is from: its repository's commit, and all that made it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

from projects import Project
from repositories import run_git as git

from orchestrator.ground.nar import nar_hash

REMOTE = "git@git.example.org:team/greeting.git"
SCRIPT = "mkdir $out; cat greeting $word/word > $out/greeting"


def predicate(release: Path) -> dict[str, Any]:
    bundle = json.loads((release / "attestations/provenance.sigstore.json").read_text())
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    found: dict[str, Any] = payload["predicate"]
    return found


def planned(project: Project, *recipes: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(project.tally("plan", *recipes, "--json").succeeded().out)
    return document["recipes"]


def test_a_release_names_its_commit_and_is_planned_from_itself(project: Project, tmp_path: Path) -> None:
    project.recipe("word", "mkdir $out; echo well met > $out/word")
    (project.folder / "text").mkdir()
    (project.folder / "text/greeting").write_text("hello\n")
    more = 'inputs = ["word"]\n[source]\npath = "text"\n'
    recipe = project.recipe("greeting", SCRIPT, more)
    (project.folder / ".gitignore").write_text("/release.*\n/releases/\n")
    git(project.folder, "init", "--quiet")
    git(project.folder, "remote", "add", "origin", REMOTE)
    git(project.folder, "add", "recipes", "text", ".gitignore")
    git(project.folder, "commit", "--quiet", "--message", "without the lock")
    first = git(project.folder, "rev-parse", "HEAD")

    # before anything is built
    (project.folder / "tally.toml").write_text("require-commit = true\n")
    refused = project.build(recipe).failed(2)
    assert "tally.lock is uncommitted: it is not in the commit" in refused.err
    assert "require-commit" in refused.err
    assert "started" not in refused.err
    (project.folder / "tally.toml").unlink()

    ran = project.build(recipe).succeeded()
    assert f"tally.lock is uncommitted: it is not in the commit {first[:12]}" in ran.err
    release = project.folder / "releases/greeting-1.0-x86_64-linux"
    build = predicate(release)["buildDefinition"]
    assert build["externalParameters"]["repository"] == {
        "uri": f"git+ssh://git.example.org/team/greeting.git@{first}",
        "digest": {"gitCommit": first},
        "path": "recipes/greeting.toml",
        "uncommitted": ["tally.lock"],
    }
    project.tally("verify", release, "--key", "release.pub").succeeded()

    # the commands, the recipe's script word for word, and the text of ours that they name
    commands = build["internalParameters"]["commands"]
    environments = {each["environment"]["name"]: each["environment"] for each in commands}
    assert list(environments) == [
        "debian-root", "word-1.0", "greeting-1.0", "greeting-1.0-x86_64-linux.tar.gz",
    ]  # fmt: skip
    assert environments["greeting-1.0"]["tallyScript"].strip() == SCRIPT
    (link, *_) = release.glob("links/*.link")
    told = json.loads(base64.b64decode(json.loads(link.read_text())["payload"]))["command"]
    assert told == commands[2]["command"]
    digests = {
        each["annotations"]["storePath"]: each["digest"].get("narSha256")
        for each in build["resolvedDependencies"]
        if each.get("annotations", {}).get("kind") == "file"
    }
    carried = {f"/nix/store/{file.name}": nar_hash(file).hex for file in release.glob("source/store/*")}
    assert carried == digests
    named = {word for each in commands for word in each["command"] if word.endswith(".sh")}
    assert named <= set(carried)

    # only the lock is committed: the same bytes, the same derivation, and what differs is told in words
    derivation = planned(project, recipe)["greeting"]["derivation"]
    git(project.folder, "add", "tally.lock")
    git(project.folder, "commit", "--quiet", "--message", "the lock")
    second = git(project.folder, "rev-parse", "HEAD")
    assert planned(project, recipe)["greeting"]["derivation"] == derivation
    again = project.build(recipe).succeeded()
    assert "was there already, and stays as it is" in again.err
    assert f"it names the commit {first[:12]} of git+ssh://git.example.org/team/greeting.git" in again.err
    assert f"this run the commit {second[:12]}" in again.err
    assert "tally.lock is not as committed; in this run all is as committed" in again.err
    assert "{" not in again.err
    (project.folder / "tally.toml").write_text("require-commit = true\n")
    kept = project.build(recipe, more=("--json",)).failed(2)
    assert "is there already, and tally.toml has" in kept.err
    (project.folder / "tally.toml").unlink()

    # what the release carries makes the same derivation in a clone at that commit
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--no-hardlinks", str(project.folder), str(clone))
    git(clone, "checkout", "--quiet", first)
    shutil.copytree(release / "source", clone / "again")
    assert planned(project, clone / "again/recipes/greeting.toml")["greeting"]["derivation"] == derivation

    # and in an empty folder, where no source is a folder of the repository
    project.build(project.folder / "recipes/word.toml").succeeded()
    word = project.folder / "releases/word-1.0-x86_64-linux"
    alone = tmp_path / "alone"
    shutil.copytree(word / "source", alone)
    index = json.loads((word / "release.json").read_text())
    plan = planned(project, alone / "recipes/word.toml")["word"]
    told = {"package": plan["derivation"], "artifact": plan["artifact"]["derivation"]}
    assert told == index["derivations"]
    signed = {each["name"] for each in predicate(word)["runDetails"]["byproducts"]}
    assert {f"source/{path.relative_to(alone)}" for path in alone.rglob("*") if path.is_file()} <= signed
