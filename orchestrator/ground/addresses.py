"""Addresses: what may be shown of one, and whether anybody can listen on the way to it. Pure."""

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
