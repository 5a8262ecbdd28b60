"""Nix's signing keys, which binary caches are signed with: files as Nix has them, `NAME:BASE64`.

Nix's manual, `nix-store --generate-binary-cache-key`.
"""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file, shown
from orchestrator.keys import keyfiles
from orchestrator.nix.signature import SecretKey

_LARGEST = 1 << 12  # bytes; a key has some hundred
_MADE = "`nix-store --generate-binary-cache-key NAME FILE FILE.pub` makes one"


def load(path: Path) -> SecretKey:
    """Read a secret key. Raises TallyError, which never tells of its contents."""
    data = read_file(path, "the Nix key ", _LARGEST, _MADE)
    try:
        return SecretKey.parse(data.decode("ascii"))
    except UnicodeDecodeError as error:
        raise TallyError(f"{shown(path)} is no Nix signing key: it is no text", hint=_MADE) from error
    except ValueError as error:
        raise TallyError(f"{shown(path)} is no Nix signing key: it {error}", hint=_MADE) from None


def of_state(folder: Path, name: str) -> SecretKey:
    """A key of the state folder's `keys`, made when it is first wanted, its public half beside it.

    Raises TallyError when it cannot be read or written.
    """
    private, public = keyfiles.pair(folder / f"nix-{name}")
    if os.path.lexists(public) and not private.exists():
        raise TallyError(
            f"{private} is gone, and {public} is still there",
            hint=f"put the secret key back, or remove {public}: a new pair is made then",
        )
    if not private.exists():
        try:
            keyfiles.create(private, SecretKey.generate(f"tally-{name}").text.encode(), mode=0o600)
        except TallyError:
            if not private.exists():  # else another run made it in this moment, and that one counts
                raise
    key = load(private)
    if not public.exists():
        try:
            keyfiles.create(public, f"{key.public.text}\n".encode(), mode=0o644)
        except TallyError:
            if not public.exists():
                raise
    return key
