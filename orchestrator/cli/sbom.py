"""`tally sbom`: what something is made of, in a standard form."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.target_options import (
    Arg,
    ArgStr,
    Include,
    ListFile,
    NixFile,
)
from orchestrator.ground.errors import ExitCode

if TYPE_CHECKING:
    from orchestrator.evidence.sbom.bill import Closure
    from orchestrator.evidence.sbom.forms import Form
    from orchestrator.stories.sbom import Asked


_UNREAD = "the SBOM is without what that would have told; everything else is in it, and it says so"


class Closures(StrEnum):
    """Which closure an SBOM covers."""

    BUILD = "build"
    RUNTIME = "runtime"
    BOTH = "both"


class Graph(StrEnum):
    """The form of a drawing."""

    SVG = "svg"


class Format(StrEnum):
    """The form that an SBOM is written in."""

    SPDX_2_3 = "spdx-2.3"
    SPDX_3_0_1 = "spdx-3.0.1"
    CYCLONEDX = "cyclonedx"


def sbom(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET...",
            help="/nix/store/…, a release folder, recipe files, FLAKE#ATTRIBUTE, or with -f attributes.",
            show_default=False,
        ),
    ] = None,
    file: NixFile = None,
    list_file: ListFile = None,
    arg: Arg = None,
    argstr: ArgStr = None,
    include: Include = None,
    closure: Annotated[
        Closures | None,
        typer.Option(help="Which closure it covers. Without it: what is known.", show_default=False),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="The form; more than one go into a folder.", show_default="spdx-2.3"),
    ] = None,
    graph: Annotated[
        Graph | None,
        typer.Option(help="Draw it instead, with Graphviz's dot.", show_default=False),
    ] = None,
    vulnerabilities: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="List published vulnerabilities of it instead, from a folder of OSV records.",
            show_default=False,
        ),
    ] = None,
    sarif: Annotated[bool, typer.Option("--sarif", help="List them as one SARIF 2.1.0 document.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write to this file, or this folder for several forms. Without it: print it."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The store that holds the targets, as Nix names it: a folder, daemon, ssh-ng://…, https://…",
        ),
    ] = None,
) -> ExitCode:
    """Say what something is made of: a software bill of materials, without a key and without a build.

    Exit codes with --vulnerabilities: 0 none was found, 1 some were, 2 of some components nobody can say.
    """
    from orchestrator.cli.recipes import named
    from orchestrator.cli.targets import how_of, words_of
    from orchestrator.evidence.sbom.forms import Form
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.stories import sbom as story

    forms = [Form(each.value) for each in dict.fromkeys(formats or [Format.SPDX_2_3])]
    how = None
    if file is not None:
        how = how_of(arg or [], argstr or [], include or [], None, None)
    elif arg or argstr or include:
        raise TallyError(
            "--arg, --argstr and -I: they are for attributes of a file, and none was asked for",
            hint="name the file with -f",
        )
    words = words_of(targets or [], file, list_file)
    asked = story.Asked(tuple(words), _closures(closure), store, file, how)
    _refuse(forms, out)
    named([Path(word) for word in words if word.endswith(".toml")])
    if sarif and vulnerabilities is None:
        raise TallyError(
            "--sarif is a form of what --vulnerabilities finds",
            hint="give it too: --vulnerabilities DIR, a folder of OSV records",
        )
    if sum(map(bool, (formats, graph, vulnerabilities))) > 1:
        raise TallyError(
            "these options do not go together", hint="give one of --format, --graph and --vulnerabilities"
        )
    if vulnerabilities is not None:
        return _search(asked, vulnerabilities, out, sarif=sarif)
    if graph is not None:
        drawing = story.drawing(State.of_environment(), asked)
        _warn(drawing.warnings)
        _print_or_write(out, drawing.svg)
        return ExitCode.YES
    documents = story.sbom(State.of_environment(), asked, forms)
    _warn(documents.warnings)
    if len(forms) == 1 or out is None:
        _print_or_write(out, documents.data[forms[0]])
    else:
        _write_all({out / f"{documents.name}{form.suffix}": data for form, data in documents.data.items()})
    return ExitCode.YES


def _search(asked: Asked, folder: Path, out: Path | None, *, sarif: bool) -> ExitCode:
    from orchestrator.cli import vulnerabilities
    from orchestrator.evidence.canonical import render_document
    from orchestrator.ground.state import State
    from orchestrator.stories.vulnerabilities import search

    searched = search(State.of_environment(), asked, folder)
    vulnerabilities.tell(searched)
    if sarif:
        data = render_document(vulnerabilities.sarif(searched, Path(asked.targets[0])))
    else:
        data = vulnerabilities.table(searched).encode(errors="replace")
    _print_or_write(out, data)
    return vulnerabilities.code_of(searched)


def _closures(closure: Closures | None) -> frozenset[Closure] | None:
    from orchestrator.evidence.sbom.bill import Closure

    if closure is None:
        return None
    return frozenset(Closure) if closure is Closures.BOTH else frozenset({Closure(closure.value)})


def _refuse(forms: Sequence[Form], out: Path | None) -> None:
    """Raises TallyError for an --out that cannot be right, before anything is asked."""
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.files import shown

    if len(forms) > 1 and out is None:
        raise TallyError("several forms need a folder to go into", hint="give one with --out FOLDER")
    if len(forms) > 1 and out is not None and os.path.lexists(out) and not out.is_dir():
        raise TallyError(
            f"{shown(out)} is no folder, and several forms go into one",
            hint="name a folder with --out, which is made if it is not there",
        )
    if len(forms) == 1 and out is not None and out.is_dir():
        raise TallyError(f"{shown(out)} is a folder", hint="give --out the name of a file in it")


def _warn(warnings: Sequence[str]) -> None:
    from orchestrator.cli.text import print_warning

    for warning in warnings:
        print_warning(warning, _UNREAD)


def _print_or_write(out: Path | None, data: bytes) -> None:
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        _write(out, data)


def _write_all(files: Mapping[Path, bytes]) -> None:
    """All of them, or where the disk has no room, none."""
    from contextlib import ExitStack

    from orchestrator.ground.files import written_atomically

    with ExitStack() as together:  # each has its name when all are written
        for path, data in files.items():
            stream = together.enter_context(written_atomically(path))
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())  # some disks tell only then that they are full


def _write(path: Path, data: bytes) -> None:
    from orchestrator.ground.files import cannot_write, write_atomically

    try:
        write_atomically(path, data)
    except OSError as error:
        raise cannot_write(path, error) from error
