"""Connections that no server outside can turn inwards: to this machine, its network, its cloud's metadata.

Whoever names a host of the own network means it. A redirection there, from a host outside, is somebody
else's wish (OWASP, "Server Side Request Forgery"). The address that was connected to is looked at, and not
what a name stood for a moment before.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Any


def is_inward(address: str) -> bool:
    """Whether an IP address is none of the public internet's."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return not found.is_global


class Guard:
    """Who was asked for, and whether that is inward already. Threads may share it."""

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._inward = False

    def named(self, host: str) -> None:
        """The user names this host, as `HOST` or `HOST:PORT`."""
        self._named.add(_bare(host))

    def connected(self, host: str, address: str) -> str | None:
        """Why a connection is not to be used; None: it may be."""
        if not is_inward(address):
            return None
        if _bare(host) in self._named:
            self._inward = True
        if self._inward:
            return None
        return f"it redirects to {host}, which is {address} and inside this network: that is not followed"

    def pools(self) -> dict[str, Any]:
        """urllib3's classes of connection pools by scheme, which ask this guard."""
        from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
        from urllib3.connection import HTTPConnection, HTTPSConnection
        from urllib3.exceptions import HTTPError

        guard = self

        def look(host: str, sock: Any) -> None:
            if (why := guard.connected(host, sock.getpeername()[0])) is not None:
                sock.close()
                raise HTTPError(why)

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                look(self.host, self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                look(self.host, self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}


def _bare(host: str) -> str:
    """A host without its port, its brackets and its capitals."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return (host.rpartition(":")[0] if host.count(":") == 1 else host).lower().rstrip(".")
