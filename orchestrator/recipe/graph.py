"""Recipes in a folder, and the order in which they need each other. Pure but `load_folder`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read
from orchestrator.recipe.names import is_reserved, variable_of
from orchestrator.recipe.recipe import Recipe, load_with_bytes
from orchestrator.recipe.toml import read_toml


def load_folder(folder: Path) -> dict[str, Recipe]:
    """Every `NAME.toml` of a folder by name, but for tally.toml. Raises TallyError for what is no recipe."""
    try:
        files = sorted(
            path for path in folder.iterdir() if path.suffix == ".toml" and not path.name.startswith(".")
        )
    except (OSError, ValueError) as error:
        hint = "name a folder with recipes, files called NAME.toml; without a name it is recipes/"
        raise cannot_read(folder, error, "the recipes in ", hint) from error
    named = (load_named(file) for file in files if not _is_configuration(file))
    return {recipe.name: recipe for recipe in named}


def _is_configuration(path: Path) -> bool:
    """Whether a file is a project's `tally.toml`, and no recipe of a package that is called tally."""
    return (
        path.name == "tally.toml" and not {"name", "version", "build"} & read_toml(path, "a recipe")[1].keys()
    )


def load_named(path: Path) -> Recipe:
    """A recipe whose file is called by its name, as it must be for others to use it. Raises TallyError."""
    return _named(path)[0]


def _named(path: Path) -> tuple[Recipe, bytes]:
    recipe, data = load_with_bytes(path)
    if recipe.name != path.stem:
        raise TallyError(
            f"{path}: the recipe in it is called {recipe.name!r}",
            hint=f"call the file {recipe.name}.toml, or the recipe {path.stem!r}",
        )
    return recipe, data


def load_targets(paths: Iterable[Path]) -> tuple[list[str], dict[str, Recipe]]:
    """The named recipe files and every recipe they use, found beside them: targets in order, and all by name.

    Raises TallyError for a file that is no recipe, an input without a file, and a cycle.
    """
    loaded = load_files(paths)
    return list(loaded.targets), {name: each.recipe for name, each in loaded.files.items()}


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A recipe, and the file that it was read from."""

    path: Path
    recipe: Recipe
    data: bytes
    """The file's bytes, of which the recipe is the meaning."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Recipes that were asked for, and all that they use."""

    targets: tuple[str, ...]
    """In the order asked for, each once."""
    files: Mapping[str, RecipeFile]
    """By recipe name, sorted."""


def load_files(paths: Iterable[Path]) -> Loaded:
    """Like `load_targets`, with the file of each recipe, read once."""
    targets: list[str] = []
    found: dict[str, RecipeFile] = {}
    waiting = []
    for path in paths:
        file = RecipeFile(path, *_named(path))
        targets.append(file.recipe.name)
        waiting.append(file)
    while waiting:
        file = waiting.pop()
        path, recipe = file.path, file.recipe
        known = found.setdefault(recipe.name, file)
        if known.path.resolve() != path.resolve():
            raise TallyError(f"two recipes are called {recipe.name!r}: {known.path} and {path}")
        for name in recipe.inputs:
            beside = path.parent / f"{name}.toml"
            if name in found:
                continue
            if not beside.exists():
                raise unknown_input(recipe.name, name, [each.stem for each in path.parent.glob("*.toml")])
            waiting.append(RecipeFile(beside, *_named(beside)))
    files = dict(sorted(found.items()))
    closure(targets, {name: file.recipe for name, file in files.items()})
    return Loaded(tuple(dict.fromkeys(targets)), files)


def closure(targets: Iterable[str], recipes: Mapping[str, Recipe]) -> tuple[str, ...]:
    """The targets and all they use, each after its inputs; the order depends on the graph alone.

    Raises TallyError for an unknown recipe, for a cycle (shown), and for inputs that a script could not name.
    """
    done: dict[str, None] = {}
    for target in targets:
        if target not in recipes:
            raise _unknown(target, recipes)
        _visit(target, recipes, done)
    return tuple(done)


def _visit(target: str, recipes: Mapping[str, Recipe], done: dict[str, None]) -> None:
    on_the_way: dict[str, None] = {}
    stack: list[tuple[str, bool]] = [(target, False)]
    while stack:
        name, left = stack.pop()
        if left:
            on_the_way.pop(name)
            done[name] = None
            continue
        if name in done:
            continue
        if name in on_the_way:
            way = list(on_the_way)
            raise _cycle([*way[way.index(name) :], name])
        on_the_way[name] = None
        stack.append((name, True))
        recipe = recipes[name]
        _refuse_unusable_inputs(recipe, recipes)
        stack.extend((each, False) for each in sorted(recipe.inputs, reverse=True) if each not in done)


def _refuse_unusable_inputs(recipe: Recipe, recipes: Mapping[str, Recipe]) -> None:
    """Every input must exist, and give variables that nothing else of the script has."""
    taken = {name: f"the output {name}" for name in recipe.outputs}
    taken |= {name: f"build.env.{name}" for name in recipe.build.env}
    for name in recipe.inputs:
        if name not in recipes:
            raise unknown_input(recipe.name, name, recipes)
        variable = variable_of(name)
        further = [f"{variable}_{output}" for output in recipes[name].outputs[1:]]
        for each in [variable, *further]:
            if each[:1].isdigit() or is_reserved(each) or each in taken:
                why = f"{taken[each]} has it already" if each in taken else "no script can have it"
                raise TallyError(
                    f"recipe {recipe.name}: the input {name} would be ${each} in the script, and {why}"
                )
            taken[each] = f"the input {name}"


def unknown_input(recipe: str, name: str, known: Iterable[str]) -> TallyError:
    """The error for an input that is no recipe."""
    nearest = get_close_matches(name, list(known), n=1)
    return TallyError(
        f"recipe {recipe}: there is no recipe {name!r} for its input",
        hint=f"did you mean {nearest[0]!r}?" if nearest else f"write {name}.toml beside {recipe}.toml",
    )


def _unknown(name: str, known: Iterable[str]) -> TallyError:
    nearest = get_close_matches(name, list(known), n=1)
    return TallyError(
        f"there is no recipe {name!r}", hint=f"did you mean {nearest[0]!r}?" if nearest else None
    )


def _cycle(way: list[str]) -> TallyError:
    return TallyError(
        f"recipes need each other in a circle: {' -> '.join(way)}", hint="take one of them out of `inputs`"
    )
