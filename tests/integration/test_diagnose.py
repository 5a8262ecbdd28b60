"""`tally diagnose` on real disagreements: each file's cause, its proof, and nothing else blamed."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest
from projects import Project

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


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where the disagreement is, once it has been made."""
    return {}


def test_a_build_that_is_diagnosed_names_file_cause_and_proof_and_signs_them(
    project: Project, kept: dict[str, Any]
) -> None:
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("one CPU cannot be halved")
    recipe = project.recipe("culprit", f"{SCRIPT}\n# {secrets.token_hex()}")
    ran = project.tally(
        "build", recipe, "--diagnose", "--attest-disagreement", "--key", "release.key", "--json"
    ).failed(1)
    [outcome] = json.loads(ran.out)["outcomes"]
    found = outcome["diagnosis"]
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
    assert {each["derivation"] for each in found["culprits"]} == set(outcome["rootCauses"])
    statement = json.loads(
        base64.b64decode(json.loads(Path(outcome["attestation"]).read_bytes())["dsseEnvelope"]["payload"])
    )
    record = statement["predicate"]["attributes"][0]["conditions"]["disagreement"]
    assert {each["file"] for each in record["culprits"]} == {each["file"] for each in found["culprits"]}
    assert str(project.folder) not in json.dumps(statement)
    kept["folder"] = Path(outcome["kept"])


def test_the_newest_is_told_from_the_bytes_alone(project: Project, kept: dict[str, Any]) -> None:
    folder = kept["folder"]
    ran = project.tally("diagnose", folder, "--no-prove").failed(1)
    assert "  time, line 1" in ran.out
    assert "cause: timestamp" in ran.out
    assert "more places like it there" in ran.out, "all.tar has many times"
    assert "nothing was built again" in ran.out
    named = project.tally("diagnose", folder.name, "--no-prove", "--json").failed(1)
    assert json.loads(named.out)["target"] == "culprit"


def test_what_is_no_kept_disagreement_is_refused_in_words(
    project: Project, kept: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "is no kept disagreement" in project.tally("diagnose", tmp_path / "empty").failed(2).err
    assert "no disagreement of 'nobody' is kept" in project.tally("diagnose", "nobody").failed(2).err
    copy = shutil.copytree(kept["folder"], tmp_path / "copy", symlinks=True)
    record = copy / "disagreement.json"
    text = record.read_text()
    record.write_text(text.replace('"version": 1', '"version": 9'))
    assert "another Tallystick" in project.tally("diagnose", copy).failed(2).err
    record.write_text(text[: len(text) // 2])
    assert "build again" in project.tally("diagnose", copy).failed(2).err
    record.write_text(text)
    shutil.rmtree(copy / "a")
    assert "neither side" not in project.tally("diagnose", copy, "--no-prove").err


def test_without_the_derivation_it_is_told_what_could_not_be_tried(
    project: Project, kept: dict[str, Any], tmp_path: Path
) -> None:
    copy = shutil.copytree(kept["folder"], tmp_path / "copy", symlinks=True)
    record = copy / "disagreement.json"
    document = json.loads(record.read_text())
    [drv] = document["rootCauses"]
    gone = "/nix/store/" + "0" * 32 + "-gone-1.drv"
    record.write_text(record.read_text().replace(drv, gone))
    ran = project.tally("diagnose", copy, "--json")
    assert any("gone-1.drv is not built again" in each for each in json.loads(ran.out)["untried"])
