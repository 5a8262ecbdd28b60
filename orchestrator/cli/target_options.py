"""The options that say what a target is, the same for every command that takes targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET...",
        help="Recipe files, FLAKE#ATTRIBUTE, /nix/store/…, or with -f attributes.",
        show_default=False,
    ),
]
NixFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="Targets are attributes of this Nix file; none: its own value.",
        show_default=False,
    ),
]
ListFile = Annotated[
    Path | None,
    typer.Option(
        "--targets", metavar="FILE", help="A list of further targets, one a line.", show_default=False
    ),
]
Arg = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=EXPR", help="Call the file's functions with this.", show_default=False),
]
ArgStr = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=TEXT", help="The same, with a text.", show_default=False),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        "--include",
        "-I",
        metavar="NAME=PATH",
        help="What <NAME> means in the file; evaluation may read it.",
        show_default=False,
    ),
]
ArtifactFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="Without a recipe: nar, tar.gz, tar.xz, tar.zst, oci, or file:PATH in the output.",
        show_default="nar",
    ),
]
StoreAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Where derivations are, if not in this machine's store.",
        show_default=False,
    ),
]
