"""`tally keys`: make and show signing keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import ExitCode

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@keys.command()
def generate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="PATH.key and PATH.pub are written.")],
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase that the key is encrypted with.")
    ] = False,
    passphrase_fd: Annotated[
        int | None, typer.Option("--passphrase-fd", metavar="N", help="Read it from this file descriptor.")
    ] = None,
) -> int:
    """Make a signing key (ECDSA P-256): PATH.key, mode 0600, and PATH.pub. Never overwrites.

    With TALLY_KEY_PASSPHRASE set in the environment the key is encrypted with it.
    """
    from orchestrator.cli.text import say
    from orchestrator.signing import passphrase as passphrases
    from orchestrator.signing.keys import SigningKey

    if passphrase_fd is not None:
        secret: bytes | None = passphrases.from_descriptor(passphrase_fd)
    else:
        secret = passphrases.from_environment()
        if secret is None and passphrase:
            secret = passphrases.new(path)
    private, public = SigningKey.generate().write(path, secret)
    say(f"wrote {private} (keep it secret) and {public} (give it to everybody)")
    return ExitCode.YES


@keys.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A .pub or a .key file.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show a key's public half and the names it goes by: fingerprint, bundle hint, in-toto key id."""
    from orchestrator.cli.text import print_json
    from orchestrator.signing import passphrase as passphrases
    from orchestrator.signing.keys import PublicKey, SigningKey, is_private

    public = SigningKey.load(path, passphrases.of).public if is_private(path) else PublicKey.load(path)
    if json:
        print_json(
            {
                "kind": "ecdsa-p256",
                "fingerprint": f"sha256:{public.fingerprint}",
                "hint": public.hint,
                "intotoKeyid": public.keyid,
                "pem": public.pem,
            }
        )
    else:
        print(f"kind           ECDSA P-256\nfingerprint    sha256:{public.fingerprint}")
        print(f"bundle hint    {public.hint}\nin-toto keyid  {public.keyid}\n{public.pem}", end="")
    return ExitCode.YES
