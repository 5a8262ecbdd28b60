"""What a lock file has for development, and users get nevertheless."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import releases

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.evidence.canonical import render
from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom.forms import Form
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.pinning.depended import Depended
from orchestrator.publishing.remarks import differ_by_places
from orchestrator.run.parts import told_of


@pytest.fixture
def facts(tmp_path: Path) -> ReleaseFacts:
    """Of a release whose two sources a lock file pins, the first for development alone."""
    facts = releases.observed(tmp_path).facts
    paths = sorted(facts.origins)[:2]
    pins = (
        Depended(path, Ecosystem.NPM, name, "1", True, name == "b", ())
        for path, name in zip(paths, "ab", strict=True)
    )
    return replace(facts, dependencies={facts.package.name: tuple(pins)})


def scopes(facts: ReleaseFacts, parts: Parts) -> list[str]:
    bill = bill_of(facts, materials_of(facts), parts)
    told = {each["bom-ref"]: each for each in Form.CYCLONEDX.document(bill)["components"]}
    return [told[each.path]["scope"] for each in facts.dependencies[facts.package.name]]


def within(facts: ReleaseFacts, output: str) -> Parts:
    return Parts(unpacked={output: frozenset({facts.dependencies[facts.package.name][0].path})})


def test_it_is_not_called_excluded(facts: ReleaseFacts) -> None:
    [product] = [path for path in facts.products if path != facts.artifact_output.path]
    assert scopes(facts, Parts()) == ["excluded", "required"]
    for output in (product, facts.artifact_output.path):
        assert scopes(facts, within(facts, output)) == ["required", "required"]


def test_a_file_out_of_a_package_needs_what_that_does(facts: ReleaseFacts) -> None:
    derivation = facts.graph[facts.artifact_derivation]
    changed = replace(derivation, env={**derivation.env, "tallyFormat": "file"})
    graph = replace(facts.graph, derivations={**facts.graph.derivations, derivation.path: changed})
    assert scopes(replace(facts, graph=graph), Parts()) == ["excluded", "required"]


def test_whoever_cannot_look_into_a_builder_says_nothing_else(facts: ReleaseFacts) -> None:
    materials = materials_of(facts)
    told, untold = (
        render(Form.SPDX_2_3.document(bill_of(facts, materials, parts)))
        for parts in (within(facts, facts.artifact_output.path), Parts())
    )
    assert told != untold
    assert differ_by_places(told, untold)


def test_a_sentence_says_what_and_the_way_out(facts: ReleaseFacts) -> None:
    inside = within(facts, facts.artifact_output.path).unpacked
    said = told_of("pigz", inside, facts.dependencies)
    assert said is not None
    assert said.startswith("pigz: users get a 1, which the lock has for development; ")
    assert "npm prune --omit=dev" in said
    assert told_of("pigz", {}, facts.dependencies) is None
