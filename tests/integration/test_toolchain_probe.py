"""The sandbox probe on real Nix: what it says of a sandbox that holds, and of one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

from orchestrator.builders.probe import holes, read_proof
from orchestrator.ground.state import State
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.evaluation import evaluate_probe


@pytest.fixture
def lab(repository: Path, session_state: Path) -> Iterator[Lab]:
    state = State(session_state)
    with state.scratch("lab-probe") as scratch:
        yield Lab(repository, state, Nix.find(scratch))


@pytest.fixture
def probed(lab: Lab, tmp_path: Path) -> Callable[..., tuple[str, frozenset[str]]]:
    """Runs the probe in a new store with options of Nix's; gives its report and the variables it declares."""

    def run(*flags: str, **asked: Any) -> tuple[str, frozenset[str]]:
        request = {**lab.request(any={}), **asked}
        orchestrator = lab.store("orchestrator")
        lab.supply(request, lab.evaluate(request), lab.store("a"))
        made = evaluate_probe(orchestrator, request, "of a test")
        derivation, output = made.derivation, made.output
        store = ChrootStore(lab.nix, tmp_path / "store")
        needed = [
            path
            for drv in orchestrator.graph([derivation]).derivations.values()
            for path in drv.outputs.values()
        ]
        store.copy_from(orchestrator, sorted(set(needed) - {output}))
        store.copy_from(orchestrator, [derivation])
        lab.realise(store, [derivation], flags)
        return store.physical(output).read_text(), frozenset(store.derivation(derivation).env)

    return run


def test_a_sandbox_that_holds(probed: Any) -> None:
    text, declared = probed()
    proof = read_proof(text)
    assert holes(proof, declared) == []
    assert (proof.network_interfaces, proof.uid, proof.build_directory) == (("lo",), 1000, "/build")
    seen = json.loads(text)
    assert (seen["gid"], seen["networkReachable"]) == (100, False)


def test_files_of_the_host_in_the_sandbox_are_told(probed: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    text, declared = probed("--option", "sandbox-paths", str(secret), hostFiles=[str(secret)])
    proof = read_proof(text)
    assert proof.host_file_visible
    found = " ".join(holes(proof, declared))
    assert "host's files" in found
    assert secret.parts[1] in proof.root_entries


def test_an_ordinary_directory_of_the_host_is_told(probed: Any) -> None:
    text, declared = probed("--option", "sandbox-paths", "/usr/bin")
    assert "usr" in read_proof(text).root_entries
    assert holes(read_proof(text), declared)
