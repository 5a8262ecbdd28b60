"""Whatever a recipe holds: a valid recipe or an error that names the file, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.request import request_for
from orchestrator.recipe.graph import closure
from orchestrator.recipe.lock import Busybox, DebianPackage, DebianSet, Lock, SourcePin
from orchestrator.recipe.names import store_name
from orchestrator.recipe.recipe import Recipe, load
from orchestrator.recipe.wanted import fixed_outputs

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "",
            "..",
            "/",
            "a/../b",
            "${x}",
            "''${",
            "$(id)",
            "`id`",
            "\0",
            "\n",
            "x" * 300,
            "-rf",
            "~",
            "src",
            "PATH",
            "out",
        ]
    ),
    st.text(alphabet="abc+-._/ @:%$\"'\\\n\t\0", max_size=20),
)
VALUES = st.recursive(
    st.one_of(HOSTILE, st.integers(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(HOSTILE, inner, max_size=4)),
    max_leaves=8,
)
SOURCE = st.one_of(
    st.fixed_dictionaries(
        {
            "url": st.one_of(HOSTILE, st.lists(HOSTILE, max_size=3), st.just("mirror://gnu/x.tar.gz")),
            "sha256": st.one_of(HOSTILE, st.just("0" * 64)),
        }
    ),
    st.fixed_dictionaries({"git": HOSTILE, "rev": HOSTILE, "nar_sha256": HOSTILE}),
    st.fixed_dictionaries({"path": HOSTILE}),
    st.fixed_dictionaries({"pypi": HOSTILE, "version": HOSTILE, "sha256": st.just("0" * 64)}),
    st.fixed_dictionaries({"npm": HOSTILE, "version": HOSTILE, "sha256": st.just("0" * 64)}),
    VALUES,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": HOSTILE,
    "version": HOSTILE,
    "summary": HOSTILE,
    "homepage": HOSTILE,
    "license": st.one_of(HOSTILE, st.text(alphabet="()ANDORWITHMIT+-. ", max_size=30)),
    "systems": st.lists(HOSTILE, max_size=2),
    "source": SOURCE,
    "sources": st.one_of(VALUES, st.dictionaries(HOSTILE, SOURCE, max_size=2)),
    "toolchain": st.one_of(
        VALUES, st.fixed_dictionaries({"from": st.just("debian"), "packages": st.lists(HOSTILE)})
    ),
    "build": st.one_of(
        VALUES, st.fixed_dictionaries({"script": HOSTILE, "env": st.dictionaries(HOSTILE, HOSTILE)})
    ),
    "check": st.one_of(VALUES, st.fixed_dictionaries({"script": HOSTILE})),
    "inputs": st.one_of(VALUES, st.lists(HOSTILE, max_size=3)),
    "outputs": st.one_of(VALUES, st.lists(HOSTILE, max_size=3)),
    "artifact": st.one_of(VALUES, st.fixed_dictionaries({"format": HOSTILE, "path": HOSTILE})),
}
GOOD: dict[str, Any] = {
    "name": "hello",
    "version": "2.10",
    "summary": "A program",
    "homepage": "https://example.org/",
    "license": "MIT",
    "source": {"url": "mirror://gnu/hello.tar.gz", "sha256": "0" * 64},
    "toolchain": {"from": "debian", "packages": ["gcc"]},
    "build": {"script": "make", "env": {}},
}


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """A good recipe with a few of its fields made hostile."""
    values = dict(GOOD)
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True)):
        values[field] = draw(FIELDS[field])
    if draw(st.booleans()) and draw(st.booleans()):
        values[draw(HOSTILE)] = draw(VALUES)
    if "sources" in values and draw(st.booleans()):
        values.pop("source", None)
    return values


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(values=recipes())
def test_a_hostile_recipe_is_a_recipe_or_an_error(tmp_path: Path, values: dict[str, Any]) -> None:
    file = tmp_path / "hostile.toml"
    try:
        text = tomli_w.dumps(values)
        file.write_bytes(text.encode())
    except (TypeError, UnicodeEncodeError):  # a list that mixes tables and strings, or a lone surrogate
        return
    recipe = _loaded(file)
    if recipe is not None:
        _becomes_data(recipe)


def _loaded(file: Path) -> Recipe | None:
    """Anything but a recipe or an error that names the file is for pytest to report."""
    try:
        return load(file)
    except TallyError as error:
        if str(file) not in error.message:
            raise AssertionError(f"the error does not name its file: {error.message}") from error
        return None


def _becomes_data(recipe: Recipe) -> None:
    """A recipe that was accepted reaches the request whole, under names that the store can have."""
    lock = _lock_for(recipe)
    try:
        closure([recipe.name], {recipe.name: recipe})
        request = request_for([recipe.name], {recipe.name: recipe}, lock, recipe.systems[0])
    except TallyError:
        return  # inputs that are no recipes, path sources that were not looked up
    described = json.loads(json.dumps(request))["recipes"][recipe.name]
    assert described["script"] == recipe.build.script
    assert described["environment"] == recipe.build.env
    assert described["summary"] == recipe.summary
    for wanted in fixed_outputs(request):
        assert wanted.name == store_name(wanted.name)
        assert all("\n" not in url for url in wanted.urls)


def _lock_for(recipe: Recipe) -> Lock:
    package = DebianPackage(
        name="b", version="1", architecture="amd64", pool="pool/b_1_amd64.deb", sha256="0" * 64, size=1
    )
    system = recipe.systems[0]
    pins = {}
    for name, source in recipe.named_sources.items():
        values = source.model_dump()
        kind = next(kind for kind in ("url", "git", "path", "pypi", "npm") if kind in values)
        if kind != "path":
            pins[name] = SourcePin(
                kind=kind,
                sha256=values.get("sha256"),
                nar_sha256=values.get("nar_sha256"),
                rev=values.get("rev"),
                file="a.tar.gz" if kind == "pypi" else None,
            )
    return Lock(
        package=(package,),
        set=(
            DebianSet(
                system=system,
                request=tuple(sorted(recipe.toolchain.packages)),
                base=(),
                packages=(package.file,),
            ),
        ),
        busybox=(Busybox(system=system, package=package.file, nar_sha256="0" * 64),),
        source={recipe.name: pins},
    )


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_an_error_or_a_recipe(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bytes.toml"
    file.write_bytes(data)
    with pytest.raises(TallyError) as caught:
        load(file)
    assert str(file) in caught.value.message


@given(name=st.text(min_size=1))
def test_store_names_are_what_nix_accepts(name: str) -> None:
    safe = store_name(name)
    assert 1 <= len(safe) <= 200
    assert not safe.startswith(".")
    assert all(c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+._?=-" for c in safe)
    assert store_name(safe) == safe
