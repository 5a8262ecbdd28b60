"""Connections of urllib3's that the threads of a run share: direct, or by way of a proxy."""

from __future__ import annotations

import os
from functools import lru_cache
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, Final

from orchestrator.ground.answers import CONNECT_TIMEOUT, READ_TIMEOUT
from orchestrator.ground.inward import Guard
from orchestrator.ground.proxies import Proxy
from orchestrator.ground.retrying import retries

if TYPE_CHECKING:
    import ssl

    from urllib3 import HTTPConnectionPool, PoolManager

HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "tallystick"}
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Pools:
    """By proxy, each made when it is first needed."""

    def __init__(self, parallel: int, guard: Guard | None, *, downgrade: bool) -> None:
        self._parallel, self._guard, self._downgrade = parallel, guard, downgrade
        self._managers: dict[Proxy | None, PoolManager] = {}
        self._mutex = Mutex()

    def by_way_of(self, proxy: Proxy | None) -> PoolManager:
        """Connections: direct, or through a proxy. Raises ValueError for one that we cannot speak with."""
        from urllib3 import Timeout

        retry = retries(downgrade=self._downgrade)
        with self._mutex:
            if proxy not in self._managers:
                settings: dict[str, Any] = {
                    "maxsize": self._parallel,
                    "timeout": Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
                    "retries": retry(
                        2,
                        connect=1,
                        backoff_factor=0.5,
                        status_forcelist=(429, 500, 502, 503, 504),
                        raise_on_status=False,
                    ),
                    "headers": HEADERS,
                }
                manager = _through(proxy, settings) if proxy else _direct(settings)
                if self._guard is not None and not proxy:
                    manager.pool_classes_by_scheme = self._guard.pools()
                self._managers[proxy] = manager
            return self._managers[proxy]


def _direct(settings: dict[str, Any]) -> PoolManager:
    """Connections without a proxy. Whose certificates count is read for the first that needs them."""
    from urllib3 import PoolManager

    class Direct(PoolManager):
        def connection_from_context(self, request_context: dict[str, Any]) -> HTTPConnectionPool:
            if request_context["scheme"] == "https":
                request_context["ssl_context"] = certificates()
            return super().connection_from_context(request_context)

    return Direct(**settings)


def certificates() -> ssl.SSLContext:
    """Whose certificates count, by the environment as it is now."""
    return _trusting(*(os.environ.get(name) for name in _CERTIFICATES))


@lru_cache(maxsize=4)
def _trusting(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Whose certificates count, read once a process, since that takes 15 ms.

    OpenSSL looks at the variables by itself.
    """
    import ssl

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _through(proxy: Proxy, settings: dict[str, Any]) -> PoolManager:
    from urllib3 import ProxyManager, make_headers

    if proxy.place is None:
        raise ValueError("an address that is none")
    headers = make_headers(proxy_basic_auth=proxy.credentials) if proxy.credentials else None
    return ProxyManager(proxy.place, proxy_headers=headers, ssl_context=certificates(), **settings)
