"""What `tally init` writes where nothing says what a value is, so that a recipe shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchestrator.recipe.recipe import Recipe

NO_HOMEPAGE: Final = "https://homepage-is-not-known.invalid/"
NO_LICENCE: Final = "LicenseRef-not-known"
NO_VERSION: Final = "0"
_BY_KEY: Final[Mapping[str, str]] = {
    "version": NO_VERSION,
    "homepage": NO_HOMEPAGE,
    "license": NO_LICENCE,
}


def unfilled(recipe: Recipe) -> tuple[str, ...]:
    """The keys of a recipe that still have what stands for nothing."""
    return tuple(key for key, value in _BY_KEY.items() if getattr(recipe, key) == value)
