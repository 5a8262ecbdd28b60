"""The options of commands that verify: whom to trust, and what must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TrustedKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        metavar="PUB",
        help="A public key to trust (PEM). May be given several times.",
        show_default=False,
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="A policy.toml: whom to trust, and what must hold."),
]
Identity = Annotated[
    str | None,
    typer.Option("--identity", metavar="NAME", help="An identity to trust: what certificates name, exactly."),
]
Issuer = Annotated[
    str | None,
    typer.Option("--issuer", metavar="URL", help="Who has to vouch for the --identity, exactly."),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--trusted-root", metavar="FILE", help="A Sigstore trusted root: whose certificates and logs count."
    ),
]
Evidence = Annotated[
    list[Path] | None,
    typer.Option("--evidence", metavar="PATH", help="Others' bundles and links: a file, or a folder."),
]
