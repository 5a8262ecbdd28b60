"""`tally init`: a first recipe for the project in this folder."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.ground.errors import ExitCode

if TYPE_CHECKING:
    from orchestrator.projects.guess import Sketch
    from orchestrator.stories.beginning import Beginning
    from orchestrator.stories.looking import Place


class Forge(StrEnum):
    """Whose CI gets a job."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


class BuildSystem(StrEnum):
    """What a project can be built by."""

    CARGO = "cargo"
    GO = "go"
    PYTHON = "python"
    PERL = "perl"
    CONFIGURE = "configure"
    MESON = "meson"
    CMAKE = "cmake"
    AUTOCONF = "autoconf"
    NPM = "npm"
    MAKE = "make"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="The project's folder, in this one's repository.")
    ] = Path(),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what is guessed.")] = False,
    by: Annotated[
        BuildSystem | None,
        typer.Option(
            "--by",
            metavar="NAME",
            help="Which of its build systems: cargo, go, python, perl, configure, meson, cmake, autoconf, "
            "npm, make.",
        ),
    ] = None,
    ci: Annotated[
        Forge | None,
        typer.Option(
            "--ci", metavar="github|gitlab|none", help="Whose CI gets a job; else as files or origin say."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document, and ask nothing.")] = False,
) -> int:
    """Look at the project in this folder and write a first recipe, tally.toml, .gitignore lines and a CI job.

    Says what it guessed and from where. What is there already is never overwritten. Exits with 1 where no
    build system was recognised: the recipe then has a place to fill in.
    """
    from orchestrator.cli.text import print_json, say
    from orchestrator.stories.beginning import begin, sketch_of
    from orchestrator.stories.looking import look

    place = look(folder)
    found = sketch_of(place, {}, by)
    at_terminal = not yes and not json and sys.stdin and sys.stdin.isatty()
    if at_terminal and (answers := _asked(found)):
        found = sketch_of(place, answers, by)
    done = begin(Path.cwd(), place, found, ci)
    if json:
        print_json(_document(place, done))
    else:
        _tell(place, done, say)
    return ExitCode.YES if found.kind else ExitCode.NO


def _asked(found: Sketch) -> dict[str, str]:
    """What a person says of what no file does; an empty answer takes what is offered."""
    from orchestrator.cli.text import say
    from orchestrator.ground.interruption import INTERRUPTION
    from orchestrator.projects.identity import problem

    answers = {}
    for key, guess in found.identity.items:
        while not guess.sure:
            INTERRUPTION.asking = True
            print(f"{key} [{guess.value}]: ", end="", file=sys.stderr, flush=True)
            line = sys.stdin.readline(10_000)
            INTERRUPTION.asking = False
            answer = line.strip()
            if not answer:
                break
            if said := problem(key, answer):
                say(said)
                continue
            answers[key] = answer
            break
    return answers


def _tell(place: Place, done: Beginning, say: Any) -> None:
    from orchestrator.cli.text import harmless
    from orchestrator.ground.wording import counted
    from orchestrator.stories.looking import uncommitted

    found = done.sketch
    if found.kind:
        print(harmless(f"{found.kind}, by {found.seen}"))
        for name, seen in found.others:
            print(harmless(f"  also {name}, by {seen}: `--by {name}` takes that"))
    for key, guess in found.identity.items:
        print(harmless(f"  {key:9} {guess.value}    {'FILL IN: ' if not guess.sure else ''}{guess.where}"))
    for each in found.way.packages:
        print(harmless(f"  package   {each.value}    {each.where}"))
    for remark in found.way.remarks:
        say(f"note: {remark}")
    if place.left_out:
        say(f"note: {counted(place.left_out, 'file')} were not looked at: there are too many")
    for path in done.written:
        print(harmless(f"wrote {_relative(path)}"))
    for left in done.left:
        print(harmless(f"left {_relative(left.path)}: {left.why}"))
    recipe = _relative(done.recipe)
    if found.kind is None:
        say(f"tally: no build system was recognised: fill in `script` and `packages` in {recipe}")
    if not place.committed or uncommitted(place):
        say("note: what is built is a commit, and not all that is here is committed")
    print("next:")
    for line in _next(recipe):
        print(f"  {line}")


def _next(recipe: str) -> list[str]:
    return [
        "tally lock",
        "git add --all && git commit --message 'Build with Tallystick'",
        f"tally build {recipe} --no-sign",
    ]


def _relative(path: Path) -> str:
    return os.path.relpath(path, Path.cwd())


def _document(place: Place, done: Beginning) -> dict[str, Any]:
    found = done.sketch
    return {
        "buildSystem": found.kind,
        "seen": found.seen,
        "others": [{"name": name, "seen": seen} for name, seen in found.others],
        "recipe": _relative(done.recipe),
        "guesses": [
            {"key": key, "value": guess.value, "from": guess.where, "sure": guess.sure}
            for key, guess in found.identity.items
        ],
        "packages": [{"name": each.value, "from": each.where} for each in found.way.packages],
        "remarks": list(found.way.remarks),
        "notLookedAt": place.left_out,
        "written": [_relative(path) for path in done.written],
        "left": [{"path": _relative(left.path), "why": left.why} for left in done.left],
        "next": _next(_relative(done.recipe)),
    }
