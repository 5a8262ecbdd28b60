"""The options of commands that sign: with which key, or by which identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.builders.signing_tables import SigningTable
    from orchestrator.ground.key_address import KeyAddress
    from orchestrator.signing.keyless import Wanted

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


def refuse_both(given: Mapping[str, bool]) -> None:
    """Raises TallyError where more than one of these options was given."""
    from orchestrator.ground.errors import TallyError

    if len(both := [name for name, there in given.items() if there]) > 1:
        raise TallyError(f"{both[0]} and {both[1]} were both given", hint="give one of the two")


def signer_of(
    signing: SigningTable, key: str | None, token_fd: int | None, *, keyless: bool
) -> tuple[KeyAddress | None, Wanted | None]:
    """The key that signs, or who does without one: as given, else as tally.toml says. Raises TallyError."""
    from orchestrator.ground import key_address
    from orchestrator.ground.errors import TallyError

    by_identity = _wanted(signing, token_fd, asked=keyless) if key is None else None
    if token_fd is not None and by_identity is None:
        raise TallyError("--identity-token-fd is for signing without a key", hint="give --keyless")
    wanted = None if by_identity else key or signing.key
    return None if wanted is None else key_address.parse(wanted), by_identity


def _wanted(signing: SigningTable, token_fd: int | None, *, asked: bool) -> Wanted | None:
    """Who is to sign without a key: as tally.toml says, or by --keyless anybody at the public instance."""
    from orchestrator.signing.keyless import Wanted

    table = signing.keyless
    if table is None:
        return Wanted(token_fd=token_fd) if asked else None
    return Wanted(table.instance, table.identity, table.issuer, token_fd)
