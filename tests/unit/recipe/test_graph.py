"""Recipes that use each other: order, cycles, and inputs that cannot be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.graph import closure, load_folder, load_targets
from orchestrator.recipe.recipe import Recipe


def _recipe(name: str, *inputs: str, **further: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": name,
            "version": "1",
            "summary": "A test",
            "homepage": "https://example.org/",
            "license": "MIT",
            "toolchain": {"from": "debian"},
            "build": {"script": "true"},
            "inputs": list(inputs),
            **further,
        }
    )


def _graph(**inputs: list[str]) -> dict[str, Recipe]:
    return {name: _recipe(name, *needed) for name, needed in inputs.items()}


def _write(folder: Path, name: str, *inputs: str, file: str | None = None) -> Path:
    path = folder / f"{file or name}.toml"
    path.write_text(
        f'name = "{name}"\nversion = "1"\nsummary = "A test"\nhomepage = "https://example.org/"\n'
        f'license = "MIT"\ninputs = {list(inputs)!r}\ntoolchain = {{ from = "debian" }}\n'
        'build = { script = "true" }\n'
    )
    return path


def test_inputs_come_first_and_once() -> None:
    recipes = _graph(a=["b", "c"], b=["d"], c=["d"], d=[], other=[])
    assert closure(["a"], recipes) == ("d", "b", "c", "a")
    assert closure(["d", "a"], recipes) == ("d", "b", "c", "a")


def test_a_cycle_is_shown() -> None:
    with pytest.raises(TallyError, match="a -> b -> c -> a"):
        closure(["a"], _graph(a=["b"], b=["c"], c=["a"]))
    with pytest.raises(TallyError, match=r"circle: b -> c -> b$"):
        closure(["a"], _graph(a=["b"], b=["c"], c=["b"]))
    with pytest.raises(TallyError, match="circle: a -> a"):
        closure(["a"], _graph(a=["a"]))


NODES = st.integers(0, 7)


@given(edges=st.dictionaries(NODES, st.lists(NODES, unique=True, max_size=4), max_size=8))
def test_any_graph_is_ordered_or_has_a_cycle(edges: dict[int, list[int]]) -> None:
    recipes = {f"r{n}": _recipe(f"r{n}", *[f"r{m}" for m in edges.get(n, [])]) for n in range(8)}
    try:
        order = closure(sorted(recipes), recipes)
    except TallyError as error:
        way = error.message.rsplit(": ", 1)[1].split(" -> ")
        assert way[0] == way[-1]
        assert all(below in recipes[above].inputs for above, below in pairwise(way))
        return
    assert sorted(order) == sorted(recipes)
    assert all(order.index(below) < order.index(name) for name in order for below in recipes[name].inputs)


def test_an_unknown_input_and_target_have_the_nearest_name() -> None:
    recipes = _graph(pigz=["zlob"], zlib=[])
    with pytest.raises(TallyError, match="recipe pigz: there is no recipe 'zlob'") as caught:
        closure(["pigz"], recipes)
    assert caught.value.hint == "did you mean 'zlib'?"
    with pytest.raises(TallyError, match="there is no recipe 'zlb'") as caught:
        closure(["zlb"], recipes)
    assert caught.value.hint == "did you mean 'zlib'?"


@pytest.mark.parametrize(
    ("user", "used", "says"),
    [
        (_recipe("a", "7zip"), _recipe("7zip"), "no script can have it"),
        (_recipe("a", "out"), _recipe("out"), "the output out has it already"),
        (_recipe("a", "home"), _recipe("home"), None),
        (_recipe("a", "HOME"), _recipe("HOME"), "no script can have it"),
        (
            _recipe("a", "b", build={"script": "x", "env": {"b": "1"}}),
            _recipe("b"),
            "build.env.b has it already",
        ),
        (
            _recipe("a", "b", build={"script": "x", "env": {"b_dev": "1"}}),
            _recipe("b", outputs=["out", "dev"]),
            "b_dev",
        ),
    ],
)
def test_an_input_needs_a_variable_of_its_own(user: Recipe, used: Recipe, says: str | None) -> None:
    recipes = {recipe.name: recipe for recipe in (user, used)}
    if says is None:
        assert closure([user.name], recipes) == (used.name, user.name)
        return
    with pytest.raises(TallyError, match=says):
        closure([user.name], recipes)


def test_two_inputs_cannot_share_a_variable() -> None:
    recipes = {recipe.name: recipe for recipe in (_recipe("a", "b-c", "b_c"), _recipe("b-c"), _recipe("b_c"))}
    with pytest.raises(TallyError, match=r"\$b_c in the script, and the input b-c has it already"):
        closure(["a"], recipes)


def test_targets_bring_the_recipes_beside_them(tmp_path: Path) -> None:
    _write(tmp_path, "zlib")
    _write(tmp_path, "unused")
    targets, recipes = load_targets([_write(tmp_path, "pigz", "zlib")])
    assert (targets, sorted(recipes)) == (["pigz"], ["pigz", "zlib"])
    assert sorted(load_folder(tmp_path)) == ["pigz", "unused", "zlib"]


def test_a_folders_configuration_is_no_recipe(tmp_path: Path) -> None:
    _write(tmp_path, "zlib")
    configuration = tmp_path / "tally.toml"
    configuration.write_text('[mirrors]\nhere = ["https://example.org/"]\n')
    assert sorted(load_folder(tmp_path)) == ["zlib"]
    configuration.write_text('name = "tally"\n')
    with pytest.raises(TallyError, match=r"tally\.toml.*version"):  # a recipe that is not whole
        load_folder(tmp_path)
    configuration.write_text("x =\n")
    with pytest.raises(TallyError, match=r"tally\.toml"):
        load_folder(tmp_path)


def test_targets_whose_input_has_no_file(tmp_path: Path) -> None:
    _write(tmp_path, "zlib")
    with pytest.raises(TallyError, match="no recipe 'zlob'") as caught:
        load_targets([_write(tmp_path, "pigz", "zlob")])
    assert caught.value.hint == "did you mean 'zlib'?"


def test_a_file_is_called_as_its_recipe(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="the recipe in it is called 'hello'"):
        load_targets([_write(tmp_path, "hello", file="hallo")])


def test_two_recipes_of_one_name(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(TallyError, match="two recipes are called 'hello'"):
        load_targets([_write(tmp_path, "hello"), _write(other, "hello")])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="cannot read the recipes"):
        load_folder(tmp_path / "none")
