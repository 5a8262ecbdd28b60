"""`tally init`: a first recipe for the project in this folder."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
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

    Says what it guessed and from where. What is there already is never overwritten. Exits with 1 where it
    is not seen how the project is built: the recipe then has a place to fill in. At the top of a Node
    workspace that is no package itself it names the members, and writes nothing.
    """
    from orchestrator.cli.text import print_json
    from orchestrator.stories.beginning import begin, sketch_of
    from orchestrator.stories.looking import look

    place = look(folder, Path.cwd())
    found = sketch_of(place, {}, by)
    at_terminal = not yes and not json and sys.stdin and sys.stdin.isatty()
    if at_terminal and not found.members and (answers := _asked(found)):
        found = sketch_of(place, answers, by)
    done = begin(Path.cwd(), place, found, ci)
    if json:
        print_json(_document(place, done))
    else:
        _tell(place, done)
    return ExitCode.YES if found.complete else ExitCode.NO


def _asked(found: Sketch) -> dict[str, str]:
    """What a person says of what no file does; an empty answer takes what is offered."""
    from orchestrator.cli.text import say
    from orchestrator.ground.interruption import INTERRUPTION
    from orchestrator.projects.identity import problem

    answers = {}
    for key, guess in found.identity.items:
        for remark in found.identity.remarks if key == "license" and not guess.sure else ():
            say(f"note: {remark}")
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


def _tell(place: Place, done: Beginning) -> None:
    from orchestrator.cli.text import in_lines, say

    print(in_lines(_found(done.sketch)))
    for note in _notes(place, done):
        say(note)
    for path in done.written:
        did = "added lines to" if path in done.appended else "wrote"
        print(in_lines([f"{did} {_relative(path)}"]))
    for left in done.left:
        print(in_lines([f"left {_relative(left.path)}: {left.why}"]))
    print("next:")
    for line in _next(place, done):
        print(in_lines([f"  {line}"]))


def _found(found: Sketch) -> Iterator[str]:
    from orchestrator.ground.wording import counted
    from orchestrator.projects.guess import FILL_IN
    from orchestrator.projects.node_manifest import MANIFEST
    from orchestrator.projects.suites import OLDER

    if found.kind:
        yield f"{found.kind}, by {found.seen}"
    if found.members:
        yield f"a workspace of {counted(len(found.members), 'package')}, by {MANIFEST}"
        return
    if found.target is not None:
        yield f"  its packages need no recipe: {found.target} is the one that it builds by itself"
        return
    for name, seen in found.others:
        yield f"  also {name}, by {seen}: `--by {name}` takes that"
    for key, guess in found.identity.items:
        yield f"  {key:9} {guess.value}    {'' if guess.sure else f'{FILL_IN}: '}{guess.where}"
    for each in found.way.packages:
        yield f"  package   {each.value}    {each.where}"
    if found.way.suite != OLDER:
        yield f"  suite     {found.way.suite}    its tools are new enough"


def _notes(place: Place, done: Beginning) -> Iterator[str]:
    from orchestrator.ground.wording import counted

    found, recipe = done.sketch, _relative(done.recipe) if done.recipe else ""
    for remark in _remarks(done):
        yield f"note: {remark}"
    if place.left_out:
        yield f"note: there are too many files: {counted(place.left_out, 'file')} not looked at"
    if found.members:
        yield "tally: nothing was written, since the workspace's top is no package that is packed"
        return
    if not place.committed:
        yield "note: what is built is a commit, and there is none here yet"
    elif done.written:
        yield "note: what is built is a commit: commit what was written here"
    if found.kind is None:
        yield f"tally: no build system was recognised: fill in `script` and `packages` in {recipe}"
    elif not found.complete:
        yield f"tally: the script in {recipe} has a place to fill in"


def _remarks(done: Beginning) -> list[str]:
    return [*done.sketch.way.remarks, *([done.job] if done.job else [])]


def _next(place: Place, done: Beginning) -> list[str]:
    if members := done.sketch.members:
        folder = place.top / place.path
        return [f"tally init {shlex.quote(_relative(folder / each))}" for each in members]
    commit = "git add --all && git commit --message 'Build with Tallystick'"
    if done.recipe is None:
        return [commit, f"tally build {done.sketch.target} --no-sign"]
    build = f"tally build {shlex.quote(_relative(done.recipe))} --no-sign"
    # committed twice: a project's lock file, and a folder that is a source, are read out of a commit
    return [commit, "tally lock", "git add tally.lock && git commit --message 'Pin every input'", build]


def _relative(path: Path) -> str:
    return os.path.relpath(path, Path.cwd())


def _document(place: Place, done: Beginning) -> dict[str, Any]:
    found = done.sketch
    return {
        "buildSystem": found.kind,
        "complete": found.complete,
        "seen": found.seen,
        "others": [{"name": name, "seen": seen} for name, seen in found.others],
        "recipe": _relative(done.recipe) if done.recipe else None,
        "guesses": [
            {"key": key, "value": guess.value, "from": guess.where, "sure": guess.sure}
            for key, guess in found.identity.items
        ],
        "packages": [{"name": each.value, "from": each.where} for each in found.way.packages],
        "suite": found.way.suite,
        "remarks": _remarks(done),
        "notLookedAt": place.left_out,
        "written": [_relative(path) for path in done.written],
        "left": [{"path": _relative(left.path), "why": left.why} for left in done.left],
        "members": list(found.members),
        "next": _next(place, done),
    }
