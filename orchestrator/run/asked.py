"""What a user can ask for, and how it is written: a recipe, a derivation, an attribute of a file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass, field

_ADDRESS = re.compile(
    r"(github|gitlab|sourcehut|path|tarball|file|flake|https?|(git|hg|tarball|file)(\+[a-z]+)?):"
)
_OUTPUT = re.compile(r"[A-Za-z0-9+._?=-]+")
_STORE_PATH = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]+")


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """`recipes/hello.toml`."""

    path: Path


@dataclass(frozen=True, slots=True)
class DerivationPath:
    """`/nix/store/….drv`, or `/nix/store/….drv^doc` for an output that is not its default."""

    path: str
    output: str | None = None


@dataclass(frozen=True, slots=True)
class FileAttribute:
    """`-f FILE ATTRIBUTE`; the whole file's value where the attribute is empty."""

    file: Path
    attribute: str
    output: str | None = None
    """`ATTRIBUTE^OUTPUT`: one that is not its default."""


@dataclass(frozen=True, slots=True)
class StorePath:
    """`/nix/store/…`, an output: what is asked for is its deriver."""

    path: str


@dataclass(frozen=True, slots=True)
class FlakeAttribute:
    """`FLAKE#ATTRIBUTE`."""

    flake: str
    """As Nix takes it, a folder by its whole path."""
    attribute: str
    """Empty: the default package."""
    word: str = field(compare=False)
    """The same, as it was written."""
    output: str | None = None
    """`FLAKE#ATTRIBUTE^OUTPUT`: one that is not its default."""


Asked = RecipeFile | DerivationPath | StorePath | FileAttribute | FlakeAttribute


def parse(word: str, file: Path | None = None) -> Asked:
    """One target as it is written on a command line, where `file` was given with -f. Raises TallyError."""
    path, mark, output = word.replace(".drv!", ".drv^").partition("^")
    if path.endswith(".drv"):
        if mark and _STORE_PATH.fullmatch(path) and not _OUTPUT.fullmatch(output):
            raise _no_one_output(word, path, output)
        if not _STORE_PATH.fullmatch(path):
            raise TallyError(
                f"{word} is no derivation in /nix/store, the one store directory that builders have",
                hint="name it by its path in the store: /nix/store/….drv, or /nix/store/….drv^OUTPUT",
            )
        return DerivationPath(path, output or None)
    if _STORE_PATH.fullmatch(word):
        return StorePath(word)
    if word.startswith("/nix/store/") and "#" not in word and not os.path.lexists(word):
        raise TallyError(
            f"{word} is no store path, and none of a derivation's outputs",
            hint="it is /nix/store/ with 32 digits and letters, - and a name; of a derivation X.drv^OUTPUT",
        )
    if file is None and word.endswith(".nix") and _is_file(word):
        raise TallyError(
            f"{word} is a Nix file, and a target is something in it",
            hint=f"name it: {_folder(word)}#NAME" if Path(word).name == "flake.nix" else f"-f {word} NAME",
        )
    whole, chosen = _with_output(word)
    if "#" in word or _ADDRESS.match(word) or _holds_a_flake(whole):
        return _flake(whole, chosen, word)
    if file is not None and not word.endswith(".toml"):
        return FileAttribute(file, whole, chosen)
    return RecipeFile(Path(word))


def _with_output(word: str) -> tuple[str, str | None]:
    """An attribute and the output behind it, as Nix takes it apart. Raises TallyError for several outputs."""
    attribute, mark, output = word.rpartition("^")
    if not mark or '"' in output:
        return word, None
    if not _OUTPUT.fullmatch(output):
        raise _no_one_output(word, attribute, output)
    return attribute, output


def _no_one_output(word: str, path: str, output: str) -> TallyError:
    names = [each for each in output.split(",") if _OUTPUT.fullmatch(each)]
    return TallyError(
        f"{word} names no one output, and a target is one",
        hint=f"give a target each: {' '.join(f'{path}^{each}' for each in names or ['OUTPUT'])}",
    )


def _folder(file: str) -> str:
    """How the folder of a flake.nix is written in front of `#`."""
    place = str(Path(file).parent)
    return place if place == "." or "/" in place else f"./{place}"


def _holds_a_flake(folder: str) -> bool:
    """Whether it is a folder with a flake."""
    return folder != "" and _is_file(f"{folder}/flake.nix")


def _is_file(name: str) -> bool:
    """Whether there is one; no for what cannot be looked at: the recipe says so."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _flake(word: str, output: str | None, written: str) -> FlakeAttribute:
    """`.#hello` and the like. Raises TallyError for a name that a registry of the machine would resolve."""
    place, _, attribute = word.partition("#")
    bare = place.partition("?")[0]
    if place.startswith("flake:") or not (_ADDRESS.match(place) or bare in ("", ".", "..") or "/" in place):
        name = place.removeprefix("flake:").split("/")[0]
        beside = Path(name).is_dir() and not place.startswith("flake:")
        raise TallyError(
            f"{word}: {name} is a name for a registry of the machine to resolve, and no address",
            hint=f"for the folder write ./{word}" if beside else "as in github:NixOS/nixpkgs/COMMIT#hello",
        )
    if _ADDRESS.match(place):
        return FlakeAttribute(place, attribute, written, output)
    folder, mark, query = place.partition("?")
    return FlakeAttribute(f"{Path(folder or '.').absolute()}{mark}{query}", attribute, written, output)
