"""Builders made to disagree, stores that were tampered with, and releases that are there already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faulty import Place, Project

BUILD = ("build", "recipes/steady.toml", "--key", "release.key")


def outcome(text: str) -> dict[str, object]:
    (only,) = json.loads(text)["outcomes"]
    assert isinstance(only, dict)
    return only


def test_a_clock_in_the_output_is_never_signed(place: Place, project: Project) -> None:
    project.recipe(
        "clock", script="mkdir -p $out/share; date +%s.%N > $out/share/built; cp README $out/share/"
    )
    done = place.tally("build", "recipes/clock.toml", "--key", "release.key", "--json")
    assert done.code == 1, done.err
    said = outcome(done.out)
    assert said["outcome"] == "disagreed"
    assert "DISAGREE" in done.err
    assert project.releases == project.drafts == []

    package = next(one for one in said["differing"] if one["path"].endswith("-clock-1"))  # type: ignore[attr-defined]
    assert not package["inherited"]
    assert said["rootCauses"] == [package["derivation"]]
    (file,) = package["files"]
    assert (file["path"], file["kind"], file["cause"]) == ("share/built", "content", "timestamp")
    assert file["between"] == ["a", "b"]

    kept = Path(str(said["kept"]))
    texts = {place.sh(f"cat {kept}/{builder}/clock-1/share/built") for builder in ("a", "b")}
    assert len(texts) == 2
    for logs in said["logs"].values():  # type: ignore[attr-defined]
        for log in logs:
            place.sh(f"test -f {log}")


def test_a_builder_that_differs_from_itself_is_caught(place: Place, project: Project) -> None:
    # only the first build anywhere is alike on both: from then on each differs from its own store
    project.recipe("clock", script="mkdir -p $out; date +%s.%N > $out/built")
    place.tally("build", "recipes/clock.toml", "--no-sign")
    again = place.tally("build", "recipes/clock.toml", "--key", "release.key", "--json")
    assert again.code == 1, again.err
    names = {name for one in outcome(again.out)["differing"] for name in one["narSha256"]}  # type: ignore[attr-defined]
    assert names == {"a", "a (earlier)", "b", "b (earlier)"}
    assert project.releases == []


def test_a_failed_build_is_no_disagreement(place: Place, project: Project) -> None:
    project.recipe("broken", script="echo on my way; echo the reason >&2; exit 3")
    done = place.tally("build", "recipes/broken.toml", "--key", "release.key")
    assert done.code == 2, done.err
    assert "the reason" in done.err
    assert "whole log" in done.err
    assert "DISAGREE" not in done.err
    assert project.releases == []


def test_a_build_that_fails_on_one_builder_only_is_no_disagreement(place: Place, project: Project) -> None:
    # the first to come takes the name; whoever finds it taken fails. Builds share nothing, so each is alone
    # and both succeed: that is what is shown here, with the clock as the only thing left to tell them apart
    project.recipe("broken", script="test ! -e /tmp/taken; echo > /tmp/taken; mkdir $out; echo x > $out/file")
    done = place.tally("build", "recipes/broken.toml", "--no-sign")
    assert done.code == 0, done.err


def test_the_same_release_twice_is_kept(place: Place, project: Project) -> None:
    assert place.tally(*BUILD).code == 0
    release = project.folder / "releases" / "steady-1-x86_64-linux"
    before = {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    again = place.tally(*BUILD)
    assert again.code == 0, again.err
    assert {path: path.read_bytes() for path in release.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("harm", ["changed", "file in its place", "another key's"])
def test_an_existing_release_with_other_content_refuses(place: Place, project: Project, harm: str) -> None:
    release = project.folder / "releases" / "steady-1-x86_64-linux"
    artifact = release / "steady-1-x86_64-linux.tar.gz"
    match harm:
        case "file in its place":
            release.parent.mkdir()
            release.write_text("in the way")
        case "another key's":
            assert place.tally("keys", "generate", "other").code == 0
            assert place.tally("build", "recipes/steady.toml", "--key", "other.key").code == 0
        case _:
            assert place.tally(*BUILD).code == 0
            data = bytearray(artifact.read_bytes())
            data[-1] ^= 1
            artifact.write_bytes(data)
    before = {path: path.read_bytes() for path in release.parent.rglob("*") if path.is_file()}
    again = place.tally(*BUILD)
    assert again.code == 2, again.err
    assert "is there already" in again.err
    assert "hint:" in again.err
    assert {path: path.read_bytes() for path in release.parent.rglob("*") if path.is_file()} == before
    assert project.drafts == []


def where(place: Place, builder: str) -> dict[str, str]:
    """Where the parts of the recipe `steady` lie in a builder's store."""
    plan = json.loads(place.tally("plan", "recipes/steady.toml", "--json").out)["recipes"]["steady"]
    closure = {step["derivation"][44:]: step["outputs"]["out"] for step in plan["closure"]}
    paths = {
        "output": plan["outputs"]["out"],
        "artifact": plan["artifact"]["path"],
        "root": closure["debian-root.drv"],
        "source": closure["hello-2.10.tar.gz.drv"],
    }
    store = f"{place.state}/stores/{builder}"
    return {"store": store, **{name: f"{store}{path}" for name, path in paths.items()}}


HARMS = {
    "the output changed": "chmod -R u+w {output}; echo harm >> {output}/share/seed",
    "the output gone": "chmod -R u+w {output}; rm -rf {output}",
    "a derivation gone": "rm -f {store}/nix/store/*-steady-1.drv",
    "the database gone": "rm -rf {store}/nix/var/nix/db",
    "the database cut off": "truncate -s 20000 {store}/nix/var/nix/db/db.sqlite",
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_tampered_store_never_gets_a_signature_for_other_bytes(
    place: Place, project: Project, harm: str
) -> None:
    assert place.tally(*BUILD).code == 0
    release = project.folder / "releases" / "steady-1-x86_64-linux"
    good = (release / "steady-1-x86_64-linux.tar.gz").read_bytes()
    place.sh(f"rm -rf {release}")
    place.sh(HARMS[harm].format(**where(place, "a")))
    done = place.tally(*BUILD)
    assert done.code in ((2,) if "changed" in harm else (0, 2)), (
        f"a broken store is no disagreement: {done.err}"
    )
    if done.code == 0:
        assert (release / "steady-1-x86_64-linux.tar.gz").read_bytes() == good
    else:
        assert project.releases == []
        assert "a" in done.err


def test_a_store_that_was_removed_is_made_anew(place: Place, project: Project) -> None:
    store = f"{place.state}/stores/a"
    place.sh(f"echo harm > {store}/nix/var/nix/db/db.sqlite")
    assert place.tally(*BUILD).code == 2
    place.sh(f"find {store} -type d -exec chmod u+w {{}} +; rm -rf {store}")
    again = place.tally(*BUILD)
    assert again.code == 0, again.err
    assert project.releases == ["steady-1-x86_64-linux"]


def test_an_artifact_changed_under_the_gate_is_not_signed(place: Place, project: Project) -> None:
    assert place.tally(*BUILD).code == 0
    place.sh(f"rm -rf {project.folder}/releases")
    for builder in ("a", "b"):
        artifact = where(place, builder)["artifact"]
        place.sh(f"chmod u+w {artifact}; echo harm >> {artifact}")
    done = place.tally(*BUILD)
    assert done.code == 2, done.err
    assert "was altered in its store" in done.err
    assert project.releases == []


@pytest.mark.parametrize("harmed", ["root", "source"])
def test_what_builds_are_made_from_is_read_before_it_is_vouched_for(
    place: Place, project: Project, harmed: str
) -> None:
    """The same harm in every store: no difference gives it away."""
    for builder in ("a", "b"):
        paths = where(place, builder)
        file = f"{paths['root']}/usr/share/doc/tar/copyright" if harmed == "root" else paths["source"]
        place.sh(f"chmod u+w $(dirname {file}) {file}; echo harm >> {file}")
    done = place.tally(*BUILD)
    assert done.code == 2, done.err
    assert "was altered in its store" in done.err
    assert "hint:" in done.err
    assert project.releases == []


def test_what_was_made_from_something_altered_is_gone_once_that_is_put_back(
    place: Place, project: Project
) -> None:
    """The same harm in every store, and all as it was before the next run."""
    read = "/usr/share/doc/tar/copyright"
    files = [where(place, builder)["root"] + read for builder in ("a", "b")]
    for file in files:
        place.sh(
            f"cp -p {file} {project.folder}/was; chmod u+w $(dirname {file}) {file}; echo harm >> {file}"
        )
    project.recipe("steady", script=f"mkdir -p $out/share; cp {read} $out/share/")
    done = place.tally(*BUILD)
    assert done.code == 2, done.err
    assert "a: ended steady-1 after" in done.err, "it was made, by both alike"
    for file in files:
        place.sh(f"cat {project.folder}/was > {file}; chmod a-w {file} $(dirname {file}); touch -d @1 {file}")
    done = place.tally(*BUILD)
    assert done.code == 0, done.err
    assert "a: started steady-1\n" in done.err
    assert "a: started steady-1 again" not in done.err
    (made,) = {place.sh(f"cat {where(place, builder)['output']}/share/copyright") for builder in ("a", "b")}
    assert "harm" not in made
