"""`tally keys`: make, replace and show signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ground.files import cannot_write, shown
from orchestrator.ground.interruption import INTERRUPTION

if TYPE_CHECKING:
    from orchestrator.ground.key_address import KeyAddress
    from orchestrator.keys.key import PublicKey
    from orchestrator.keys.kinds import Kind
    from orchestrator.keys.signers import Ask


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
Force = Annotated[
    bool, typer.Option("--force", help="Write the private key though git could commit it from there.")
]

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@keys.command()
def generate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="PATH.key and PATH.pub are written.")],
    kind: Annotated[
        Type,
        typer.Option("--type", help="Every client takes p256; cosign takes ed25519 without a log alone."),
    ] = Type.P256,
    passphrase: Asked = False,
    passphrase_fd: Read = None,
    force: Force = False,
) -> int:
    """Make a signing key: PATH.key, mode 0600, and PATH.pub. Never overwrites.

    In a git repository the private half is entered into `.git/info/exclude`, unless it is ignored already.
    With TALLY_KEY_PASSPHRASE set in the environment the key is encrypted with it.
    """
    from orchestrator.keys.kinds import Kind

    _generate(path, Kind.ED25519 if kind is Type.ED25519 else Kind.P256, passphrase, passphrase_fd, force)
    return ExitCode.YES


@keys.command()
def rotate(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="The public key that is to be replaced, or its address.")
    ],
    new: Annotated[
        str,
        typer.Argument(
            metavar="NEW",
            help="NEW.key and NEW.pub are written; or a .pub file or the address of a key that is there.",
        ),
    ],
    overlap: Annotated[
        int, typer.Option(metavar="DAYS", min=0, max=3650, help="For how long the old one still counts.")
    ] = 90,
    passphrase: Asked = False,
    passphrase_fd: Annotated[
        int | None,
        typer.Option("--passphrase-fd", metavar="N", help="Read that, or a PIN, from this file descriptor."),
    ] = None,
    force: Force = False,
) -> int:
    """Print the tables of a policy in which the old key and the next one both count for a while.

    A next key in a file is made, of the old one's kind; for NEW.pub that is there nothing is made. One in a
    token or a cloud (pkcs11:…, awskms:…) has to be there: its own tool makes it. The old key is only looked
    at: it goes on signing until tally.toml names the new one.
    """
    from datetime import UTC, datetime, timedelta
    from functools import cache

    from orchestrator.ground.key_address import parse
    from orchestrator.keys import passphrase as passphrases

    replaced, following = parse(old), parse(new)
    made = following if isinstance(following, Path) and not _is_made(following, old) else None
    if made is not None and not isinstance(replaced, Path):
        raise TallyError(
            f"{old} is no file, and {shown(made)} would be one: keys are made in files alone",
            hint="make the next key where the old one is, by its own tool, and give its address; "
            "or, for one in a file, give the old one's public half: `tally keys show OLD --out OLD.pub`",
        )
    if passphrase and made is None:
        raise TallyError(
            f"--passphrase is for a key that is made, and {new} is there already", hint="leave it out"
        )
    ask = cache(passphrases.source(passphrase_fd))
    first = _counting(replaced, ask)
    if made is not None:
        _toml(str(made))  # before there is a key that no policy can name
        following = _generate(made, first.public.kind, passphrase, passphrase_fd, force)
    second = _counting(following, ask)
    if second.public == first.public:
        raise TallyError(
            f"{new} is the very key that is to be replaced", hint="make another one there, and name that"
        )
    today = datetime.now(UTC).date()
    until = f"until = {today + timedelta(days=overlap)}\n"
    print(_signer(first, first.name, until))
    name = second.name if second.name != first.name else f"{second.name} (next)"
    print(
        _signer(second, name, f"# from = {today}    # only where releases have trusted timestamps\n"), end=""
    )
    return ExitCode.YES


def _is_made(path: Path, old: str) -> bool:
    """Whether the next key is one that is there. Raises TallyError where that is only in the way."""
    import shlex

    from orchestrator.keys import keyfiles

    _, public = keyfiles.pair(path)
    try:
        there = public.is_file()
    except (OSError, ValueError):  # no name of a file, which whoever makes it tells
        return False
    if there and path != public:
        words = shlex.join(["tally", "keys", "rotate", old, str(public)])
        raise keyfiles.taken(public, f"`{words}` prints its tables; for another key choose another name")
    return there


@dataclass(frozen=True, slots=True)
class _Counting:
    """A key as a policy names it."""

    name: str
    key: str
    """What `key` says, as a TOML value: the file, or the PEM text where there is none."""
    public: PublicKey


def _counting(address: KeyAddress, ask: Ask) -> _Counting:
    """A public key's file, or what a token or a cloud shows. Raises TallyError."""
    from orchestrator.keys import addressed
    from orchestrator.keys.key import PublicKey

    if isinstance(address, Path):
        public = PublicKey.load(address)
        where = "" if address.is_absolute() else "    # as from the folder of this policy"
        return _Counting(address.stem, _toml(str(address)) + where, public)
    public = addressed.public_half(address, ask)
    return _Counting(address.name, f'"""\n{public.pem}"""', public)


def _signer(of: _Counting, name: str, validity: str) -> str:
    """A `[[signer]]` of a policy."""
    return f"[[signer]]\nname = {_toml(name)}\nkey = {of.key}\n{validity}"


def _toml(text: str) -> str:
    """JSON's strings are TOML's too, of printable text. Raises TallyError for a name that is none."""
    import json

    if not text.isprintable():
        raise TallyError(
            f"{shown(Path(text))} is not on one line of printable UTF-8, and no policy can name it",
            hint="choose another name for the file",
        )
    return json.dumps(text, ensure_ascii=False)


def _generate(path: Path, kind: Kind, ask: bool, descriptor: int | None, force: bool) -> Path:
    """The public half's file of a new key."""
    from orchestrator.cli.text import say
    from orchestrator.keys import keyfiles, unversioned
    from orchestrator.keys import passphrase as passphrases
    from orchestrator.keys.key import SigningKey

    try:
        if path.is_dir():
            raise TallyError(f"{shown(path)} is a folder", hint=f"name the key in it, as {path / 'release'}")
    except OSError as error:
        raise cannot_write(path, error) from error
    secret = passphrases.from_environment() if descriptor is None else passphrases.from_descriptor(descriptor)
    if secret is None and ask:
        secret = passphrases.new(path)
    left_out = unversioned.leave_out(keyfiles.pair(path)[0], force=force)
    locked = "" if secret is None else ", with that passphrase"
    with INTERRUPTION.held():  # what is there is told, too
        private, public = SigningKey.generate(kind).write(path, secret)
        say(f"wrote {private} (keep it secret{locked}) and {public} (give it to everybody)")
        if left_out:
            say(left_out)
    return public


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
    from orchestrator.ground.key_address import parse
    from orchestrator.keys import addressed, keyfiles
    from orchestrator.keys import passphrase as passphrases

    public = addressed.public_half(parse(key), passphrases.source(passphrase_fd))
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
