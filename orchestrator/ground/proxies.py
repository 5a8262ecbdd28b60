"""The proxy that the environment names for a host. Reads the environment and nothing else."""

from __future__ import annotations

import os
import re
import sys
from urllib.parse import unquote

from orchestrator.ground.values import dataclass, field

_PLACE = re.compile(
    r"(?P<place>(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#:@\[\]\\]+)(?::(?P<port>[0-9]{1,5}))?)(?:[/?#].*)?"
)

_SETTINGS_ARE_VARIABLES = sys.platform != "darwin"
"""Elsewhere the system has settings of its own."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where requests are sent instead of to the host itself."""

    address: str = field(repr=False)
    """With its scheme, and with the user name and password that it may need: never shown, and never given to
    a library, whose errors might show it."""
    variable: str
    """The environment variable that names it."""

    @property
    def place(self) -> str | None:
        """Scheme, host and port; None: the address has not that form.

        A proxy has no path. So what stands before the last `@` is name and password, also where these have
        a `/`, `?` or `#` in them that should have been written as `%2F`, `%3F` or `%23`.
        """
        scheme, _, rest = self.address.partition("://")
        found = _PLACE.fullmatch(f"{scheme}://{rest.rpartition('@')[2]}")
        return found["place"] if found and int(found["port"] or 0) < 1 << 16 else None

    @property
    def credentials(self) -> str | None:
        """`name:password`, decoded; None: it has none."""
        return unquote(self.address.partition("://")[2].rpartition("@")[0]) or None

    def __str__(self) -> str:
        return f"the proxy {self.place} ({self.variable})" if self.place else f"the proxy in {self.variable}"


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """What curl and pip would take: `SCHEME_proxy`, else `all_proxy`, unless `no_proxy` has the host.

    An address without a scheme, as many machines have it, is one of a proxy that speaks HTTP.
    """
    if _SETTINGS_ARE_VARIABLES and not any(each.lower().endswith("_proxy") for each in os.environ):
        return None  # without an import that most machines need for nothing
    from urllib.request import getproxies, proxy_bypass

    known = getproxies()
    name = scheme if scheme in known else "all"
    if name not in known or proxy_bypass(host.rsplit("@", 1)[-1]):
        return None
    address = known[name].strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", address):
        address = f"http://{address.removeprefix('//')}"
    variable = next((each for each in (f"{name}_proxy", f"{name.upper()}_PROXY") if each in os.environ), name)
    return Proxy(address, variable)
