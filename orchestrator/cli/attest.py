"""`tally attest`: a builder's host signs its own link, with a key that never leaves it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.ground.errors import ExitCode

_LARGEST = 64 << 20


def attest(
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The host's key; default: one in the state folder."),
    ] = None,
    public_key: Annotated[
        bool, typer.Option("--public-key", help="Print the public half of that key, and sign nothing.")
    ] = False,
) -> int:
    """On a builder's host: sign the in-toto link on standard input, if this host's Nix built what it says.

    An orchestrator whose tally.toml has this host's `link-key` runs it over ssh.
    """
    import os

    from orchestrator.cli.text import given
    from orchestrator.evidence.canonical import render
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.keys import passphrase
    from orchestrator.keys.key import SigningKey, builder_key
    from orchestrator.nix.command import Nix
    from orchestrator.nix.remote import RemoteStore, nothing_kept
    from orchestrator.stories.attesting import attest as attested

    state = State.of_environment()
    own = SigningKey.load(key, passphrase.of) if key else builder_key(state.folder("keys"), "host")
    if public_key:
        print(own.public.pem, end="")
        return ExitCode.YES
    payload = given(_LARGEST, "a link, which an orchestrator sends over ssh")
    if not payload or len(payload) > _LARGEST:
        raise TallyError(
            "there is no link on standard input",
            hint="an orchestrator runs this over ssh, for a builder with a `link-key`; --public-key prints "
            "the key to write there",
        )
    with state.scratch(f"attest-{os.getpid()}") as scratch:
        store = RemoteStore(Nix.find(scratch), "auto", nothing_kept)
        envelope = attested(payload, store, own)
    print(render(envelope.document()).decode())
    return ExitCode.YES
