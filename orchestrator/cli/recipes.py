"""Recipe files as they are named on a command line: refused before anything is started for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from orchestrator.ground.errors import TallyError

_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_.+'-]*")
_EXAMPLE = "recipes/NAME.toml"


def example() -> str:
    """A recipe to name in a hint: one of the user's own, where there are some in recipes/."""
    from orchestrator.ground.files import shown

    return next((shown(each) for each in sorted(Path("recipes").glob("*.toml"))), _EXAMPLE)


def _hint() -> str:
    return f"a recipe is a file, as {example()}; an attribute is .#NAME, or with -f FILE"


def named(files: Sequence[Path]) -> tuple[Path, ...]:
    """The same files. Raises TallyError for the first that is none, or cannot be read."""
    from orchestrator.ground.files import cannot_read, opened, shown

    for file in files:
        try:
            opened(file).close()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise TallyError(f"there is no recipe file {shown(file)}", hint=_instead_of(file)) from error
        except (OSError, ValueError) as error:
            raise cannot_read(file, error, "the recipe ", _hint()) from error
    return tuple(files)


def _instead_of(file: Path) -> str:
    from orchestrator.ground.files import shown

    if file.is_dir() and (file / "default.nix").is_file():
        return f"name a recipe file, or an attribute of the default.nix there: -f {shown(file)} ATTRIBUTE"
    if file.is_dir() and not any(file.glob("*.toml")):
        place = shown(file) if file.is_absolute() or str(file).startswith("..") else f"./{shown(file)}"
        return f"name a recipe file, or a package of a flake: {place}#NAME"
    if file.is_dir():
        return "name recipe files; `tally build --all` builds every recipe in the folder recipes/"
    nearby = Path("recipes", f"{file.name.removesuffix('.toml')}.toml")
    if nearby.is_file():
        return f"did you mean {nearby}?"
    if Path("flake.nix").is_file() and _PACKAGE.fullmatch(str(file)) and file.suffix != ".toml":
        return f"did you mean .#{file}? It names the package {file} of the flake here"
    return _hint()
