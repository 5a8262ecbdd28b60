"""Ten thousand harmed releases: none is accepted, none brings a traceback, none takes long or much."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import releases
from figures import Peak
from mutants import Mutant, mutants

from orchestrator.digest import Sha256
from orchestrator.errors import TallyError
from orchestrator.evidence.canonical import render_document
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Failed
from orchestrator.publishing.index import INDEX
from orchestrator.signing.keys import PublicKey, SigningKey
from orchestrator.verification import verify

COUNT = 10_000
SEED = 20261124
LONGEST = 1.0  # seconds
MOST = 200 << 10  # KiB


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PublicKey]:
    folder = tmp_path_factory.mktemp("mutants")
    made = releases.observed(folder / "in")
    key, log = SigningKey.generate(), releases.log_in(folder / "log")
    return releases.published(folder / "out", made, key, releases.builder_keys(made), log).path, key.public


@pytest.mark.parametrize("fitting", [False, True], ids=["as it is", "with an index that fits"])
def test_no_mutant_is_accepted(release: tuple[Path, PublicKey], tmp_path: Path, fitting: bool) -> None:
    """Half of them come with an index that lists the mutant's own digest, as an attacker would write it."""
    original, key = release
    folder = tmp_path / original.name
    shutil.copytree(original, folder)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_of(folder)}
    reasons: Counter[str] = Counter()
    peak = Peak()
    slowest = 0.0
    for mutant in mutants(files, SEED + fitting, COUNT // 2):
        (folder / mutant.file).write_bytes(mutant.data)
        if fitting and mutant.file != INDEX:
            (folder / INDEX).write_bytes(fitted(files[INDEX], mutant))
        begun = time.perf_counter()
        try:
            verdict = verify(folder, trusting([key.spki]), releases.NOW)
        except TallyError as error:
            pytest.fail(f"{mutant.how} in {mutant.file} was not decided: {error.message}")
        slowest = max(slowest, time.perf_counter() - begun)
        if not isinstance(verdict, Failed):
            kept = tmp_path / "accepted"
            kept.write_bytes(mutant.data)
            pytest.fail(f"{mutant.how} in {mutant.file} was accepted; it is kept as {kept}")
        reasons.update({str(reason.code) for reason in verdict.reasons})
        for name in (mutant.file, INDEX):
            (folder / name).write_bytes(files[name])
    assert not isinstance(verify(folder, trusting([key.spki]), releases.NOW), Failed), (
        "what was not harmed passes still"
    )
    grown = peak.grown
    figures = f"{COUNT // 2} mutants, slowest {slowest:.3f} s, {grown / 1024:.0f} MB more"
    sys.stdout.write(f"\n{figures}: {dict(reasons)}\n")  # `pytest -s` shows it
    assert slowest < LONGEST
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
