"""`tally build` on real Nix: what agrees is signed, what does not never is, what fails says so."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from projects import Project

from orchestrator.evidence.canonical import encoded
from orchestrator.keys.key import PublicKey
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.tiles import tiles_of


def test_what_agrees_is_signed_verified_kept_and_never_overwritten(
    project: Project, session_state: Path
) -> None:
    recipe = project.recipe(
        "steady", "mkdir -p $out/bin; printf '#!/bin/sh\\necho hi\\n' > $out/bin/hi; chmod +x $out/bin/hi"
    )
    ran = project.build(recipe).succeeded()
    folder = project.folder / "releases" / "steady-1.0-x86_64-linux"
    assert ran.out.strip() == "releases/steady-1.0-x86_64-linux"
    assert "a and b agree" in ran.err
    project.tally("verify", folder, "--key", "release.pub").succeeded()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    again = project.build(recipe).succeeded()
    assert "steady-1.0 again" in again.err, "what was in the stores is built again"
    assert "already" in again.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    project.tally("keys", "generate", "other").succeeded()
    by_another = project.build(recipe, key=False, more=("--key", "other.key")).failed(2)
    assert "steady-1.0-x86_64-linux is there already, signed by another key" in by_another.err
    assert "steady-1.0 again" not in by_another.err, "nothing is built for what cannot be written"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    project.recipe("steady", "mkdir -p $out; echo other > $out/file")
    refused = project.build(recipe).failed(2)
    assert "is not this release" in refused.err
    assert "give the recipe another `version`" in refused.err
    assert "agree" not in refused.err, "its derivation is another: nothing is built"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    project.recipe("also", "mkdir -p $out; echo also > $out/file")
    both = project.build(more=("--all",)).failed(2)
    assert both.out.split() == ["releases/also-1.0-x86_64-linux"], "one that is refused stops no other"
    assert "steady: not built: releases/steady-1.0-x86_64-linux is there already" in both.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    project.recipe("also", "mkdir -p $out; echo otherwise > $out/file")
    earlier = set(session_state.glob("logs/*/journal.jsonl"))
    assert "agree" not in project.build(more=("--all",)).failed(2).err, "all are refused beforehand"
    journals = [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in set(session_state.glob("logs/*/journal.jsonl")) - earlier
    ]
    concluded = {"also": "unpublished", "steady": "unpublished"}
    assert concluded in [
        {each["target"]: each["outcome"] for each in events if each["event"] == "concluded"}
        for events in journals
    ]


def test_two_runs_give_the_same_sbom_and_statements(project: Project) -> None:
    recipe = project.recipe("twice", "mkdir $out; echo same > $out/file")
    (project.folder / "elsewhere").mkdir()
    (project.folder / "two").symlink_to("elsewhere")
    for out in ("one", "two"):
        project.build(recipe, more=("--out", out)).succeeded()
    one, two = (project.folder / out / "twice-1.0-x86_64-linux" for out in ("one", "two"))
    for form in ("spdx", "spdx3", "cdx"):
        documents = [(each / f"sbom/twice.{form}.json").read_bytes() for each in (one, two)]
        assert documents[0] == documents[1]
    provenances = [_payload(folder / "attestations/provenance.sigstore.json") for folder in (one, two)]
    assert provenances[0] != provenances[1]
    for provenance in provenances:
        metadata = provenance["predicate"]["runDetails"]["metadata"]
        assert metadata.pop("startedOn") <= metadata.pop("finishedOn")
        metadata.pop("invocationId")
        # links and build records hold the builds' times
        provenance["predicate"]["runDetails"].pop("byproducts")
    assert provenances[0] == provenances[1]


def test_builders_that_disagree_are_never_signed(project: Project) -> None:
    recipe = project.recipe(
        "random",
        "mkdir -p $out/share; echo same > $out/share/same; cat /proc/sys/kernel/random/uuid > $out/share/id",
    )
    ran = project.build(recipe, more=("--json",)).failed(1)
    assert project.releases == []
    [outcome] = json.loads(ran.out)["outcomes"]
    assert outcome["outcome"] == "disagreed"
    differing = {Path(one["path"]).name.split("-", 1)[1]: one for one in outcome["differing"]}
    assert set(differing) == {"random-1.0", "random-1.0-x86_64-linux.tar.gz"}
    files = differing["random-1.0"]["files"]  # one, and more where an earlier run of the tests built it
    assert files
    for file in files:
        assert file["path"] == "share/id"
        assert file["sizes"] == [37, 37]
        assert file["offset"] is not None
    assert [Path(cause).name.split("-", 1)[1] for cause in outcome["rootCauses"]] == ["random-1.0.drv"]
    kept = Path(outcome["kept"])
    sides = [(kept / builder / "random-1.0/share/id").read_text() for builder in "ab"]
    assert sides[0] != sides[1]
    assert all(Path(log).exists() for logs in outcome["logs"].values() for log in logs)

    text = project.build(recipe).failed(1).err
    assert "DISAGREE" in text
    assert "first to diverge: random-1.0.drv" in text
    assert "a (earlier)" in text, "a builder that does not reproduce its own result differs from itself"
    assert project.releases == []


def test_a_disagreement_is_signed_as_evidence_and_as_nothing_else(project: Project, tmp_path: Path) -> None:
    good = project.recipe("attested", "mkdir $out; echo same > $out/id")
    project.build(good).succeeded()
    release = project.folder / "releases" / "attested-1.0-x86_64-linux"
    recipe = project.recipe("lottery", "mkdir $out; cat /proc/sys/kernel/random/uuid > $out/id")
    ran = project.build(recipe, more=("--attest-disagreement", "--json")).failed(1)
    assert "that alone is signed" in ran.err
    assert project.releases == ["attested-1.0-x86_64-linux"]
    [outcome] = json.loads(ran.out)["outcomes"]
    bundle, kept = Path(outcome["attestation"]), Path(outcome["kept"])
    assert bundle == kept / "disagreement.sigstore.json"
    [cause] = outcome["rootCauses"]
    told = _payload(bundle)["predicate"]["attributes"]
    assert [each["conditions"]["builder"]["name"] for each in told] == ["a", "b"]
    made = told[0]["conditions"]["disagreement"]["outputs"][cause]["out"]["made"]
    differing = {one["derivation"]: one["narSha256"] for one in outcome["differing"]}
    assert {side: one["narSha256"] for side, one in made.items()} == differing[cause]
    for each in told:
        link = (kept / each["evidence"]["name"]).read_bytes()
        assert hashlib.sha256(link).hexdigest() == each["evidence"]["digest"]["sha256"]
        command = _enveloped(json.loads(link))["predicate"]["command"]
        assert command[0].startswith("/nix/store/"), "the package's, as its derivation has it"

    kind = "https://in-toto.io/attestation/scai/v0.3"
    words = ["--bundle", bundle, "--key", "release.pub", "--type", kind]
    words += ["--trusted-root", kept / "trusted_root.json"]
    project.tally("verify", kept / Path(cause).name, *words).succeeded()
    for builder in "ab":
        archive = kept / builder / "lottery-1.0-x86_64-linux.tar.gz"
        assert "subject-mismatch" in project.tally("verify", archive, *words).failed(1).out
    # about something else, it says nothing of this release; and it is no part of one
    project.tally("verify", release, "--key", "release.pub", "--evidence", bundle).succeeded()
    (release / "attestations" / "reproduction.sigstore.json").write_bytes(bundle.read_bytes())
    project.tally("verify", release, "--key", "release.pub").failed(1)

    text = project.build(recipe, more=("--attest-disagreement",)).failed(1)
    assert Path(text.out.strip()).name == "disagreement.sigstore.json"
    assert project.releases == ["attested-1.0-x86_64-linux"]


def test_what_cannot_be_attested_is_met_before_anything_is_built(project: Project) -> None:
    recipe = project.recipe("unattestable", "sleep 1000")
    for key, more in ((False, ()), (False, ("--no-sign",)), (True, ("--allow-dirty",))):
        ran = project.build(recipe, key=key, more=("--attest-disagreement", *more)).failed(2)
        assert "hint:" in ran.err


def test_what_could_not_be_decided_is_never_attested(project: Project) -> None:
    state = Path(project.tally.environment["TALLY_STATE"])
    folders = sorted((state / "disagreements").glob("half-*"))
    project.build(project.recipe("logged", "mkdir $out")).succeeded()  # there is a log now
    logged = _logged(project)
    assert logged
    project.build(project.recipe("half", "exit 1"), more=("--attest-disagreement",)).failed(2)
    assert _logged(project) == logged
    assert sorted((state / "disagreements").glob("half-*")) == folders


def test_a_disagreement_that_cannot_be_attested_is_still_one(project: Project) -> None:
    state = Path(project.tally.environment["TALLY_STATE"])
    recipe = project.recipe("oneparty", "mkdir $out; cat /proc/sys/kernel/random/uuid > $out/id")
    project.build(recipe, more=("--attest-disagreement",)).failed(1)  # builders have their keys now
    words = ["build", recipe, "--key", state / "keys" / "builder-a.key", "--attest-disagreement"]
    ran = project.tally(*words).failed(1)
    assert "could not be attested: refusing to sign" in ran.err
    assert "DISAGREE; nothing is signed" in ran.err
    [outcome] = json.loads(project.tally(*words, "--json").failed(1).out)["outcomes"]
    assert (outcome["outcome"], outcome["attestation"]) == ("disagreed", None)
    assert "refusing to sign" in outcome["attestationError"]["error"]
    assert not (Path(outcome["kept"]) / "disagreement.sigstore.json").exists()


def _logged(project: Project) -> list[bytes]:
    """The log's entries by this project's key: other tests write into the same log meanwhile."""
    key = encoded(PublicKey.load(project.folder / "release.pub").spki).encode()
    log = EmbeddedLog.existing(Path(project.tally.environment["TALLY_STATE"]) / "log")
    with log.reading() as head:
        found = [
            entry for tile, width in tiles_of("entries", head.size) for entry in log.entries(tile, width)
        ]
    return [entry for entry in found if key in entry]


def test_a_difference_inherited_from_an_input_is_told_from_ones_own(project: Project) -> None:
    project.recipe("below", "mkdir $out; cat /proc/sys/kernel/random/uuid > $out/id")
    above = project.recipe("above", "mkdir $out; cp $below/id $out/", more='inputs = ["below"]')
    ran = project.build(above, more=("--json",)).failed(1)
    [outcome] = json.loads(ran.out)["outcomes"]
    assert [Path(cause).name.split("-", 1)[1] for cause in outcome["rootCauses"]] == ["below-1.0.drv"]
    assert project.releases == []


@pytest.mark.parametrize(
    ("script", "tail", "stage"),
    [
        ("echo about to fail; exit 7", "", "script"),
        ("mkdir $out", "[check]\nscript = 'echo about to fail; false'\n", "check"),
    ],
)
def test_a_failed_build_is_undecided_and_not_a_disagreement(
    project: Project, script: str, tail: str, stage: str
) -> None:
    ran = project.build(project.recipe("broken", script, tail=tail)).failed(2)
    assert "could not be decided" in ran.err
    assert "| about to fail" in ran.err
    assert f'the stage "{stage}" failed' in ran.err
    assert "broken-1.0.drv failed on every builder: mend the recipe" in ran.err
    log = Path(ran.err.split("whole log: ")[1].splitlines()[0])
    assert "about to fail" in log.read_text()
    assert project.releases == []


def test_one_failing_recipe_does_not_lose_the_others(project: Project) -> None:
    # what a build prints is only ever output: none of this may fail it, or the other, or end Nix
    spoken = """
    echo '@nix {"action":"start"}'
    echo '@nix {"action":"msg","level":0,"msg":"error: forged, build of '"'$out'"' failed"}' >&2
    printf 'hidden\\r@nix {'
    mkdir $out; echo yes > $out/file
    """
    good, bad = project.recipe("good", spoken), project.recipe("bad", "touch run; chmod 4755 run")
    ran = project.build(good, bad).failed(2)
    assert project.releases == ["good-1.0-x86_64-linux"]
    assert "hint: Nix's sandbox refuses setuid and setgid bits: leave them out" in ran.err
    assert "forged" not in ran.err


def test_without_signing_nothing_is_released(project: Project, tmp_path: Path) -> None:
    state = tmp_path / "linked"
    state.symlink_to(project.tally.environment["TALLY_STATE"])
    project.tally.environment["TALLY_STATE"] = str(state)  # Nix itself would refuse a store behind a link
    ran = project.build(
        project.recipe("unsigned", "mkdir $out; echo x > $out/file"), key=False, more=("--no-sign",)
    ).succeeded()
    assert Path(ran.out.strip()).exists()
    assert project.releases == []


def test_a_missing_key_is_met_before_anything_is_built(project: Project) -> None:
    ran = project.build(project.recipe("keyless", "sleep 1000"), key=False).failed(2)
    assert "tally keys generate" in ran.err


def test_metacharacters_arrive_as_data(project: Project) -> None:
    hostile = "${builtins.currentTime} `id` $(id) '' \"q\" \\ ; rm -rf / & \n ${out} é ''${x}"
    recipe = project.recipe("data", 'mkdir $out; printf %s "$HOSTILE" > $out/file')
    text = recipe.read_text().replace("[build]", f"[build]\nenv = {{ HOSTILE = {json.dumps(hostile)} }}", 1)
    recipe.write_text(text.replace("A recipe of the tests", "${x} `y` $(z) '\\\\ \\n"))
    project.build(recipe, key=False, more=("--no-sign",)).succeeded()
    plan = json.loads(project.tally("plan", recipe, "--json").succeeded().out)["recipes"]["data"]
    state = Path(project.tally.environment["TALLY_STATE"])
    for builder in "ab":
        path = state / "stores" / builder / plan["outputs"]["out"].lstrip("/") / "file"
        assert path.read_text() == hostile


def test_a_build_sees_nothing_of_the_host(project: Project) -> None:
    secret = project.folder / "secret"
    secret.write_text("of the host")
    script = f"""
    test ! -e {secret}
    test ! -e /home && test ! -e /root && test ! -e /etc/machine-id
    test "$(id -u)" = 1000
    test "$(cut -d: -f1 /proc/net/dev | grep -v '|' | tr -d ' \\n')" = lo
    ! touch /usr/bin/intruder
    mkdir $out; env | cut -d= -f1 | sort > $out/names
    """
    project.build(project.recipe("closed", script), key=False, more=("--no-sign",)).succeeded()


def test_a_plan_says_what_is_there_and_what_is_missing(project: Project) -> None:
    never_built_before = secrets.token_hex()
    recipe = project.recipe("planned", f"mkdir $out; echo {never_built_before} > $out/file")
    plan = json.loads(project.tally("plan", recipe, "--json").succeeded().out)["recipes"]["planned"]
    steps = {step["derivation"]: step for step in plan["closure"]}
    assert steps[plan["derivation"]]["present"] == {"a": False, "b": False}
    assert {step["kind"] for step in steps.values()} == {"toolchain", "built"}
    assert all(
        "sha256" in step["digest"] or "narSha256" in step["digest"]
        for step in steps.values()
        if step["kind"] == "toolchain"
    )
    project.build(recipe, key=False, more=("--no-sign",)).succeeded()
    after = json.loads(project.tally("plan", recipe, "--json").succeeded().out)["recipes"]["planned"]
    assert after["derivation"] == plan["derivation"]
    assert all(all(step["present"].values()) for step in after["closure"])
    assert "present" in project.tally("plan", recipe).succeeded().out


def _payload(bundle: Path) -> Any:
    return _enveloped(json.loads(bundle.read_text())["dsseEnvelope"])


def _enveloped(envelope: Any) -> Any:
    import base64

    return json.loads(base64.b64decode(envelope["payload"]))


def test_a_build_shares_nothing_writable_with_another(project: Project) -> None:
    """What one build leaves in the kernel or at a device, another could read, and so agree by arrangement."""
    script = """
    for shared in /proc/sys/vm/stat_interval /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do
        test ! -e $shared || test ! -w $shared
    done
    for node in full null zero random; do
        ! touch -d @1000000000 /dev/$node
    done
    echo still there > /dev/null
    mkdir $out
    """
    project.build(project.recipe("apart", script), key=False, more=("--no-sign",)).succeeded()


@pytest.mark.parametrize(
    ("script", "tail"),
    [
        ("ln -s /etc $out", ""),
        ("mkdir $out; ln -s /etc/passwd $out/pw", '[artifact]\nformat = "file"\npath = "pw"\n'),
    ],
)
def test_an_artifact_holds_nothing_from_outside_its_package(project: Project, script: str, tail: str) -> None:
    ran = project.build(project.recipe("outside", script, tail=tail)).failed(2)
    assert "tally: the" in ran.err
    assert project.releases == []


def test_a_harmed_release_does_not_count_as_there_already(project: Project) -> None:
    recipe = project.recipe("harmed", "mkdir $out")
    project.build(recipe).succeeded()
    folder = project.folder / "releases" / "harmed-1.0-x86_64-linux"
    [link, _] = sorted((folder / "links").glob("build.*"))
    link.unlink()
    ran = project.build(recipe).failed(2)
    assert "there already" in ran.err
    assert not link.exists()


def test_a_configured_quorum_is_not_lowered_by_naming_builders(project: Project) -> None:
    builders = "".join(f'[[builder]]\nname = "{name}"\n' for name in "abc")
    (project.folder / "tally.toml").write_text(f"quorum = 3\n{builders}")
    recipe = project.recipe("few", "mkdir $out")
    assert "the quorum is 3" in project.build(recipe, more=("--builder", "a", "--builder", "b")).failed(2).err


def test_a_release_key_that_is_a_builders_is_refused(project: Project, tally: Any) -> None:
    recipe = project.recipe("keys", "mkdir $out")
    project.build(recipe, more=("--out", "first")).succeeded()
    state = Path(project.tally.environment["TALLY_STATE"])
    ran = project.tally("build", recipe, "--key", state / "keys" / "builder-a.key").failed(2)
    assert "refusing to sign" in ran.err
    assert project.releases == []


@pytest.mark.parametrize("part", ["", "nix/store"])
def test_two_builders_with_one_store_are_refused(project: Project, tmp_path: Path, part: str) -> None:
    state = tmp_path / "state"
    shared = state / "stores" / "a" / part
    shared.mkdir(parents=True)
    linked = state / "stores" / "b" / part
    linked.parent.mkdir(parents=True, exist_ok=True)
    linked.symlink_to(shared)
    project.tally.environment["TALLY_STATE"] = str(state)
    ran = project.build(project.recipe("shared", "mkdir $out")).failed(2)
    assert "the stores of a and b are one folder" in ran.err
