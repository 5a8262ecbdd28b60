"""What is large, deep or many is refused in few steps and 200 MB, whichever reader it is put before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import releases
import shm
import worst
from waiting import HANGS
from warm import WARM

from orchestrator.keys.key import SigningKey
from orchestrator.publishing.index import INDEX

MOST_STEPS = 5_000_000  # lines of Python
MOST = 195 << 10  # KiB, beside what Python takes with its imports


@dataclass(frozen=True)
class Good:
    """A release, and where its signer's key and its log's root are."""

    folder: Path
    key: Path
    root: Path


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory: thirteen gigabytes are written in all, some hundred megabytes at a time."""
    with shm.folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    folder = tmp_path_factory.mktemp("worst")
    made, key = releases.observed(folder / "in"), SigningKey.generate()
    log = releases.log_in(folder / "log")
    path = releases.published(folder / "out", made, key, releases.builder_keys(made), log).path
    (folder / "key.pub").write_text(key.public.pem)
    shutil.copy(path / "trusted_root.json", folder / "root.json")
    return Good(path, folder / "key.pub", folder / "root.json")


@dataclass(frozen=True)
class Cost:
    """What a run of `tally` took, and how it ended."""

    code: int
    steps: int
    memory: int
    """Grown at most, in KiB."""
    said: str


def cost(folder: Path, *arguments: object) -> Cost:
    """Run `tally` with these arguments. `folder` is for what is noted down."""
    noted = folder / "cost.json"
    ran = WARM.run([*map(str, arguments)], Path.cwd(), os.environ, None, HANGS, noted)
    assert ran is not None
    found = json.loads(noted.read_text())
    return Cost(ran.code, found["steps"], found["memory"], ran.out + ran.err)


def held(name: str, found: Cost, codes: set[int]) -> None:
    sys.stdout.write(f"{name}: {found.code}, {found.steps} steps, {found.memory >> 10} MB\n")
    assert "Traceback" not in found.said
    assert len(found.said) < 10_000
    assert found.code in codes, found.said[:500]
    assert found.steps < MOST_STEPS
    assert found.memory < MOST


@pytest.mark.parametrize("name", [*worst.HARMS, *worst.UNLISTED])
def test_a_release(good: Good, tmp_path: Path, name: str) -> None:
    folder = tmp_path / good.folder.name
    shutil.copytree(good.folder, folder)
    {**worst.HARMS, **worst.UNLISTED}[name](folder)
    if name in worst.HARMS and not name.startswith(INDEX):
        worst.fit(folder)
    try:
        held(name, cost(tmp_path, "verify", folder, "--key", good.key), worst.CODES.get(name, {1}))
    finally:
        # some hundred megabytes in all, and deeper than `shutil` goes
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.parametrize("name", sorted({*worst.DOCUMENTS, *worst.BUNDLES}))
def test_a_bundle_evidence_and_an_older_checkpoint(good: Good, tmp_path: Path, name: str) -> None:
    file = tmp_path / "bundle.json"
    file.write_bytes(worst.bundle_of(name))
    by = {"key": ["--key", good.key], "identity": ["--identity", "a@example.org", "--issuer", "https://b"]}
    for who, words in by.items():
        asked = ["verify", good.key, "--bundle", file, *words, "--trusted-root", good.root]
        held(f"{name}, by {who}", cost(tmp_path, *asked), {1} if name in worst.BUNDLES else {1, 2})
    found = cost(tmp_path, "verify", good.folder, "--key", good.key, "--evidence", file)
    held(f"{name}, as evidence", found, {0, 2})
    assert found.code == 2 or "set aside" in found.said
    file.unlink()


@pytest.mark.parametrize("name", worst.ROOTS)
def test_a_trusted_root(good: Good, tmp_path: Path, name: str) -> None:
    file = tmp_path / "root.json"
    file.write_text(worst.ROOTS[name]())
    asked = ["verify", good.folder, "--key", good.key, "--trusted-root", file]
    held(name, cost(tmp_path, *asked), {2})
    file.unlink()


@pytest.mark.parametrize("name", worst.DOCUMENTS)
def test_a_policy_and_a_list(good: Good, tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text(worst.DOCUMENTS[name]())
    held(f"{name}, as a policy", cost(tmp_path, "verify", good.folder, "--policy", file), {2})
    held(f"{name}, as a list", cost(tmp_path, "verify", "--list", file, "--key", good.key), {2})
    file.unlink()
