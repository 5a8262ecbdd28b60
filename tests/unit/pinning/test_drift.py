"""Where lock and recipes do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.debian import BASE
from orchestrator.pinning.drift import drift, needed_sets, nixpkgs_node, refuse_unknown_mirrors
from orchestrator.recipe.lock import Busybox, DebianPackage, DebianSet, Lock, SourcePin
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.suites import Suite
from orchestrator.sources.mirrors import Mirrors

DIGEST = "0" * 64
BOOKWORM = Suite("bookworm")
BOX = DebianPackage(
    name="b", version="1", architecture="amd64", pool="pool/b_1_amd64.deb", sha256=DIGEST, size=1
)


def _recipe(name: str = "a", tools: tuple[str, ...] = ("make", "gcc"), **further: object) -> Recipe:
    values = {
        "name": name,
        "version": "1",
        "summary": "A test",
        "homepage": "https://example.org/",
        "license": "MIT",
        "source": {"url": "mirror://gnu/x", "sha256": DIGEST},
        "toolchain": {"from": "debian", "packages": list(tools)},
        "build": {"script": "true"},
    }
    return Recipe.model_validate(values | further)


def _lock(**further: object) -> Lock:
    lock = Lock(
        package=(BOX,),
        set=(DebianSet(system="x86_64-linux", request=("gcc", "make"), base=BASE, packages=(BOX.file,)),),
        busybox=(Busybox(system="x86_64-linux", package=BOX.file, nar_sha256=DIGEST),),
        source={"a": {"src": SourcePin(kind="url", sha256=DIGEST)}},
    )
    return lock.model_copy(update=further)


def _drift(lock: Lock, *recipes: Recipe) -> list[str]:
    return list(drift({recipe.name: recipe for recipe in recipes}, lock, Path("/none/flake.lock")))


def test_a_lock_that_fits() -> None:
    assert _drift(_lock(), _recipe()) == []
    own = _recipe(sources={"own": {"path": "x"}}, source=None)
    assert _drift(_lock(source={}), own) == []


@pytest.mark.parametrize(
    ("lock", "recipe", "says"),
    [
        (Lock(), _recipe(), "a: not locked for x86_64-linux: the packages gcc, make"),
        (Lock(), _recipe(tools=()), "a: not locked for x86_64-linux: the base packages alone"),
        (Lock(), _recipe(), "no busybox is locked for x86_64-linux"),
        (Lock(), _recipe(), "a: source src: the lock does not know it"),
        (
            _lock(),
            _recipe(tools=("gcc",)),
            "no recipe asks for what is locked for x86_64-linux: the packages gcc, make",
        ),
        (_lock(), _recipe(source={"url": "mirror://gnu/x", "sha256": "1" * 64}), "its digest is 1111"),
        (
            _lock(),
            _recipe(sources={"own": {"path": "x"}}, source=None),
            "a: source src is locked and not in the recipe",
        ),
        (_lock(), _recipe("b"), "a: its sources are locked and there is no such recipe"),
        (_lock(set=(), busybox=()), _recipe(), "b_1_amd64.deb is locked and belongs to no set"),
        (
            _lock(set=(_lock().set[0].model_copy(update={"base": ("sh",)}),)),
            _recipe(),
            "with another base set",
        ),
    ],
)
def test_each_kind_of_drift(lock: Lock, recipe: Recipe, says: str) -> None:
    assert any(says in sentence for sentence in _drift(lock, recipe)), _drift(lock, recipe)


def test_recipes_that_ask_for_the_same_share_a_set() -> None:
    recipes = {r.name: r for r in (_recipe("a"), _recipe("b", ("gcc", "make")), _recipe("c", ("gcc",)))}
    assert needed_sets(recipes, BOOKWORM) == {
        ("x86_64-linux", BOOKWORM, ("gcc",)): ("c",),
        ("x86_64-linux", BOOKWORM, ("gcc", "make")): ("a", "b"),
    }


def test_each_suite_has_a_set_of_its_own() -> None:
    newer = _recipe("b", toolchain={"from": "debian", "packages": ["gcc", "make"], "suite": "trixie"})
    same = _recipe("c", toolchain={"from": "debian", "packages": ["gcc", "make"], "suite": "bookworm"})
    found = needed_sets({r.name: r for r in (_recipe("a"), newer, same)}, BOOKWORM)
    assert list(found.values()) == [("a", "c"), ("b",)]
    (said,) = (each for each in _drift(_lock(), _recipe(), newer) if "not locked" in each)
    assert said == "b: not locked for x86_64-linux in Debian trixie: the packages gcc, make"
    lock = _lock(set=(*_lock().set, _lock().set[0].model_copy(update={"suite": "trixie"})))
    assert _drift(lock, _recipe(), newer) == ["b: source src: the lock does not know it"]
    left = "no recipe asks for what is locked for x86_64-linux in Debian trixie: the packages gcc, make"
    assert _drift(lock, _recipe()) == [left]


def test_a_usual_suite_that_changed() -> None:
    recipes = {"a": _recipe()}
    assert list(drift(recipes, _lock(), Path("/none"), BOOKWORM)) == []
    assert list(drift(recipes, _lock(), Path("/none"), Suite("trixie"))) == [
        "recipes without a suite are locked for Debian bookworm, and tally.toml says trixie"
    ]
    assert "not locked for x86_64-linux" in _drift(_lock(suite="trixie", set=()), _recipe())[0]
    assert _drift(_lock(suite="trixie"), _recipe()) == []


def test_nixpkgs_is_copied_from_flake_lock(tmp_path: Path) -> None:
    file = tmp_path / "flake.lock"
    recipe = _recipe(toolchain={"from": "nixpkgs"})
    digest = f"sha256-{'A' * 43}="
    node = {"type": "github", "owner": "NixOS", "lastModified": 1, "narHash": digest, "rev": "1" * 40}
    original = {"type": "github", "owner": "NixOS"}
    nodes = {
        "root": {"inputs": {"nixpkgs": "nixpkgs_2"}},
        "nixpkgs_2": {"locked": node, "original": original},
    }
    file.write_text(json.dumps({"nodes": nodes, "root": "root", "version": 7}))
    found = nixpkgs_node({"a": recipe}, file)
    assert found is not None
    assert found.model_dump() == node
    assert nixpkgs_node({"a": _recipe()}, file) is None
    assert "nixpkgs: the lock and flake.lock pin different ones" in drift({"a": recipe}, _lock(), file)
    assert "nixpkgs: no recipe uses it" in drift({"a": _recipe()}, _lock(nixpkgs=found), file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"nodes": {}, "root": "root"}',
        '{"nodes": {"root": {"inputs": {"nixpkgs": ["a"]}}}, "root": "root"}',
        '{"nodes": {"r": {"inputs": {"nixpkgs": "n"}}, "n": {"locked": {"type":"x","y":1.5}}}, "root": "r"}',
    ],
)
def test_a_flake_lock_without_nixpkgs(tmp_path: Path, text: str) -> None:
    file = tmp_path / "flake.lock"
    file.write_text(text)
    with pytest.raises(TallyError, match="has no locked input called nixpkgs"):
        nixpkgs_node({"a": _recipe(toolchain={"from": "nixpkgs"})}, file)
    with pytest.raises(TallyError, match="there is no"):
        nixpkgs_node({"a": _recipe(toolchain={"from": "nixpkgs"})}, tmp_path / "none")


def test_a_mirror_that_there_is_not_is_said_with_its_recipe_and_source() -> None:
    refuse_unknown_mirrors({"a": _recipe()}, Mirrors())
    recipe = _recipe(source={"url": "mirror://debain/x", "sha256": DIGEST})
    with pytest.raises(TallyError, match=r"^a: source src: there is no mirror called 'debain'$") as caught:
        refuse_unknown_mirrors({"a": recipe}, Mirrors())
    assert caught.value.hint == "did you mean 'debian'?"
