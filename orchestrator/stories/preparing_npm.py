"""From a package in an npm registry to a recipe and a lock that pack it, and to the served file.

What is packed is a commit of the repository that the user names; else what is served, once more.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.ground.files import contents, write_atomically
from orchestrator.ground.state import State
from orchestrator.recipe.purls import package_url
from orchestrator.recipe.toml import LIMIT
from orchestrator.served import npm_recipe
from orchestrator.served.named import NpmName
from orchestrator.served.npm import package_of
from orchestrator.served.npm_repository import Origin, tree_of
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.stories.preparing import Prepared, Say, lock_beside, refuse_itself


def prepare(
    named: NpmName,
    origin: Origin | None,
    sources: Sources,
    mirrors: Mirrors,
    state: State,
    out: Path | None,
    say: Say,
) -> Prepared:
    """Ask the registry, write recipe and lock. Raises TallyError."""
    say(f"{named}: asking the registry what it serves")
    package = package_of(named, mirrors, sources)
    place = sources.fetch(package.wanted)
    npm = package_of(NpmName("npm", npm_recipe.NPM), mirrors, sources)
    tree = None
    if origin is not None:
        say(f"{named}: fetching the commit that it was published from")
        tree = tree_of(package, origin, sources)
    text = npm_recipe.recipe_of(package, npm.wanted.digest.hex, tree)
    plain = named.package.removeprefix("@").replace("/", "-")
    label = f"{plain}-{named.version}"
    folder = (out or state.folder("served", "npm")) / label
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / f"{plain}.toml"
    notes: tuple[str, ...] = (npm_recipe.ALONE,) if tree is None else tree.notes
    settings = npm_recipe.SETTINGS if tree is None else npm_recipe.settings_of(tree)
    unrun = () if tree is None else npm_recipe.unrun_of(tree)
    if out is not None and recipe.exists() and contents(recipe, LIMIT) != text:
        notes = (*notes, f"the recipe is the one in {recipe}, not what this would write")
        settings, unrun = (), ()
    else:
        write_atomically(recipe, text)
    if tree is not None:
        refuse_itself(recipe, place)
    lock_beside(recipe, sources, mirrors, state, say)
    scope, _, name = named.package.rpartition("/")
    purl = package_url("npm", name, named.version, namespace=scope or None)
    return Prepared(str(named), label, purl, place, recipe, settings, notes, tree is None, unrun)
