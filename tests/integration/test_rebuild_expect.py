"""`tally rebuild --expect`: whether a change leaves the artifact as a release has it."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import parse

import releases
from projects import Project
from targets import laid_out

if TYPE_CHECKING:
    from tests.conftest import Ran


def released(project: Project, script: str) -> Path:
    """A release of the recipe `changing`, as it was before the change."""
    project.build(project.recipe("changing", script)).succeeded()
    (release,) = (project.folder / "releases").iterdir()
    return release


def expecting(project: Project, release: Path, what: str, *more: object) -> Ran:
    return project.tally("rebuild", release, "--publisher", "release.pub", "--expect", what, *more)


def test_a_change_that_leaves_the_artifact_the_same(project: Project) -> None:
    release = released(project, "mkdir $out; echo one > $out/it")
    unchanged = expecting(project, release, "same").succeeded()
    assert unchanged.out.startswith("SAME  changing-1.0-x86_64-linux\n  artifact  changing-1.0")
    assert "changing has the derivations of the release: there was nothing to build" in unchanged.err

    project.recipe("changing", "mkdir -p $out; printf 'one\\n' > $out/it")
    same = expecting(project, release, "same", "--json").succeeded()
    (told,) = json.loads(same.out)["rebuilds"]
    assert (told["verdict"], told["expected"], told["built"]) == ("same", True, True)
    assert set(told["agreement"]["builders"]) == {"a", "b"}, told["agreement"]
    unexpected = expecting(project, release, "different", "--junit", "it.xml").failed(1)
    assert "another artifact was expected of changing" in unexpected.err
    (failure,) = parse(project.folder / "it.xml").iterfind(".//failure")
    assert failure.attrib["type"] == "same"


def test_a_change_that_makes_another_artifact(project: Project) -> None:
    release = released(project, "mkdir $out; echo one > $out/it")
    project.recipe("changing", "mkdir $out; echo other > $out/it")
    ran = expecting(project, release, "same", "--junit", "it.xml").failed(1)
    verdict, before, after = ran.out.splitlines()
    assert verdict == "DIFFERENT  changing-1.0-x86_64-linux"
    assert before.split()[1] != after.split()[1]
    assert "changing-1.0-x86_64-linux: the same artifact was expected of changing" in ran.err
    kept = Path(ran.err.partition("both artifacts are kept in ")[2].split("\n")[0])
    names = sorted(str(path.relative_to(kept)) for path in kept.rglob("*.tar.gz"))
    assert [name.split("/")[0] for name in names] == ["here", "the release"]
    (failure,) = parse(project.folder / "it.xml").iterfind(".//failure")
    assert failure.attrib["type"] == "different"
    assert expecting(project, release, "different").succeeded().out.startswith("DIFFERENT  ")
    other = project.recipe("elsewhere", "mkdir $out; echo one > $out/it")
    shutil.move(other, project.folder / "elsewhere.toml")
    elsewhere = expecting(project, release, "same", "--target", "elsewhere.toml").failed(1)
    assert elsewhere.out.startswith("DIFFERENT  "), (
        "a package of another name is packed into a folder of that"
    )


def test_a_change_that_does_not_build_or_not_the_same_twice(project: Project) -> None:
    release = released(project, "mkdir $out; echo one > $out/it")
    project.recipe("changing", "mkdir $out; exit 3")
    assert expecting(project, release, "same").failed(2).out == "UNDECIDED  changing-1.0-x86_64-linux\n"
    project.recipe("changing", "mkdir $out; cat /proc/sys/kernel/random/uuid > $out/it")
    for what in ("same", "different"):
        assert expecting(project, release, what).failed(1).out == "DIFFERS  changing-1.0-x86_64-linux\n"


def test_an_artifact_that_somebody_replaced_is_compared(project: Project) -> None:
    """By its derivation alone a release that did not verify is nothing."""
    release = released(project, "mkdir $out; echo one > $out/it")
    (artifact,) = release.glob("*.tar.gz")
    artifact.write_bytes(b"something else")
    releases.reindex(release)
    assert expecting(project, release, "same").failed(1).out == f"UNVERIFIED  {release}\n"
    ran = expecting(project, release, "same", "--even-if-unverified").failed(1)
    assert ran.out.startswith("DIFFERENT  ")


def test_what_is_refused(project: Project) -> None:
    release = released(project, "mkdir $out; echo one > $out/it")
    (release / "links/root.layout").write_bytes(b"harmed")
    assert expecting(project, release, "same").failed(1).out == f"UNVERIFIED  {release}\n"
    shutil.rmtree(project.folder / "releases")
    release = released(project, "mkdir $out; echo one > $out/it")
    shutil.rmtree(project.folder / "recipes")
    asked = ("rebuild", release, "--even-if-unverified")
    gone = project.tally(*asked, "--expect", "same").failed(2)
    assert "there is no recipes/changing.toml here" in gone.err
    assert "with --target" in gone.err
    attested = project.tally(*asked, "--expect", "same", "--attest", "out").failed(2)
    assert "--attest and --attach sign what a release's own contents make" in attested.err
    assert "--expect asks for" in project.tally(*asked, "--target", ".#x").failed(2).err
    several = project.tally(*asked, release, "--expect", "same", "--target", ".#x").failed(2)
    assert "--target is for one release" in several.err


def test_what_has_no_recipe_is_packed_as_in_the_release(project: Project) -> None:
    packages = laid_out(project.folder / "packages")
    asked = ("two", "-f", packages, "--argstr", "who", "you", "--artifact", "tar.gz", "--key", "release.key")
    project.tally("build", *asked).succeeded()
    (release,) = (project.folder / "releases").iterdir()
    unnamed = expecting(project, release, "same").failed(2)
    assert "names nothing in this folder" in unnamed.err
    bundle = json.loads((release / "attestations/provenance.sigstore.json").read_bytes())
    statement = json.loads(b64decode(bundle["dsseEnvelope"]["payload"]))
    parameters = statement["predicate"]["buildDefinition"]["internalParameters"]
    derivation = parameters["package"]["derivation"]
    same = expecting(project, release, "same", "--target", f"{derivation}^bin").succeeded()
    assert "there was nothing to build" in same.err
