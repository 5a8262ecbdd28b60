"""Addresses: what may be shown of one, what is secret, and whether anybody can listen on the way. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from orchestrator.ground.secrets import without_secrets


def unseen(address: str) -> bool:
    """Whether nobody on the way can read or change what is sent there: https, or this machine itself."""
    parts = urlsplit(address)
    try:
        here = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        here = False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and here))


def without_credentials(address: str) -> str:
    """An address as it may be shown: a user, a password and tokens left out."""
    return without_secrets(address)


def has_secret(address: str) -> bool:
    """Whether it has a user, a password or a token in it; the user of ssh is none.

    Raises ValueError for what is no address, such as brackets that hold none.
    """
    parts = urlsplit(address)
    named = parts.password is not None or (bool(parts.username) and parts.scheme in ("http", "https"))
    return named or without_secrets(address) != address
