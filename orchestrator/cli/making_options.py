"""The options of commands that build: on which builders, and what of the inputs is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BuilderNames = Annotated[
    list[str] | None,
    typer.Option(
        "--builder", metavar="NAME", help="Use this builder; give it twice or more.", show_default=False
    ),
]
Systems = Annotated[
    list[str] | None,
    typer.Option(
        "--system",
        metavar="SYSTEM",
        help="Build for this, as aarch64-linux, a release for each; default: what this machine is.",
        show_default=False,
    ),
]
System = Annotated[
    str | None,
    typer.Option(
        metavar="SYSTEM",
        help="What targets are for, as aarch64-linux; default: what this machine is.",
        show_default=False,
    ),
]
Evidence = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="What another operator signed of its builds, for [closure] of tally.toml.",
        show_default=False,
    ),
]
RebuildInputs = Annotated[
    int,
    typer.Option(
        "--rebuild-inputs",
        metavar="N",
        min=0,
        help="Believe none of the closest N levels of inputs, where `inputs` of tally.toml believes any.",
    ),
]
RebuildNamed = Annotated[
    list[str] | None,
    typer.Option(
        "--rebuild",
        metavar="PATTERN",
        help="Rebuild inputs of this name, as 'openssl-*', with all that stands on them.",
        show_default=False,
    ),
]
