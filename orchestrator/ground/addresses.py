"""Addresses: what may be shown of one, and whether anybody can listen on the way to it. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit


def unseen(address: str) -> bool:
    """Whether nobody on the way can read or change what is sent there: https, or this machine itself."""
    parts = urlsplit(address)
    try:
        here = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        here = False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and here))


def without_credentials(address: str) -> str:
    """An address as it may be shown: a user name and password in it left out."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # which nobody can read where a password has a `/`, `?` or `#` in it
    except ValueError:
        scheme, mark, rest = address.partition("://")
        return f"{scheme}{mark}{rest.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]))
