"""The options of commands that sign: with which key, or by which identity."""

from __future__ import annotations

from typing import Annotated

import typer

SigningKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="FILE|ADDRESS",
        help="The key that signs, a file or as pkcs11:…, awskms:…; else `signing.key` of tally.toml.",
        show_default=False,
    ),
]
PassphraseFd = Annotated[
    int | None,
    typer.Option(
        "--passphrase-fd",
        metavar="N",
        help="Read the key's passphrase, or its token's PIN, from this file descriptor.",
        show_default=False,
    ),
]
Keyless = Annotated[
    bool,
    typer.Option(
        "--keyless",
        help="Sign by an identity, which is then in a public log for good; see `signing.keyless`.",
    ),
]
IdentityTokenFd = Annotated[
    int | None,
    typer.Option(
        "--identity-token-fd",
        metavar="N",
        help="Read the identity's OIDC token from this file descriptor.",
        show_default=False,
    ),
]
