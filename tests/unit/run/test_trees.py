"""The trees of nixpkgs that a request names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.ground.digest import NarHash
from orchestrator.run.trees import Trees, address_of, path_of, pinned

HASH = "sha256-ZojAnPuCdy657PbTq5V0Y+AHKhZAIwSIT2cb8UgAz/U="
HEX = "6688c09cfb82772eb9ecf6d3ab957463e0072a1640230488" + "4f671bf14800cff5"
NODE = {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "6201e2", "narHash": HASH}
DEBIAN = {"toolchain": {"from": "debian", "packages": ["gcc"]}}


def asked(node: Any) -> dict[str, Any]:
    return {"system": "x86_64-linux", "recipes": {"a": DEBIAN, "b": {"toolchain": {"nixpkgs": node}}}}


def test_each_by_its_hash() -> None:
    assert pinned(asked(NODE)) == {HASH: (NarHash(HEX), NODE)}
    assert path_of(NarHash(HEX)).endswith("-source")
    assert address_of(NODE) == "github:NixOS/nixpkgs/6201e2"
    assert address_of({"type": "path", "path": "/home/me/nixpkgs", "narHash": HASH}) is None


def test_one_that_is_here_is_at_its_place() -> None:
    request = asked(NODE)
    placed = Trees({HASH: Path("/here")}).at(request)
    node = {"type": "path", "path": "/here", "narHash": HASH}
    assert placed == {**request, "recipes": {"a": DEBIAN, "b": {"toolchain": {"nixpkgs": node}}}}
    assert request == asked(NODE), "the release's own is as it was"
    assert Trees({"sha256-other": Path("/here")}).at(request) == request
    assert Trees().at(request) is request


@pytest.mark.parametrize("node", [None, [], "x", {}, {"narHash": 1}, {"narHash": "sha256-x"}])
def test_what_names_no_tree(node: Any) -> None:
    assert pinned(asked(node)) == {}
    assert Trees({HASH: Path("/here")}).at(asked(node)) == asked(node)


@pytest.mark.parametrize(
    "request_", [{}, {"recipes": None}, {"recipes": {"a": None}}, {"recipes": {"a": {}}}]
)
def test_a_request_of_another_shape(request_: dict[str, Any]) -> None:
    assert pinned(request_) == {}
