"""What a user can ask for, and how it is written: a recipe, a derivation, an attribute of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.errors import TallyError

_STORE_PATH = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]+")


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """`recipes/hello.toml`."""

    path: Path


@dataclass(frozen=True, slots=True)
class DerivationPath:
    """`/nix/store/….drv`."""

    path: str


@dataclass(frozen=True, slots=True)
class FileAttribute:
    """`-f FILE ATTRIBUTE`; the whole file's value where the attribute is empty."""

    file: Path
    attribute: str


Asked = RecipeFile | DerivationPath | FileAttribute


def parse(word: str, file: Path | None = None) -> Asked:
    """One target as it is written on a command line, where `file` was given with -f. Raises TallyError."""
    if word.endswith(".drv"):
        if not _STORE_PATH.fullmatch(word):
            raise TallyError(
                f"{word} is no derivation in /nix/store, the one store directory that builders have",
                hint="name it by its path in the store: /nix/store/….drv",
            )
        return DerivationPath(word)
    if file is not None and not word.endswith(".toml"):
        return FileAttribute(file, word)
    return RecipeFile(Path(word))
