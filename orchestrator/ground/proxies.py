"""The proxy that the environment names for a host. Reads the environment and nothing else."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from orchestrator.ground.addresses import without_credentials


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where requests are sent instead of to the host itself."""

    address: str
    """With its scheme, and with the user name and password that it may need: never shown."""
    variable: str
    """The environment variable that names it."""

    def __str__(self) -> str:
        return f"the proxy {without_credentials(self.address)} ({self.variable})"


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """What curl and pip would take: `SCHEME_proxy`, else `all_proxy`, unless `no_proxy` has the host.

    An address without a scheme, as many machines have it, is one of a proxy that speaks HTTP.
    """
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
