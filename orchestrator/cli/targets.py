"""What is to be built, as it is named on a command line: refused before anything is started for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:
    from orchestrator.recipe.recipe import ArtifactPart
    from orchestrator.run.asked import Asked
    from orchestrator.run.order import How

_LONGEST = 1 << 24
_LIST = "a list is a file with one target a line"
_OPTIONS = "give options on the command line; with -f FILE there, a line is an attribute of that file"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_FILE = "name the file with -f; what a flake is evaluated with, it says itself"
_STORE = "leave it out: what is evaluated goes into a store of ours"
_FORMATS = ("nar", "tar.gz", "tar.xz", "tar.zst", "oci", "file")
_OF_ARTIFACTS = "give nar, tar.gz, tar.xz, tar.zst, oci, or file:PATH, as file:bin/hello"
_HINT = "name one: RECIPE.toml, .#hello, /nix/store/….drv, or -f FILE ATTRIBUTE"


def asked_of(
    words: Sequence[str],
    file: Path | None = None,
    list_file: Path | None = None,
    *,
    every: bool | None = None,
) -> tuple[Asked, ...]:
    """The targets. Raises TallyError for none, and for a recipe file that is not there.

    `every`: whether all recipes were asked for; None: they cannot be.
    """
    from orchestrator.cli.recipes import named
    from orchestrator.run.asked import FileAttribute, RecipeFile, parse

    lines = _listed(list_file) if list_file is not None else ()
    if every and (words or lines):
        raise TallyError("--all and targets were both given", hint="name targets, or give --all, not both")
    asked = [RecipeFile(path) for path in sorted(Path("recipes").glob("*.toml"))] if every else []
    if every and not asked:
        raise TallyError(
            f"there is no recipe in {Path('recipes').absolute()}",
            hint="go to the folder that holds recipes/, or name the recipes",
        )
    found: list[Asked] = [*asked, *(parse(word, file) for word in words)]
    if file is not None and not (words or lines):
        found.append(FileAttribute(file, ""))
    if not found and not lines:
        raise TallyError(
            "no target was named", hint=_HINT if every is None else f"{_HINT}; --all is the folder recipes/"
        )
    named([each.path for each in found if isinstance(each, RecipeFile)])
    for line in lines:
        with _told_of(line):
            found.append(one := parse(line.word, file))
            named([one.path] if isinstance(one, RecipeFile) else [])
            _refuse_no_flake(one)
    return tuple(dict.fromkeys(found))


def words_of(words: Sequence[str], file: Path | None, list_file: Path | None) -> list[str]:
    """The targets as they were written; empty text: the file's own value. Raises TallyError for none."""
    from orchestrator.cli.recipes import named
    from orchestrator.run.asked import parse
    from orchestrator.stories.sbom import What, what

    lines = _listed(list_file) if list_file is not None else ()
    for line in lines:
        with _told_of(line):
            kind = what(line.word, file)
            if kind is What.RECIPE:
                named([Path(line.word)])
            elif kind is What.EVALUATED:
                _refuse_no_flake(parse(line.word, file))
    found = [*words, *(line.word for line in lines)]
    if not found and file is None:
        raise TallyError("no target was named", hint=_HINT)
    return found or [""]


def _refuse_no_flake(asked: Asked) -> None:
    """Raises TallyError for a folder without flake.nix: when Nix tells that, the line is forgotten."""
    from orchestrator.run.asked import FlakeAttribute

    if not isinstance(asked, FlakeAttribute) or not asked.flake.startswith("/") or "?" in asked.flake:
        return
    folder = Path(asked.flake)
    if not any((each / "flake.nix").exists() for each in (folder, *folder.parents)):
        raise TallyError(
            f"there is no flake.nix in {folder}, nor above it",
            hint="go to the folder that has one, or name it, as in FOLDER#ATTRIBUTE",
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """One target of a list, and where it stands."""

    word: str
    file: Path
    number: int


@contextmanager
def _told_of(line: _Line) -> Iterator[None]:
    """An error of a line names the list and the line."""
    from orchestrator.ground.files import shown

    try:
        yield
    except TallyError as error:
        raise TallyError(f"{shown(line.file)}:{line.number}: {error.message}", hint=error.hint) from error


def _listed(file: Path) -> list[_Line]:
    """The targets in a list: one a line, without empty lines and those that begin with #."""
    from orchestrator.ground.files import read_file, without_mark

    try:
        lines = without_mark(read_file(file, "the list ", _LONGEST, _LIST)).decode().splitlines()
    except UnicodeDecodeError as error:
        raise TallyError(f"the list {file} is no text in UTF-8", hint=_LIST) from error
    found = [_Line(line.strip(), file, number) for number, line in enumerate(lines, 1)]
    found = [line for line in found if line.word and not line.word.startswith("#")]
    if not found:
        raise TallyError(f"the list {file} names nothing", hint=_LIST)
    for line in found:
        with _told_of(line):
            if line.word.startswith("-"):
                raise TallyError(f"{line.word} is an option, and a line is a target", hint=_OPTIONS)
            if comment := re.search(r"\s#.*", line.word):
                raise TallyError(
                    f"{comment[0].strip()} is no part of a target", hint="a comment has a line of its own"
                )
    return found


def how_of(
    expressions: Sequence[str],
    strings: Sequence[str],
    search: Sequence[str],
    store: str | None,
    artifact: str | None,
) -> How:
    """How targets are evaluated. Raises TallyError for an option that is not NAME=VALUE."""
    from orchestrator.run.order import NAR, How

    return How(
        artifact=NAR if artifact is None else _artifact(artifact),
        strings=_pairs(strings, "--argstr", "TEXT"),
        expressions=_pairs(expressions, "--arg", "EXPR"),
        search={name: Path(path) for name, path in _pairs(search, "-I", "PATH").items()},
        store=store,
    )


def systems_of(words: Sequence[str]) -> list[str | None]:
    """What `--system` names, each once; one None where it is not given. Raises TallyError."""
    from difflib import get_close_matches
    from typing import get_args

    from orchestrator.recipe.part import System

    known = get_args(System)
    for word in words:
        if word not in known:
            near = get_close_matches(word, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise TallyError(f"there is no system {word!r}", hint=hint)
    return list(dict.fromkeys(words)) or [None]


def refuse_idle(asked: Sequence[Asked], how: How, artifact: str | None) -> None:
    """Raises TallyError for an option that says something of none of these targets."""
    from orchestrator.run.asked import DerivationPath, FileAttribute, RecipeFile, StorePath

    kinds = {type(each) for each in asked}
    for given, of, option, what, hint in (
        (
            how.expressions or how.strings,
            {FileAttribute},
            "--arg and --argstr",
            "attributes of a file",
            _FILE,
        ),
        (how.search, {FileAttribute}, "-I", "attributes of a file", _FILE),
        (how.store is not None, {DerivationPath, StorePath}, "--store", "a .drv or a store path", _STORE),
    ):
        if given and not kinds & of:
            raise TallyError(f"{option}: that is for {what}, and none was asked for", hint=hint)
    if artifact is not None and kinds == {RecipeFile}:
        raise TallyError(
            "--artifact is for what has no recipe", hint="a recipe says it itself, as `format` in [artifact]"
        )


def _artifact(text: str) -> ArtifactPart:
    """`tar.gz`, `file:bin/hello`. Raises TallyError for another."""
    from difflib import get_close_matches

    from pydantic import ValidationError

    from orchestrator.recipe.recipe import ArtifactPart

    kind, mark, path = text.partition(":")
    if kind not in _FORMATS:
        # of `tar` there are three, and one is as near as the other
        near = [each for each in _FORMATS if each.startswith(f"{kind}.")]
        near = near or get_close_matches(kind, _FORMATS, n=1)
        raise TallyError(
            f"--artifact {text}: {kind!r} is no form of an artifact",
            hint=(f"did you mean {' or '.join(near)}? " if near else "") + _OF_ARTIFACTS,
        )
    if mark and not path:
        raise TallyError(f"--artifact {text}: no path stands behind the colon", hint=_OF_ARTIFACTS)
    try:
        return ArtifactPart.model_validate({"format": kind, **({"path": path} if mark else {})})
    except ValidationError as error:
        why = "; ".join(str(each["msg"]).removeprefix("Value error, ") for each in error.errors())
        raise TallyError(
            f"--artifact {text}: {why}",
            hint=_OF_ARTIFACTS,
        ) from error


def _pairs(words: Sequence[str], option: str, what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, mark, value = word.partition("=")
        if not mark or not _NAME.fullmatch(name):
            raise TallyError(f"{option} {word} does not say NAME={what}", hint=f"as in {option} name={what}")
        if name.startswith("tally"):
            raise TallyError(f"{option} {name}: names that begin with tally are ours")
        if name in found:
            raise TallyError(f"{option} gives {name} twice")
        found[name] = value
    return found
