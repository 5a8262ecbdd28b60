"""The same request gives the same derivation paths on every machine and every Nix, and the same bits."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nix_versions
import pytest
from lab import Lab

from orchestrator.ground.state import State
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.evaluation import evaluate, evaluate_probe

SUITES = {"trixie": "2.26.", "sid": "2.34."}


@pytest.fixture(scope="module")
def golden(repository: Path) -> Callable[[Nix, Path], Mapping[str, Any]]:
    """Evaluates the golden request with a Nix, in a store."""
    specification = importlib.util.spec_from_file_location(
        "regenerate", repository / "tests/assets/golden/regenerate.py"
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return lambda nix, store: json.loads(json.dumps(module.paths(nix, store)))


@pytest.fixture
def expected(repository: Path) -> Mapping[str, Any]:
    expected: Mapping[str, Any] = json.loads((repository / "tests/assets/golden/expected.json").read_text())
    return expected


@pytest.fixture
def nix_of(session_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Nix]:
    """The Nix of a Debian suite, the one that the orchestrator finds from then on."""

    def of_suite(suite: str) -> Nix:
        programs = nix_versions.of_suite(suite, session_state)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        return Nix.find(tmp_path)

    return of_suite


def test_golden_paths(golden: Any, expected: Mapping[str, Any], tmp_path: Path) -> None:
    found = golden(Nix.find(tmp_path), tmp_path / "store")
    assert found == expected, "if this change is meant: python tests/assets/golden/regenerate.py"


def test_paths_do_not_depend_on_where_the_library_is(
    expected: Mapping[str, Any], repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on the modes of its files, the time zone, the request's own place, or where sources are from."""
    library = tmp_path / "somewhere else"
    shutil.copytree(repository / "orchestrator/nix", library)
    for path in library.rglob("*"):
        path.chmod(0o700)
    monkeypatch.setattr("orchestrator.nix.evaluation.LIBRARY", library)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    request = json.loads((repository / "tests/assets/golden/request.json").read_text())
    sources = [source for recipe in request["recipes"].values() for source in recipe["sources"].values()]
    for each in (request["busybox"], *request["packages"].values(), *sources):
        each.update(urls=["https://elsewhere.example.org/x"], purl="pkg:generic/another@2")
    found = evaluate(ChrootStore(Nix.find(tmp_path), tmp_path / "store"), request)
    assert {name: each.artifact for name, each in found.items()} == {
        name: each["artifact"] for name, each in expected.items()
    }


def test_only_targets_are_made(repository: Path, tmp_path: Path) -> None:
    request = json.loads((repository / "tests/assets/golden/request.json").read_text())
    request["targets"] = ["file"]
    request["recipes"]["image"] = "not even a recipe"
    found = evaluate(ChrootStore(Nix.find(tmp_path), tmp_path / "store"), request)
    assert set(found) == {"file"}
    assert {each.name for each in found["file"].fixed} == {
        "bash_1.0_1_amd64.deb",
        "busybox-1",
        "file-1.0.tar.gz",
    }


@pytest.mark.parametrize("suite", SUITES)
def test_another_nix_gives_the_same_paths(
    suite: str, golden: Any, expected: Mapping[str, Any], nix_of: Callable[[str], Nix], tmp_path: Path
) -> None:
    nix = nix_of(suite)
    assert nix.version.startswith(SUITES[suite])
    assert golden(nix, tmp_path / "store") == expected


@pytest.mark.parametrize("suite", SUITES)
def test_another_nix_builds_the_same(
    suite: str, nix_of: Callable[[str], Nix], repository: Path, session_state: Path, tmp_path: Path
) -> None:
    """A program compiled, and its archive, in the root that the installed Nix assembled."""
    state = State(session_state)
    script = "mkdir -p $out/bin; echo 'int main(void) { return 7; }' > x.c; gcc -O2 -g -o $out/bin/seven x.c"
    formats = {"tar.gz": "gz", "tar.zst": "zst", "nar": "nar", "oci": "oci"}
    recipes = {
        f"seven-{name}": {"script": script, "artifact": {"format": format_, "path": None}}
        for format_, name in formats.items()
    }
    with state.scratch("lab-versions") as scratch:
        lab = Lab(repository, state, Nix.find(scratch))
        ours = lab.build(lab.request(**recipes))
        probe = evaluate_probe(lab.store("orchestrator"), lab.request(**recipes), "of a test").derivation
        outputs = [path for each in ours.evaluated.values() for path in each.outputs.values()]
        outputs += [each.artifact_path for each in ours.evaluated.values()]
        graph = ours.store.graph([each.artifact for each in ours.evaluated.values()])
        needed = [path for drv in graph.derivations.values() for path in drv.outputs.values()]
        needed = sorted(set(needed) - ours.store.invalid(needed) - set(outputs))

        theirs = ChrootStore(lab.nix, tmp_path / "store")
        theirs.copy_from(ours.store, [path for path in needed if not path.endswith(".deb")])
        theirs.copy_from(lab.store("orchestrator"), [*graph.roots, probe])
        other = ChrootStore(nix_of(suite), tmp_path / "store")
        lab.realise(other, [*graph.roots, probe])
        assert other.nix.version.startswith(SUITES[suite])
        for path in outputs:
            assert other.nar_hash(path) == ours.store.nar_hash(path), path
