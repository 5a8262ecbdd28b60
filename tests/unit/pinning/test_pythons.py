"""The Python that a recipe builds with: the toolchain's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from pydantic import ValidationError
from python_locks import BOOKWORM

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.drift import drift
from orchestrator.pinning.pythons import asked_of, key_of
from orchestrator.recipe import lock as locks
from orchestrator.recipe.lock import DebianPackage, DebianSet, Lock, NixpkgsPin
from orchestrator.recipe.recipe import Recipe

SYSTEM: Final = "x86_64-linux"


def package(name: str, version: str) -> DebianPackage:
    file = f"pool/main/x/{name}/{name}_{version}_amd64.deb"
    return DebianPackage(
        name=name, version=version, architecture="amd64", pool=file, sha256="1" * 64, size=1, license=None
    )


LOCK = Lock(
    package=(package("libc6", "2.36-9"), package("python3", "3.11.2-1"), package("python3.11", "3.11.2-6")),
    set=(
        DebianSet(
            system=SYSTEM,
            request=("python3",),
            base=(),
            packages=(
                "libc6_2.36-9_amd64.deb",
                "python3_3.11.2-1_amd64.deb",
                "python3.11_3.11.2-6_amd64.deb",
            ),
        ),
        DebianSet(system=SYSTEM, request=(), base=(), packages=("libc6_2.36-9_amd64.deb",)),
    ),
    told={"app": {"src/requirements.txt": {"2" * 64: "a-1-py3-none-any.whl"}}},
    nixpkgs=NixpkgsPin.model_validate({"type": "github"}),
)


def recipe(toolchain: dict[str, object], **asked: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "app",
            "version": "1",
            "summary": "A test",
            "homepage": "https://example.org/",
            "license": "MIT",
            "source": {"path": "app"},
            "dependencies": [{"lock": "requirements.txt", **asked}],
            "toolchain": toolchain,
            "build": {"script": "true"},
        }
    )


def test_it_is_that_of_the_locked_set() -> None:
    made = recipe({"from": "debian", "packages": ["python3"]}, groups=["Dev_x"], extras=["A.b"], venv=True)
    (part,) = made.dependencies
    asked = asked_of(made, part, LOCK, SYSTEM)
    assert asked.interpreter == BOOKWORM
    assert (asked.groups, asked.extras, asked.venv) == (("dev-x",), ("a-b",), True)
    assert asked.names == {"2" * 64: "a-1-py3-none-any.whl"}
    assert key_of(made, part) == "src/requirements.txt"


@pytest.mark.parametrize(
    ("toolchain", "asked", "message"),
    [
        ({"from": "debian"}, {}, "recipe app: nothing tells which Python reads requirements.txt"),
        ({"from": "nixpkgs"}, {}, "recipe app: nothing tells which Python reads requirements.txt"),
        (
            {"from": "debian", "packages": ["python3"]},
            {"python": "3.12.1"},
            r"recipe app: it says python 3\.12\.1, and its toolchain has 3\.11\.2",
        ),
    ],
)
def test_a_python_that_nothing_tells_is_refused(
    toolchain: dict[str, object], asked: dict[str, object], message: str
) -> None:
    made = recipe(toolchain, **asked)
    with pytest.raises(TallyError, match=message) as caught:
        asked_of(made, made.dependencies[0], LOCK, SYSTEM)
    assert caught.value.hint


def test_a_recipe_says_it_where_the_toolchain_does_not() -> None:
    made = recipe({"from": "nixpkgs"}, python="3.13.2")
    assert asked_of(made, made.dependencies[0], LOCK, SYSTEM).interpreter.version == "3.13.2"


def test_what_is_asked_of_python_is_refused_of_others() -> None:
    with pytest.raises(ValidationError, match="`venv` is asked of a Python project's lock"):
        recipe({"from": "debian"}, lock="package-lock.json", venv=True)
    with pytest.raises(ValidationError, match="python"):
        recipe({"from": "debian"}, python="3.13")


def test_the_lock_keeps_what_was_told_and_says_what_nobody_asks_for() -> None:
    assert locks.parse(locks.text_of(LOCK), "tally.lock").told == LOCK.told
    found = list(drift({}, LOCK, Path("flake.lock")))
    assert "app: what src/requirements.txt does not say is locked, and the recipe does not name it" in found
