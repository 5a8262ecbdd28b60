"""From a package in an npm registry to a recipe and a lock that pack it once more, and to the served file."""

from __future__ import annotations

from pathlib import Path

from orchestrator.ground.files import contents, write_atomically
from orchestrator.ground.state import State
from orchestrator.recipe.mirrors import Mirrors
from orchestrator.recipe.purls import package_url
from orchestrator.recipe.sources import Sources
from orchestrator.recipe.toml import LIMIT
from orchestrator.served import npm_recipe
from orchestrator.served.named import NpmName
from orchestrator.served.npm import package_of
from orchestrator.stories.preparing import Prepared, Say, lock_beside


def prepare(
    named: NpmName, sources: Sources, mirrors: Mirrors, state: State, out: Path | None, say: Say
) -> Prepared:
    """Ask the registry, write recipe and lock. Raises TallyError."""
    say(f"{named}: asking the registry what it serves")
    package = package_of(named, mirrors, sources)
    place = sources.fetch(package.wanted)
    npm = package_of(NpmName("npm", npm_recipe.NPM), mirrors, sources)
    text = npm_recipe.recipe_of(package, npm.wanted.digest.hex)
    plain = named.package.removeprefix("@").replace("/", "-")
    label = f"{plain}-{named.version}"
    folder = (out or state.folder("served", "npm")) / label
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / f"{plain}.toml"
    notes: tuple[str, ...] = (npm_recipe.ALONE,)
    settings = npm_recipe.SETTINGS
    if out is not None and recipe.exists() and contents(recipe, LIMIT) != text:
        notes = (*notes, f"the recipe is the one in {recipe}, not what this would write")
        settings = ()
    else:
        write_atomically(recipe, text)
    lock_beside(recipe, sources, mirrors, state, say)
    scope, _, name = named.package.rpartition("/")
    purl = package_url("npm", name, named.version, namespace=scope or None)
    return Prepared(str(named), label, purl, place, recipe, settings, notes, alone=True)
