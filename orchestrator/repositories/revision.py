"""The commit that recipe and lock are from, and the address of its repository as evidence has it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TRANSPORTS: Final = {
    "http": ("git+http", 80),
    "https": ("git+https", 443),
    "git": ("git+git", 9418),
    "ssh": ("git+ssh", 22),
    "git+ssh": ("git+ssh", 22),
    "ssh+git": ("git+ssh", 22),
}
"""Git's transports that reach another machine ("GIT URLS" of git-fetch): SPDX's word and the usual port."""
_SCP = re.compile(r"(?:[^@/:\s]+@)?([A-Za-z0-9][A-Za-z0-9.-]*):(?!:)(\S+)")
"""`[USER@]HOST:PATH`, without a slash before the first colon."""
_URL = re.compile(
    r"(?:git\+)?(https?|ssh|git)://"
    r"(?:[\w.~!$&'()*+,;=:%-]*@)?"  # userinfo: no second `@`
    r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d*)?"
    r"((?:/(?:[\w.~!$&'()*+,;=:@/-]|%(?!2[eE]|5[cC]|[01]|7[fF])[0-9A-Fa-f]{2})*)?)",
    re.ASCII,
)
"""RFC 3986, sections 3.2 and 3.3: an authority ends at `/`, `?` or `#`, and here only at `/`. No host with
escapes, no query, no fragment; no blank, control character or backslash; no dot, control character or
backslash that is escaped, since some readers take each for what it stands for."""
_SAFE = "/%~!$&'()*+,;=:"


@dataclass(frozen=True, slots=True)
class Revision:
    """What one target's recipe and lock are, by their repository."""

    commit: str
    """The commit's id, 40 or 64 hexadecimal digits."""
    address: str | None
    """The repository's, as `address_of` writes it; None: it has none that others could reach."""
    recipe: str | None
    """The recipe's path in the repository; None: it is outside."""
    uncommitted: tuple[str, ...]
    """Files, of the recipe, those that it uses and the lock, that are not as the commit has them; sorted."""
    absent: frozenset[str] = frozenset()
    """Of these, those that the commit has not at all."""

    @property
    def uri(self) -> str | None:
        """SPDX 2.3, clause 7.7: `git+https://HOST/PATH@COMMIT`."""
        return None if self.address is None else f"{self.address}@{self.commit}"


def address_of(remote: str) -> str | None:
    """A remote's address as `git+TRANSPORT://HOST[:PORT]/PATH`: no user, password, query or fragment.

    `USER@HOST:PATH`, as scp has it, is `git+ssh://HOST/PATH`. None for a folder of this machine, and for what
    is no address of git's own.
    """
    if "://" not in remote:
        match = _SCP.fullmatch(remote)
        return None if match is None else f"git+ssh://{match[1].lower()}/{_path(match[2])}"
    from urllib.parse import urlsplit  # verifying needs none of what that imports

    try:
        parts = urlsplit(remote)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    known = _TRANSPORTS.get(parts.scheme.lower())
    if known is None or not host or not parts.path.strip("/"):
        return None
    transport, usual = known
    host = f"[{host}]" if ":" in host else host
    place = host if port in (None, usual) else f"{host}:{port}"
    return f"{transport}://{place}/{_path(parts.path)}"


def web_address(address: str) -> str | None:
    """A repository's address, or a pattern over some, without what differs for one repository of one server.
    None for what is no such address, or one that readers of addresses take for different ones.

    `git+https://` and ssh at its usual port are `https://`; user, usual port and `.git` are left out. `http://`
    and `git://` stay what they are: nobody proves there who answers. So does ssh at another port,
    `ssh://HOST:PORT`, which is another server.
    """
    match = _URL.fullmatch(address)
    if match is None:
        return None
    scheme, host, port, path = match.groups()
    place = host.lower() + ("" if port in (None, ":", f":{_TRANSPORTS[scheme][1]}") else port)
    if scheme == "ssh" and place == host.lower():
        scheme = "https"
    return f"{scheme}://{place}{path.rstrip('/').removesuffix('.git')}"


def _path(path: str) -> str:
    from urllib.parse import quote

    return quote(path.strip("/"), safe=_SAFE)
