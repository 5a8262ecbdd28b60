"""Ten thousand harmed releases: none is accepted, none brings a traceback, none takes long or much."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import releases
import shm
from figures import Peak
from forgeries import ALICE, World
from mutants import Mutant, mutants
from services import Services
from witness_harms import Case
from work import Costliest

from orchestrator.evidence.canonical import render_document
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Failed, Verdict
from orchestrator.publishing.index import INDEX
from orchestrator.stories.verification import verify

COUNT = 10_000
SEED = 20261124
MOST_STEPS = 1_000_000  # lines of Python
MOST = 200 << 10  # KiB


@dataclass(frozen=True)
class Patient:
    """A release, whoever signed it, and the verdict on what became of it."""

    path: Path
    judge: Callable[[Path], Verdict]
    count: int
    """How many mutants of it."""


@pytest.fixture(scope="module", params=["a key", "a key, witnessed", "an identity"])
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Patient:
    folder = tmp_path_factory.mktemp("mutants")
    if request.param == "an identity":
        world = World.new(folder)
        who = trusting([], ALICE)
        judge = partial(verify, policy=who, now=datetime.now(UTC), trusted=world.root)
        return Patient(world.release(folder / "out"), judge, COUNT // 5)
    if request.param == "a key, witnessed":
        with Services.running(folder) as services:
            case = Case.new(folder, services)
        who = trusting([case.key.public.spki])
        judge = partial(verify, policy=who, now=datetime.now(UTC), trusted=case.root)
        return Patient(case.folder, judge, COUNT // 5)
    made = releases.observed(folder / "in")
    key, log = SigningKey.generate(), releases.log_in(folder / "log")
    path = releases.published(folder / "out", made, key, releases.builder_keys(made), log).path
    return Patient(path, partial(verify, policy=trusting([key.public.spki]), now=releases.NOW), COUNT)


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A disk takes longer to write a mutant than we to judge it."""
    with shm.folder() as folder:
        yield folder


@pytest.mark.parametrize("fitting", [False, True], ids=["as it is", "with an index that fits"])
def test_no_mutant_is_accepted(release: Patient, tmp_path: Path, in_memory: Path, fitting: bool) -> None:
    """Half of them come with an index that lists the mutant's own digest, as an attacker would write it."""
    original, count = release.path, release.count // 2
    folder = in_memory / original.name
    shutil.copytree(original, folder)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_of(folder)}
    reasons: Counter[str] = Counter()
    peak = Peak()
    costliest = Costliest()

    def judged(mutant: Mutant) -> Verdict:
        (folder / mutant.file).write_bytes(mutant.data)
        if fitting and mutant.file != INDEX:
            (folder / INDEX).write_bytes(fitted(files[INDEX], mutant))
        try:
            return release.judge(folder)
        finally:
            for name in (mutant.file, INDEX):
                (folder / name).write_bytes(files[name])

    for mutant in mutants(files, SEED + fitting, count):
        begun = time.thread_time()
        try:
            verdict = judged(mutant)
        except TallyError as error:
            pytest.fail(f"{mutant.how} in {mutant.file} was not decided: {error.message}")
        costliest.took(time.thread_time() - begun, partial(judged, mutant))
        if not isinstance(verdict, Failed):
            kept = tmp_path / "accepted"
            kept.write_bytes(mutant.data)
            pytest.fail(f"{mutant.how} in {mutant.file} was accepted; it is kept as {kept}")
        reasons.update({str(reason.code) for reason in verdict.reasons})
    assert not isinstance(release.judge(folder), Failed), "what was not harmed passes still"
    grown, steps = peak.grown, costliest.steps()
    figures = f"{count} mutants, {steps} steps at most, {grown / 1024:.0f} MB more"
    sys.stdout.write(f"\n{figures}: {dict(reasons)}\n")  # `pytest -s` shows it
    assert steps < MOST_STEPS
    assert grown < MOST
    assert len(reasons) >= (6 if fitting else 2), "they are not all stopped at the same place"


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def fitted(index: bytes, mutant: Mutant) -> bytes:
    document = json.loads(index)
    listed = {"path": mutant.file, "sha256": Sha256.of(mutant.data).hex, "size": len(mutant.data)}
    document["files"] = [listed if each["path"] == mutant.file else each for each in document["files"]]
    if document["artifact"]["path"] == mutant.file:
        document["artifact"] = listed
    return render_document(document)
