"""Who asks a registry: as the user's own configuration of it says, or .netrc. It is shown nowhere."""

from __future__ import annotations

import netrc
import os
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.ground.answers import Authorised
from orchestrator.ground.unreachable import Unreachable


def asking_as(address: str, known: Iterable[str]) -> str:
    """What a server named, asked for as the one of `known` that is on its host. Raises Unreachable."""
    try:
        here = urlsplit(address)
        for each in known:
            parts = urlsplit(each)
            user, mark, place = parts.netloc.rpartition("@")
            if mark and (parts.scheme, place) == (here.scheme, here.netloc):
                return asking(here._replace(netloc=f"{user}@{place}").geturl())
    except ValueError as error:
        raise Unreachable("it is no address") from error
    return asking(address)


def asking(address: str) -> str:
    """An address with what says who asks: a user in it, or .netrc's for its host. Raises Unreachable."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError as error:
        raise Unreachable("it is no address") from error
    user, password = parts.username, parts.password
    if user is None and parts.scheme == "https" and (known := _known(host)) is not None:
        user, password = known
    if user is None:
        return address
    bare = address.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else address
    token = b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()
    try:
        return Authorised(bare, {"Authorization": f"Basic {token}"})
    except ValueError as error:
        raise Unreachable(str(error)) from error


def _known(host: str) -> tuple[str, str] | None:
    file = os.environ.get("NETRC") or str(Path.home() / ".netrc")
    try:
        found = netrc.netrc(file).authenticators(host)
    except (OSError, ValueError, netrc.NetrcParseError):
        return None
    return (found[0], found[2] or "") if found else None
