"""The key that an address names: in a file, in a token, or in a cloud's key management."""

from __future__ import annotations

from pathlib import Path
from typing import Final, assert_never

from orchestrator.ground.key_address import CloudKey, KeyAddress, TokenKey
from orchestrator.keys.key import PublicKey, SigningKey, is_private
from orchestrator.keys.signers import Ask, Signer

_TRIAL: Final = b"Tallystick asks whether this key is there. This is no statement about anything."
"""Signed to see that a key can be used: no envelope's signed bytes (DSSE, "PAE") begin like it."""


def opened(address: KeyAddress, ask: Ask) -> Signer:
    """The key, ready to sign; one that is elsewhere has signed something by then. Raises TallyError.

    `ask` is asked once at the most.
    """
    match address:
        case Path():
            return SigningKey.load(address, ask)
        case TokenKey():
            from orchestrator.keys import token

            key = token.opened(address, ask)
        case CloudKey():
            from orchestrator.keys import cloud

            key = cloud.opened(address)
        case _:
            assert_never(address)
    key.sign(_TRIAL)
    return key


def public_half(address: KeyAddress, ask: Ask) -> PublicKey:
    """The public half of a key, and a public key's own. Raises TallyError.

    A token's is read without its PIN where the token gives it so.
    """
    match address:
        case Path():
            return SigningKey.load(address, ask).public if is_private(address) else PublicKey.load(address)
        case TokenKey():
            from orchestrator.keys import token

            return token.public_half(address, ask)
        case CloudKey():
            from orchestrator.keys import cloud

            return cloud.opened(address).public
        case _:
            assert_never(address)
