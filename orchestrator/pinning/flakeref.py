"""Locked references to flakes, as flake.lock has them: their addresses, and the NAR hashes in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SCHEMES: Final = {
    "github": "{type}:{owner}/{repo}",
    "gitlab": "{type}:{owner}/{repo}",
    "sourcehut": "{type}:{owner}/{repo}",
    "git": "git+{url}",
    "hg": "hg+{url}",
    "tarball": "{url}",
    "file": "file+{url}",
    "path": "path:{path}",
}
_PARAMETERS: Final = ("dir", "host", "lastModified", "narHash", "ref", "rev", "revCount", "submodules")


def url_of(reference: Mapping[str, Any]) -> str:
    """The address of a `locked` reference, every part of it that identifies its content included.

    Raises ValueError for a type that is not known, or that lacks a part.
    """
    from urllib.parse import quote, urlencode  # verifying most releases needs none of what that imports

    parts = {name: str(value) for name, value in reference.items()}
    scheme = _SCHEMES.get(parts.get("type", ""))
    if scheme is None:
        raise ValueError(f"flakes of the type {parts.get('type')} are not known here")
    if "path" in parts:
        parts["path"] = quote(parts["path"])
    try:
        address = scheme.format(**parts)
    except KeyError as error:
        raise ValueError(f"a flake of the type {parts['type']} has no {error.args[0]}") from error
    wanted = {name: parts[name] for name in _PARAMETERS if parts.get(name)}
    return f"{address}{'&' if '?' in address else '?'}{urlencode(wanted)}" if wanted else address


def is_local(reference: Mapping[str, Any]) -> bool:
    """Whether it is a folder of the machine that it was locked on, which evidence does not name."""
    url = reference.get("url")
    if reference.get("type") == "path":
        return True
    return reference.get("type") == "git" and (not isinstance(url, str) or url.startswith(("file:", "/")))


def nar_sha256(reference: Mapping[str, Any]) -> str | None:
    """The sha256 of its NAR in hexadecimal; None: it has none."""
    from base64 import b64decode

    said = reference.get("narHash")
    found = re.fullmatch(r"sha256-([A-Za-z0-9+/]{43}=)", said) if isinstance(said, str) else None
    return b64decode(found[1]).hex() if found else None
