"""`tally keys`: make, replace and show signing keys."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.errors import ExitCode, TallyError

if TYPE_CHECKING:
    from orchestrator.signing.kinds import Kind


class Type(StrEnum):
    """The kinds of keys that releases are signed with, as they are typed."""

    P256 = "p256"
    ED25519 = "ed25519"


Asked = Annotated[
    bool, typer.Option("--passphrase", help="Ask for a passphrase that the key is encrypted with.")
]
Read = Annotated[
    int | None, typer.Option("--passphrase-fd", metavar="N", help="Read it from this file descriptor.")
]
"""How the passphrase of a new key is had."""

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@keys.command()
def generate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="PATH.key and PATH.pub are written.")],
    kind: Annotated[
        Type, typer.Option("--type", help="Every client takes p256; see docs/how-to/sign-a-release.md.")
    ] = Type.P256,
    passphrase: Asked = False,
    passphrase_fd: Read = None,
) -> int:
    """Make a signing key: PATH.key, mode 0600, and PATH.pub. Never overwrites.

    With TALLY_KEY_PASSPHRASE set in the environment the key is encrypted with it.
    """
    from orchestrator.signing.kinds import Kind

    _generate(path, Kind.ED25519 if kind is Type.ED25519 else Kind.P256, passphrase, passphrase_fd)
    return ExitCode.YES


@keys.command()
def rotate(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The public key that is to be replaced.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="NEW.key and NEW.pub are written.")],
    overlap: Annotated[
        int, typer.Option(metavar="DAYS", min=0, max=3650, help="For how long the old one still counts.")
    ] = 90,
    passphrase: Asked = False,
    passphrase_fd: Read = None,
) -> int:
    """Make a key of the same kind, and print the tables of a policy in which both count for a while.

    The old key is only looked at: it goes on signing until you give tally.toml the new one.
    """
    from datetime import UTC, datetime, timedelta

    from orchestrator.signing.keys import PublicKey

    replaced = PublicKey.load(old)
    public = _generate(new, replaced.kind, passphrase, passphrase_fd)
    today = datetime.now(UTC).date()
    until = f"until = {today + timedelta(days=overlap)}\n"
    print(_signer(old, until))
    print(_signer(public, f"# from = {today}    # only where releases have trusted timestamps\n"), end="")
    return ExitCode.YES


def _generate(path: Path, kind: Kind, ask: bool, descriptor: int | None) -> Path:
    """The public half's file of a new key."""
    from orchestrator.cli.text import say
    from orchestrator.signing import passphrase as passphrases
    from orchestrator.signing.keys import SigningKey

    if path.is_dir():
        raise TallyError(f"{path} is a folder", hint=f"name the key in it, as {path / 'release'}")
    secret = passphrases.from_environment() if descriptor is None else passphrases.from_descriptor(descriptor)
    if secret is None and ask:
        secret = passphrases.new(path)
    private, public = SigningKey.generate(kind).write(path, secret)
    locked = "" if secret is None else ", with that passphrase"
    say(f"wrote {private} (keep it secret{locked}) and {public} (give it to everybody)")
    return public


def _signer(public: Path, validity: str) -> str:
    """A `[[signer]]` of a policy. JSON's strings are TOML's too."""
    import json

    name, key = (json.dumps(text, ensure_ascii=False) for text in (public.stem, str(public)))
    return f"[[signer]]\nname = {name}\nkey = {key}\n{validity}"


@keys.command()
def show(
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="A .pub or a .key file, or where a key is: pkcs11:…, awskms:…, gcpkms:…"
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the public half there too, as PEM. Never overwrites."),
    ] = None,
    passphrase_fd: Annotated[
        int | None,
        typer.Option("--passphrase-fd", metavar="N", help="Read a passphrase or a PIN from there."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show a key's public half and the names it goes by: fingerprint, bundle hint, in-toto key id."""
    from orchestrator.cli.text import print_json
    from orchestrator.key_address import parse
    from orchestrator.signing import keyfiles, signers
    from orchestrator.signing import passphrase as passphrases

    public = signers.public_half(parse(key), passphrases.source(passphrase_fd))
    if out is not None:
        keyfiles.create(out, public.pem.encode("ascii"), mode=0o644)
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
