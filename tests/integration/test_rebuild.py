"""`tally rebuild`: a release is made again from what it carries, on builders of the user's own."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import policies
import pytest
from projects import Project
from states import stores_copied
from targets import laid_out

if TYPE_CHECKING:
    from tests.conftest import Ran, Tally, TallyIn

CORES = """
[variation]
build-cores = false
[[builder]]
name = "a"
cores = {0}
[[builder]]
name = "b"
cores = {0}
"""
"""Builders that agree with one another, and tell how many cores they were given."""


@pytest.fixture
def rebuilder(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn) -> Tally:
    """Somebody else, in an empty folder."""
    return tally_in(tmp_path_factory.mktemp("rebuilder"))


def handed_over(project: Project, rebuilder: Tally, name: str) -> Path:
    """A release in the rebuilder's folder; what it was built from is gone."""
    (release,) = (project.folder / "releases").iterdir()
    shutil.move(release, rebuilder.folder / name)
    shutil.rmtree(project.folder / "recipes")
    (project.folder / "recipes").mkdir()
    (project.folder / "tally.lock").unlink()
    shutil.copy(project.folder / "release.pub", rebuilder.folder)
    return rebuilder.folder / name


def altered(release: Path, name: str, old: str, new: str) -> None:
    """Change a file, and have the index fit it."""
    file = release / name
    data = file.read_text().replace(old, new)
    assert data != file.read_text()
    file.write_text(data)
    index = json.loads((release / "release.json").read_bytes())
    for each in index["files"]:
        if each["path"] == name:
            each |= {"sha256": hashlib.sha256(data.encode()).hexdigest(), "size": len(data.encode())}
    (release / "release.json").write_text(json.dumps(index))


def test_a_release_of_recipes_is_made_again_from_itself(project: Project, rebuilder: Tally) -> None:
    git = ["git", "-C", str(project.folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (project.folder / "tree").mkdir()
    (project.folder / "tree/word").write_text("said\n")
    library = 'outputs = ["out", "dev"]\n'
    project.recipe("library", "mkdir $out $dev; echo lib > $dev/header", library)
    more = 'inputs = ["library"]\n[sources.tree]\npath = "tree"\n'
    recipe = project.recipe("whole", "mkdir $out; cat tree/word $library_dev/header > $out/all", more)
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        subprocess.run([*git, *words], check=True)
    project.build(recipe).succeeded()
    release = handed_over(project, rebuilder, "given")

    ran = rebuilder("rebuild", release, "--publisher", "release.pub").succeeded()
    assert ran.out.startswith("REPRODUCED  whole-1.0-x86_64-linux\n")
    assert "whole-1.0 again" in ran.err, "it was built, and not looked up"
    (told,) = json.loads(
        rebuilder("rebuild", release, "--publisher", "release.pub", "--json").succeeded().out
    )["rebuilds"]
    index = json.loads((release / "release.json").read_bytes())
    assert told["artifact"] == {key: index["artifact"][key] for key in ("path", "sha256")}
    assert told["verdict"] == "reproduced"
    assert told["verified"] is True

    # what it carries makes something else: no builder is asked
    altered(release, "source/recipes/whole.toml", "mkdir $out;", "mkdir  $out;")
    refused = rebuilder("rebuild", release, "--publisher", "release.pub").failed(1)
    assert refused.out == f"UNVERIFIED  {release}\n"
    assert "digest-mismatch" in refused.err
    unlike = rebuilder("rebuild", release, "--even-if-unverified").failed(2)
    assert "is evaluated to other derivations than it names" in unlike.err
    assert "the first that differs is whole-1.0, in tallyScript" in unlike.err
    assert "agree" not in unlike.err + refused.err


def test_a_release_of_a_version_with_other_scripts_is_made_again(
    project: Project, rebuilder: Tally, repository: Path, session_state: Path
) -> None:
    """Years later: it carries the scripts that it was built with."""
    older = project.folder / "older"
    shutil.copytree(repository / "orchestrator", older / "orchestrator")
    for name in ("build.sh", "artifact-tar.sh"):
        with (older / "orchestrator/nix" / name).open("a") as stream:
            stream.write("\n# as an older version had it\n")
    recipe = project.recipe("older", "mkdir $out; echo older > $out/it")
    subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "build", recipe, "--key", "release.key"],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(older), "TALLY_STATE": str(session_state)},
        check=True,
        capture_output=True,
    )
    release = handed_over(project, rebuilder, "given")
    ran = rebuilder("rebuild", release, "--publisher", "release.pub").succeeded()
    assert ran.out.startswith("REPRODUCED  older-1.0-x86_64-linux\n")


def test_three_rebuilders_count_and_one_without_the_release_does_not(
    project: Project, rebuilder: Tally
) -> None:
    project.build(project.recipe("counted", "mkdir $out; echo counted > $out/it")).succeeded()
    release = handed_over(project, rebuilder, "given")
    names = ("one", "two", "three")
    evidence: list[object] = []
    for name in names:
        rebuilder("keys", "generate", name).succeeded()
        asked = ("rebuild", release, "--publisher", "release.pub", "--attest", name, "--key", f"{name}.key")
        assert f"evidence  {name}/counted-1.0-x86_64-linux" in rebuilder(*asked).succeeded().out
        evidence += ["--evidence", name]

    def verified(quorum: int, *given: object) -> Ran:
        policy = rebuilder.folder / "policy.toml"
        policy.write_text(policies.rebuilders(quorum, *names))
        return rebuilder("verify", release, "--policy", policy, *given)

    ran = verified(3, *evidence).succeeded()
    assert "rebuilt by one, three, two\n" in ran.out
    assert "set aside" not in ran.out  # nor are the links of the rebuilders' builders, which no policy names
    two = verified(3, *evidence[2:]).failed(1)
    assert "not-reproduced: 2 rebuilders that the policy trusts made it again (three, two)" in two.out
    # beside the release it counts, too
    shutil.copy(next((rebuilder.folder / "one").glob("*/attestations/*")), release / "again.sigstore.json")
    assert "rebuilt by one, three, two\n" in verified(3, *evidence[2:]).succeeded().out
    (release / "again.sigstore.json").unlink()

    # the same artifact in another release: whoever signs for that one had not this one in hand
    project.recipe("counted", "mkdir $out; echo counted > $out/it")
    shutil.copy(rebuilder.folder / "given/source/tally.lock", project.folder)
    project.build(project.folder / "recipes/counted.toml", more=("--out", "again")).succeeded()
    (other,) = (project.folder / "again").iterdir()
    asked = ("rebuild", other, "--publisher", "release.pub", "--attest", "apart", "--key", "one.key")
    rebuilder(*asked).succeeded()
    apart = verified(1, "--evidence", "apart").failed(1)
    assert "is about another release of that artifact" in apart.out


def test_a_folder_of_the_makers_repository_is_fetched_by_its_commit(
    project: Project,
    tally_in: TallyIn,
    session_state: Path,
    toolchain_state: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    web = tmp_path_factory.mktemp("web")
    git = ["git", "-C", str(project.folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (project.folder / "tree").mkdir()
    (project.folder / "tree/word").write_text("in the maker's repository\n")
    more = '[sources.tree]\npath = "tree"\n'
    recipe = project.recipe("near", "mkdir $out; cp tree/word $out/it", more)
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        subprocess.run([*git, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", project.folder, web / "near.git"], check=True)
    subprocess.run(["git", "-C", web / "near.git", "update-server-info"], check=True)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(web))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/near.git"
        subprocess.run([*git, "remote", "add", "origin", address], check=True)
        project.build(recipe).succeeded()
        state = tmp_path_factory.mktemp("state")
        (state / "sources").mkdir()
        stores_copied(toolchain_state, state)
        rebuilder = tally_in(tmp_path_factory.mktemp("rebuilder"), TALLY_STATE=str(state))
        release = handed_over(project, rebuilder, "given")
        request = json.loads((release / "source/request.json").read_bytes())
        own = request["recipes"]["near"]["sources"]["tree"]["sha256"]
        for each in (session_state / "sources").iterdir():
            if each.name != own:
                (state / "sources" / each.name).symlink_to(each)
        asked = ("rebuild", release, "--publisher", "release.pub")
        ran = rebuilder(*asked).succeeded()
        assert f"of {address}, which sources of the release are from" in ran.err
        server.shutdown()
    assert ran.out.startswith("REPRODUCED  near-1.0-x86_64-linux\n")
    shutil.rmtree(state / "sources" / own)
    shutil.rmtree(state / "stores")
    gone = rebuilder(*asked).failed(2)
    assert gone.out.startswith("UNDECIDED  ")
    assert address in gone.err


def test_what_comes_out_otherwise_is_kept_beside_the_release(
    project: Project, tally_in: TallyIn, new_state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rebuilder = tally_in(tmp_path_factory.mktemp("rebuilder"), TALLY_STATE=str(new_state))
    (project.folder / "tally.toml").write_text(CORES.format(1))
    file = project.recipe("cores", "mkdir $out; echo cores: $NIX_BUILD_CORES > $out/it")
    recipe = file.read_text()
    project.build(file).succeeded()
    release = handed_over(project, rebuilder, "given")
    (rebuilder.folder / "tally.toml").write_text(CORES.format(7))

    asked = ("rebuild", release, "--publisher", "release.pub")
    ran = rebuilder(*asked).failed(1)
    assert ran.out == "DIFFERS  cores-1.0-x86_64-linux\n"
    assert "a and b agree with one another, and not with the release" in ran.err
    (told,) = json.loads(rebuilder(*asked, "--json").failed(1).out)["rebuilds"]
    assert told["verdict"] == "differs"
    assert [each["output"] for each in told["differing"]] == ["out", "out"], "the package, and its artifact"
    assert {len(set(each["narSha256"].values())) for each in told["differing"]} == {2}
    kept = Path(told["kept"])
    package, artifact = (each["path"].rsplit("/", 1)[-1][33:] for each in told["differing"])
    assert (kept / "a" / package / "it").read_text() == "cores: 7\n"
    ours, theirs = (kept / side / artifact for side in ("a", "the release"))
    assert ours.read_bytes() != theirs.read_bytes()
    assert theirs.read_bytes() == (release / artifact).read_bytes()
    assert told["differing"][1]["files"][0]["between"] == ["the release", "a"]
    assert told["rootCauses"] == [told["differing"][0]["derivation"]]
    assert [each["inherited"] for each in told["differing"]] == [False, True]
    assert (told["doubtful"], told["untold"]) == ([], [])
    assert "first to diverge: cores-1.0.drv" in ran.err
    assert f"hint: `tally diagnose {kept.name.partition('Z')[0][:-15]}" in ran.err
    why = json.loads(rebuilder("diagnose", kept.name, "--json").failed(1).out)
    (culprit,) = (each for each in why["culprits"] if each["derivation"] == told["rootCauses"][0])
    assert (culprit["file"], culprit["inside"], culprit["between"]) == ("it", [], ["a", "the release"])
    assert culprit["values"][0] != culprit["values"][1]
    first = culprit["causes"][0]
    assert (first["name"], first["proof"]["knob"]) == ("cpu-count", "build-cores")

    # a rebuilder's signed no counts against this release, and against no other
    rebuilder("keys", "generate", "one").succeeded()
    signed = rebuilder(*asked, "--attest", "no", "--key", "one.key").failed(1)
    assert "  evidence  no/cores-1.0-x86_64-linux\n" in signed.out
    (rebuilder.folder / "policy.toml").write_text(policies.rebuilders(1, "one"))
    verify = ("verify", "--policy", "policy.toml", "--evidence", "no")
    refused = rebuilder(*verify, release).failed(1)
    assert "builders-disagree" in refused.out
    assert "the builders a and b agree on something else than the release has of /nix/store/" in refused.out
    (project.folder / "recipes/cores.toml").write_text(recipe)
    (project.folder / "tally.lock").write_bytes((release / "source/tally.lock").read_bytes())
    other = project.build(project.folder / "recipes/cores.toml", more=("--out", "other")).succeeded()
    shutil.move(project.folder / other.out.strip(), rebuilder.folder / "other")
    assert "builders-disagree" not in rebuilder(*verify, rebuilder.folder / "other").failed(1).out


def test_what_its_makers_stores_hold_of_a_release_keeps_nothing_from_being_told(
    project: Project, tally_in: TallyIn, new_state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A job that builds releases and re-proves them later has one state folder for both."""
    tally = tally_in(project.folder, TALLY_STATE=str(new_state))
    rebuilder = tally_in(tmp_path_factory.mktemp("rebuilder"), TALLY_STATE=str(new_state))
    (project.folder / "tally.toml").write_text(CORES.format(1))
    file = project.recipe("cores", "mkdir $out; echo cores: $NIX_BUILD_CORES > $out/it")
    tally("build", file, "--key", "release.key").succeeded()
    release = handed_over(project, rebuilder, "given")
    rebuilder("keys", "generate", "one").succeeded()
    asked = ("rebuild", release, "--publisher", "release.pub")
    (rebuilder.folder / "tally.toml").write_text(CORES.format(1))
    rebuilder(*asked).succeeded()

    (rebuilder.folder / "tally.toml").write_text(CORES.format(7))
    ran = rebuilder(*asked, "--attest", "no", "--key", "one.key").failed(1)
    assert ran.out.startswith("DIFFERS  cores-1.0-x86_64-linux\n")
    assert "a and b had of cores-1.0-x86_64-linux what the release has, and made something else" in ran.err
    assert "a and b agree with one another, and not with the release" in ran.err
    assert "(earlier)" not in ran.err
    assert (rebuilder.folder / "no/cores-1.0-x86_64-linux").is_dir(), "the no is signed"
    (kept,) = (new_state / "disagreements").iterdir()
    assert sorted(each.name for each in kept.iterdir() if each.is_dir()) == ["a", "the release"]


def test_the_input_that_diverged_first_is_named_and_diagnosed_by_builds_of_it_here(
    project: Project, tally_in: TallyIn, new_state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rebuilder = tally_in(tmp_path_factory.mktemp("rebuilder"), TALLY_STATE=str(new_state))
    (project.folder / "tally.toml").write_text(CORES.format(1))
    project.recipe("low", "mkdir $out; echo cores: $NIX_BUILD_CORES > $out/it")
    project.recipe("still", "mkdir $out; echo nothing > $out/it")
    inputs = 'inputs = ["low", "still"]'
    high = project.recipe("high", "mkdir $out; cat $low/it $still/it | cksum > $out/sum", inputs)
    project.build(high).succeeded()
    release = handed_over(project, rebuilder, "given")
    (rebuilder.folder / "tally.toml").write_text(CORES.format(7))
    ran = rebuilder("rebuild", release, "--publisher", "release.pub", "--json", "--diagnose").failed(1)
    (told,) = json.loads(ran.out)["rebuilds"]
    (low,) = told["rootCauses"]
    assert low.endswith("-low-1.0.drv")
    assert {each["inherited"] for each in told["differing"]} == {True}
    assert (told["doubtful"], told["untold"]) == ([], [])
    assert told["compared"] >= 5, "low, still, high, its artifact, and the toolchain's root"

    assert "the release has nothing of low-1.0" in ran.err.replace(told["release"], "the release")
    culprits = told["diagnosis"]["culprits"]
    assert json.loads((Path(told["kept"]) / "diagnosis.json").read_bytes()) == told["diagnosis"]
    assert {each["derivation"] for each in culprits} == {low}
    first = culprits[0]
    assert (first["file"], first["between"]) == ("it", ["one build here", "another one"])
    assert (first["causes"][0]["name"], first["causes"][0]["proof"]["knob"]) == ("cpu-count", "build-cores")
    shown = {each["file"] for each in culprits if "the release" in each["between"]}
    assert len(shown) == 1, "and where the release's artifact differs for it"


def test_a_release_without_a_recipe_is_made_again_from_its_derivations(
    project: Project, rebuilder: Tally
) -> None:
    packages = laid_out(project.folder / "packages")
    project.tally(
        "build", "two", "-f", packages, "--argstr", "who", "you", "--key", "release.key"
    ).succeeded()
    shutil.rmtree(packages)
    release = handed_over(project, rebuilder, "given")
    ran = rebuilder("rebuild", release, "--publisher", "release.pub").succeeded()
    assert ran.out.startswith("REPRODUCED  two-2.0-x86_64-linux\n")

    # an export that holds something else under the path of a derivation or a source of it
    data = bytearray((release / "source/derivations.export").read_bytes())
    place = data.index(b"Derive(")
    data[place + 30] ^= 1
    (release / "source/derivations.export").write_bytes(data)
    index = json.loads((release / "release.json").read_bytes())
    for each in index["files"]:
        if each["path"] == "source/derivations.export":
            each["sha256"] = hashlib.sha256(data).hexdigest()
    (release / "release.json").write_text(json.dumps(index))
    refused = rebuilder("rebuild", release, "--even-if-unverified").failed(2)
    assert "source/derivations.export" in refused.err


def test_what_cannot_be_made_again_stops_no_other(project: Project, rebuilder: Tally) -> None:
    project.build(project.recipe("plain", "mkdir $out; echo plain > $out/it")).succeeded()
    release = handed_over(project, rebuilder, "given")
    lost = rebuilder.folder / "lost"
    ran = rebuilder("rebuild", lost, release, "--publisher", "release.pub").failed(2)
    assert ran.out.splitlines()[:2] == [f"UNDECIDED  {lost}", "REPRODUCED  plain-1.0-x86_64-linux"]
    assert f"there is nothing at {lost}" in ran.err

    changed = rebuilder.folder / "changed"
    shutil.copytree(release, changed)
    (artifact,) = changed.glob("*.tar.gz")
    artifact.chmod(0o644)
    artifact.write_bytes(artifact.read_bytes() + b"more")
    known = rebuilder("rebuild", changed, "--publisher", "release.pub").failed(1)
    assert known.out == f"UNVERIFIED  {changed}\n"
    assert "with --even-if-unverified it is" in known.err
    made = rebuilder("rebuild", changed, "--even-if-unverified").failed(2)
    assert made.out == f"UNDECIDED  {changed}\n"
    assert f"what was made again is what its evidence says, and {artifact} is another file" in made.err

    shutil.copytree(release, rebuilder.folder / "bare")
    bare = rebuilder.folder / "bare"
    shutil.rmtree(bare / "source")
    index = json.loads((bare / "release.json").read_bytes())
    index["files"] = [each for each in index["files"] if not each["path"].startswith("source/")]
    (bare / "release.json").write_text(json.dumps(index))
    said = rebuilder("rebuild", bare, "--even-if-unverified").failed(2)
    assert "has no folder source/, so it cannot be made again from itself" in said.err
    nobody = rebuilder("rebuild", release).failed(2)
    assert "nothing says whom to trust: --publisher, --identity or --policy is missing" in nobody.err
