"""The toolchains that the provenance names: of the recipe, and of those that it uses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from orchestrator.recipe.lock import Lock, NixpkgsPin
from orchestrator.recipe.suites import Suite
from orchestrator.recipe.toolchains import toolchains_of

NODE = {"type": "github", "owner": "NixOS", "rev": "6201", "narHash": "sha256-x", "lastModified": 5}


def recipe(name: str, toolchain: str, *inputs: str) -> Any:
    from_, _, suite = toolchain.partition(" ")
    debian = Suite(suite) if suite else None
    return SimpleNamespace(
        name=name,
        toolchain=SimpleNamespace(from_=from_, debian=debian, image=None, is_debians=from_ == "debian"),
        inputs=inputs,
    )


def test_each_once_with_its_pins() -> None:
    recipes = {
        "app": recipe("app", "debian", "lib", "tool"),
        "lib": recipe("lib", "debian", "tool"),
        "tool": recipe("tool", "nixpkgs"),
        "new": recipe("new", "debian trixie", "lib", "named"),
        "named": recipe("named", "debian bookworm"),
    }
    lock = Lock(suite="bookworm", nixpkgs=NixpkgsPin.model_validate(NODE))
    debian = {"from": "debian", "suite": "bookworm"}
    nixpkgs = {"from": "nixpkgs", "rev": "6201", "narHash": "sha256-x"}
    assert toolchains_of(recipes["app"], recipes, lock) == (debian, nixpkgs)
    assert toolchains_of(recipes["tool"], recipes, lock) == (nixpkgs,)
    trixie = {"from": "debian", "suite": "trixie"}
    assert toolchains_of(recipes["new"], recipes, lock) == (debian, trixie, nixpkgs)


def test_what_belongs_to_the_suite_is_named() -> None:
    dated = Suite("trixie", security=True, updates=True, snapshot="20261101T000000Z")
    one = recipe("tool", "debian")
    one.toolchain.debian = dated
    (found,) = toolchains_of(one, {"tool": one}, Lock())
    more = {"security": "true", "updates": "true", "snapshot": "20261101T000000Z"}
    assert found == {"from": "debian", "suite": "trixie", **more}


def test_what_is_not_pinned_is_left_out() -> None:
    path = NixpkgsPin.model_validate({"type": "path", "path": "/nixpkgs", "narHash": "sha256-y"})
    one = recipe("tool", "nixpkgs")
    assert toolchains_of(one, {"tool": one}, Lock(nixpkgs=path)) == (
        {"from": "nixpkgs", "narHash": "sha256-y"},
    )
