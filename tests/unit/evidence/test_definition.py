"""What was evaluated, and the dependencies that follow from it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.definition import dependencies_of, of_derivation
from orchestrator.evidence.terms import BUILD_TYPES, TARGET_KINDS
from orchestrator.ground.digest import Sha256

NAR = "sha256-ZojAnPuCdy657PbTq5V0Y+AHKhZAIwSIT2cb8UgAz/U="
HEX = "6688c09cfb82772eb9ecf6d3ab957463e0072a16402304884f671bf14800cff5"
COMMIT = "0" * 40


def flake(locked: Any, **inputs: Any) -> dict[str, Any]:
    return {"flake": {"locked": locked, "inputs": inputs}}


def test_a_recipe_has_none() -> None:
    assert dependencies_of({"target": "hello", "recipe": {"name": "hello.toml"}}) == []


def test_a_derivation_is_its_file() -> None:
    definition = of_derivation("x.drv", Sha256("0" * 64))
    assert definition.build_type == TARGET_KINDS["derivation"]
    assert definition.build_type in BUILD_TYPES
    assert dependencies_of(definition.parameters) == [{"name": "x.drv", "digest": {"sha256": "0" * 64}}]


def test_an_expression_has_its_tree_and_what_was_searched() -> None:
    tree = {"digest": {"narSha256": HEX, "gitCommit": COMMIT}, "uri": f"git+https://e.org/a@{COMMIT}"}
    other = {"digest": {"narSha256": HEX}, "path": "lib"}
    found = dependencies_of({"expression": {"tree": tree, "search": {"z": other, "a": tree}}})
    assert [each["name"] for each in found] == ["tree", "<a>", "<z>"]
    assert found[0] == {"name": "tree", **tree}
    assert found[2] == {"name": "<z>", "digest": {"narSha256": HEX}}


def test_a_flake_has_itself_and_every_input_of_its_lock() -> None:
    github = {"type": "github", "owner": "o", "repo": "r", "rev": COMMIT, "narHash": NAR}
    found = dependencies_of(flake({"type": "git", "rev": COMMIT, "narHash": NAR}, nixpkgs=github))
    assert found == [
        {"name": "flake", "digest": {"narSha256": HEX, "gitCommit": COMMIT}},
        {
            "uri": f"github:o/r?narHash={quote(NAR, safe='')}&rev={COMMIT}",
            "name": "input nixpkgs",
            "digest": {"narSha256": HEX},
        },
    ], "the commit of an input is its lock's word, and stands in its address alone"
    github.pop("narHash")
    found = dependencies_of(flake({"type": "git", "rev": COMMIT}, nixpkgs=github))
    assert [each["digest"] for each in found] == [{"gitCommit": COMMIT}] * 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"derivation": "x"},
        {"expression": {"tree": {}, "search": {}}},
        {"expression": {"tree": {"digest": {}}}},
        {"expression": {"tree": {"digest": {}}, "search": {"a": 1}}},
        {"flake": []},
        flake("x"),
        flake({"type": "unheard-of"}),
        flake({"type": "github"}),
        flake({"type": "git", "rev": 7}),
        flake({"type": "git"}, nixpkgs=None),
    ],
)
def test_what_is_malformed_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        dependencies_of(parameters)
