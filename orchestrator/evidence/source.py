"""`source/`: what made a release, so that it can be planned again from the release alone. Pure.

docs/reference/release-folder.md has it file by file. The provenance signs for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.evidence.canonical import render_document
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.terms import RECIPES, SOURCE, SOURCE_LOCK
from orchestrator.recipe.lock import Lock, text_of

REQUEST: Final = f"{SOURCE}request.json"
DERIVATIONS: Final = f"{SOURCE}derivations.export"
EVALUATION: Final = f"{SOURCE}evaluation.json"
SCRIPTS: Final = f"{SOURCE}store/"
"""Where our scripts are that a recipe was built with, each by the name of its store path."""


def recipe_file(name: str) -> str:
    """Where a recipe is in a release."""
    return f"{RECIPES}{name}.toml"


def source_files(
    recipes: Mapping[str, bytes], lock: Lock, request: Mapping[str, Any], scripts: Mapping[str, bytes]
) -> tuple[ReleaseFile, ...]:
    """The files of `source/`, sorted by path.

    `recipes` is recipe name to its file's bytes; `lock` the part of the lock that they need; `scripts` is the
    name of a store path to the bytes of that file, which derivations have as an input source.
    """
    found = {recipe_file(name): data for name, data in recipes.items()}
    found |= {f"{SCRIPTS}{name}": data for name, data in scripts.items()}
    found[SOURCE_LOCK] = text_of(lock).encode()
    found[REQUEST] = render_document(request)
    return tuple(ReleaseFile.of(path, data) for path, data in sorted(found.items()))


def derivation_files(
    exported: ReleaseFile, request: Mapping[str, Any], evaluation: Mapping[str, Any] | None
) -> tuple[ReleaseFile, ...]:
    """The same of a target without a recipe.

    `exported` is its derivation with all below it, `request` what packs it, `evaluation` what it was
    evaluated from, where it was.
    """
    found = [exported, ReleaseFile.of(REQUEST, render_document(request))]
    if evaluation is not None:
        found.append(ReleaseFile.of(EVALUATION, render_document(evaluation)))
    return tuple(sorted(found, key=lambda file: file.path))
