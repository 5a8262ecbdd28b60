"""`tally diagnose` on real disagreements: each file's cause, its proof, and nothing else blamed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from caches import nar_of
from projects import Project
from repositories import commit, run_git
from waiting import wait_for
from warm import WARM

from orchestrator.builders.configuration import load
from orchestrator.builders.host import nix_system
from orchestrator.ground.state import State
from orchestrator.pinning.packing import packing_lock, packing_request
from orchestrator.run import experiments
from orchestrator.run.disagreements import chosen
from orchestrator.stories.diagnosis import diagnose

if TYPE_CHECKING:
    from tests.conftest import TallyIn

pytestmark = pytest.mark.integration

SCRIPT = """\
mkdir $out
nproc > $out/cpus
od -An -N16 -tx8 /dev/urandom > $out/number
date +%s > $out/time
mkdir many; for i in $(seq 50); do : > many/$i; done
ls -U many > $out/listing
uname -r > $out/kernel
tar -cf $out/all.tar many
echo same > $out/same
"""
EXPECTED = {
    "cpus": ("cpu-count", "cpu-affinity"),
    "number": ("randomness", None),
    "time": ("timestamp", "clock"),
    "listing": ("ordering", "build-directory"),
    "kernel": ("kernel", "kernel-release"),
}


@dataclass(frozen=True)
class Made:
    """A disagreement of the recipe above, diagnosed while it was built."""

    outcome: dict[str, Any]

    @property
    def folder(self) -> Path:
        return Path(self.outcome["kept"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path) -> Made:
    folder = tmp_path_factory.mktemp("culprit")
    project = Project(folder, tally_in(folder), repository)
    recipe = project.recipe("culprit", f"{SCRIPT}\n# {secrets.token_hex()}")
    more = ("--diagnose", "--attest-disagreement", "--json")
    [outcome] = json.loads(project.build(recipe, more=more).failed(1).out)["outcomes"]
    return Made(outcome)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="one CPU cannot be halved")
def test_a_build_that_is_diagnosed_names_file_cause_and_proof(made: Made) -> None:
    found = made.outcome["diagnosis"]
    by_file = {each["file"]: each for each in found["culprits"] if not each["inside"]}
    assert set(by_file) >= set(EXPECTED)
    assert "same" not in {each["file"] for each in found["culprits"]}
    for file, (name, knob) in EXPECTED.items():
        first = by_file[file]["causes"][0]
        assert (file, first["name"]) == (file, name)
        assert (file, (first["proof"] or {}).get("knob")) in {(file, knob), (file, "together")}
        assert first["cure"]
        assert any(f"$out/{file}" in line["text"] for line in first["lines"]), "the line that writes it"
    inside = {(each["file"], each["where"]) for each in found["culprits"] if each["inside"]}
    assert ("all.tar", "order of members") in inside
    assert {each["derivation"] for each in found["culprits"]} == set(made.outcome["rootCauses"])
    assert json.loads((made.folder / "diagnosis.json").read_bytes()) == found


def test_what_it_found_is_signed_with_the_rest(made: Made) -> None:
    bundle = json.loads(Path(made.outcome["attestation"]).read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    record = statement["predicate"]["attributes"][0]["conditions"]["disagreement"]
    signed = {each["file"] for each in record["culprits"]}
    assert signed <= {each["file"] for each in made.outcome["diagnosis"]["culprits"]}
    assert set(EXPECTED) & signed
    assert str(made.folder.parent) not in json.dumps(statement)


def test_the_newest_is_told_from_the_bytes_alone(project: Project, made: Made) -> None:
    folder = made.folder
    ran = project.tally("diagnose", folder, "--no-prove").failed(1)
    assert "  time, line 1" in ran.out
    assert "cause: timestamp" in ran.out
    assert "more places like it there" in ran.out, "all.tar has many times"
    assert "nothing was built again" in ran.out
    named = project.tally("diagnose", folder.name, "--no-prove", "--json").failed(1)
    assert json.loads(named.out)["target"] == "culprit"


def test_what_is_no_kept_disagreement_is_refused_in_words(
    project: Project, made: Made, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "is no kept disagreement" in project.tally("diagnose", tmp_path / "empty").failed(2).err
    assert "no disagreement of 'nobody' is kept" in project.tally("diagnose", "nobody").failed(2).err
    copy = shutil.copytree(made.folder, tmp_path / "copy", symlinks=True)
    record = copy / "disagreement.json"
    text = record.read_text()
    record.write_text(text.replace('"version": 1', '"version": 9'))
    assert "another Tallystick" in project.tally("diagnose", copy).failed(2).err
    record.write_text(text[: len(text) // 2])
    assert "build again" in project.tally("diagnose", copy).failed(2).err
    document = json.loads(text)
    document["outputs"][0]["made"]["../a"] = document["outputs"][0]["made"].pop("a")
    record.write_text(json.dumps(document))
    assert "leads out of its folder" in project.tally("diagnose", copy).failed(2).err
    record.write_text(text)
    shutil.rmtree(copy / "a")
    assert "neither side" not in project.tally("diagnose", copy, "--no-prove").err


def test_without_the_derivation_it_is_told_what_could_not_be_tried(
    project: Project, made: Made, tmp_path: Path
) -> None:
    copy = shutil.copytree(made.folder, tmp_path / "copy", symlinks=True)
    record = copy / "disagreement.json"
    document = json.loads(record.read_text())
    [drv] = document["rootCauses"]
    gone = "/nix/store/" + "0" * 32 + "-gone-1.drv"
    record.write_text(record.read_text().replace(drv, gone))
    ran = project.tally("diagnose", copy, "--json")
    assert any("gone-1.drv is not built again" in each for each in json.loads(ran.out)["untried"])


def test_two_results_are_told_by_their_bytes(project: Project, made: Made) -> None:
    one, other = sorted(made.folder.glob("[ab]/culprit-1.0"))
    ran = project.tally("diagnose", one, other).failed(1)
    assert "cause: timestamp" in ran.out
    assert "not known what made these two" in ran.out
    assert project.tally("diagnose", one, one).succeeded().out == ""


def test_the_smallest_change_is_printed_as_a_patch_and_mends_it(project: Project) -> None:
    script = f"mkdir $out; echo {secrets.token_hex()}; date > $out/date; nproc > $out/cpus"
    recipe = project.recipe("mended", script)
    project.build(recipe, more=("--no-sign",), key=False).failed(1)
    ran = project.tally("diagnose", "mended", "--try-fix").failed(1)
    assert (
        "the builds agree with nproc and date:\n  nproc alone cures cpus\n  date alone cures date\n"
        in ran.out
    )
    (project.folder / "fix").write_text(ran.out)
    subprocess.run(["patch", recipe, "fix"], cwd=project.folder, check=True, stdout=subprocess.DEVNULL)
    project.build(recipe).succeeded()


DIGESTED = """
let
  busybox = derivation {{
    name = "{name}";
    system = builtins.currentSystem;
    builder = "/this-is-put-into-the-store-by-tally";
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = "{sha256}";
  }};
  tools = made "tools" "${{busybox}}/busybox mkdir $out; ${{busybox}}/busybox --install -s $out" {{ }};
  made = name: script: more: derivation ({{
    inherit name;
    system = builtins.currentSystem;
    builder = "${{busybox}}/busybox";
    args = [ "sh" "-euc" script ];
  }} // more);
  fixed = outputHashAlgo: outputHashMode: outputHash: made "${{outputHashAlgo}}-${{outputHashMode}}"
    "printf '{token}' > $out" {{ inherit outputHashAlgo outputHashMode outputHash; }};
in
{{
  digested = made "digested-1.0" "PATH=${{tools}}; mkdir $out; cat $of > $out/given; eval \\"$more\\"" {{
    of = [ {fixed} ];
    more = "echo \\${{TZ:-$(date +%s)}} > $out/date; od -An -N9 -tx1 /dev/urandom > $out/number";
  }};
}}
"""


def test_what_is_built_from_fixed_outputs_by_any_digest_is_built_again_and_mended(project: Project) -> None:
    token = secrets.token_hex()
    packed = nar_of(token.encode())
    fixed = [
        f'(fixed "{algorithm}" "{mode}" "{hashlib.new(algorithm, data).hexdigest()}")'
        for algorithm in ("md5", "sha1", "sha256", "sha512")
        for mode, data in (("flat", token.encode()), ("recursive", packed))
    ]
    busybox = packing_request(packing_lock(nix_system()), nix_system(), [])["busybox"]
    names = {"name": busybox["name"], "sha256": busybox["sha256"], "token": token, "fixed": " ".join(fixed)}
    (project.folder / "digested.nix").write_text(DIGESTED.format(**names))
    project.tally("build", "digested", "-f", "digested.nix", "--no-sign").failed(1)
    ran = project.tally("diagnose", "digested", "--try-fix").failed(1)
    assert "is not built again" not in ran.out
    assert "proof: " in ran.out
    said = ran.out.partition("digested-1.0 was mended in part: ")[2].splitlines()
    assert said[:2] == ["with TZ the builds agree on date, and differ in number:", "  TZ=UTC"]


def test_lines_of_the_source_that_write_it_are_named(project: Project) -> None:
    source = project.folder / "source"
    source.mkdir()
    (source / "note.txt").write_text("nothing here\n")
    (source / "make-header.sh").write_text('echo one\necho "built by chance $RANDOM" > $1\n')
    script = f"mkdir $out; : {secrets.token_hex()}; bash make-header.sh $out/header"
    recipe = project.recipe("sourced", script, tail='\n[source]\npath = "source"\n')
    run_git(project.folder, "init", "-q")
    commit(project.folder)
    project.build(recipe, more=("--no-sign",), key=False).failed(1)
    ran = project.tally("diagnose", "sourced", "--json").failed(1)
    [culprit] = json.loads(ran.out)["culprits"]
    assert culprit["causes"][0]["name"] == "randomness"
    assert {"make-header.sh"} == {line["file"].rpartition("/")[2] for line in culprit["causes"][0]["lines"]}


def test_a_build_that_hangs_under_a_knob_is_ended_and_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"mkdir $out; echo {secrets.token_hex()}; nproc > $out/cpus; [ $(nproc) != 1 ] || sleep 5"
    recipe = project.recipe("hangs", script)
    project.build(recipe, more=("--no-sign",), key=False).failed(1)
    monkeypatch.setattr(experiments, "_LEAST", 2)
    monkeypatch.setattr(experiments, "_TIMES", 0)
    state = State(Path(project.tally.environment["TALLY_STATE"]).resolve())
    found = diagnose(state, load(project.folder), chosen(state, "hangs"), lambda _: None)
    assert any("timed out" in each for each in found.untried)
    assert all(each.causes[0].proof is None for each in found.culprits)


def test_nothing_goes_on_once_a_diagnosis_is_interrupted(project: Project) -> None:
    token = secrets.token_hex()
    recipe = project.recipe("slow", f"mkdir $out; echo {token} $RANDOM > $out/number; sleep 2")
    project.build(recipe, more=("--no-sign",), key=False).failed(1)
    environment = {**os.environ, **project.tally.environment}
    running = WARM.start(["diagnose", "slow"], project.folder, environment)
    assert running is not None
    wait_for(lambda: "building it again" in running.said() or running.poll() is not None, running.said)
    wait_for(lambda: _nix_of(running.pid), "it builds")
    ours = _nix_of(running.pid)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate()
    assert "Traceback" not in said
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in ours), "its Nix ends with it")
    project.tally("diagnose", "slow", "--no-prove").failed(1)


def _nix_of(parent: int) -> list[str]:
    """The processes that a process has started."""
    try:
        return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except OSError:
        return []
