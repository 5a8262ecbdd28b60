"""`tally keys`: make and show signing keys."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import ExitCode


class Type(StrEnum):
    """The kinds of keys that releases are signed with, as they are typed."""

    P256 = "p256"
    ED25519 = "ed25519"


keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@keys.command()
def generate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="PATH.key and PATH.pub are written.")],
    kind: Annotated[
        Type, typer.Option("--type", help="Every client takes p256; see docs/how-to/sign-a-release.md.")
    ] = Type.P256,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase that the key is encrypted with.")
    ] = False,
    passphrase_fd: Annotated[
        int | None, typer.Option("--passphrase-fd", metavar="N", help="Read it from this file descriptor.")
    ] = None,
) -> int:
    """Make a signing key: PATH.key, mode 0600, and PATH.pub. Never overwrites.

    With TALLY_KEY_PASSPHRASE set in the environment the key is encrypted with it.
    """
    from orchestrator.cli.text import say
    from orchestrator.signing import passphrase as passphrases
    from orchestrator.signing.keys import SigningKey
    from orchestrator.signing.kinds import Kind

    if passphrase_fd is not None:
        secret: bytes | None = passphrases.from_descriptor(passphrase_fd)
    else:
        secret = passphrases.from_environment()
        if secret is None and passphrase:
            secret = passphrases.new(path)
    key = SigningKey.generate(Kind.ED25519 if kind is Type.ED25519 else Kind.P256)
    private, public = key.write(path, secret)
    say(f"wrote {private} (keep it secret) and {public} (give it to everybody)")
    return ExitCode.YES


@keys.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A .pub or a .key file.")],
    passphrase_fd: Annotated[
        int | None,
        typer.Option("--passphrase-fd", metavar="N", help="Read a private key's passphrase from there."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show a key's public half and the names it goes by: fingerprint, bundle hint, in-toto key id."""
    from orchestrator.cli.text import print_json
    from orchestrator.signing import passphrase as passphrases
    from orchestrator.signing.keys import PublicKey, SigningKey, is_private

    if is_private(path):
        public = SigningKey.load(path, passphrases.source(passphrase_fd)).public
    else:
        public = PublicKey.load(path)
    if json:
        print_json(
            {
                "kind": public.kind.value,
                "fingerprint": f"sha256:{public.fingerprint}",
                "hint": public.hint,
                "intotoKeyid": public.keyid,
                "pem": public.pem,
            }
        )
    else:
        print(f"kind           {public.kind.title}\nfingerprint    sha256:{public.fingerprint}")
        print(f"bundle hint    {public.hint}\nin-toto keyid  {public.keyid}\n{public.pem}", end="")
    return ExitCode.YES
