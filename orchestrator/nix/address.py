"""Addresses of stores that users give: refused where Nix would make a new store, or not say what is wrong.

Nix makes a folder that it is given a store, and one behind `file://` a binary cache, even to read from it.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown

_WORDS = ("auto", "daemon", "local")
_SCHEME = re.compile(r"[a-z][a-z0-9+-]*://")
_AS = "give a folder that holds nix/store, daemon, ssh-ng://HOST, or the address of a binary cache, as https://…"


def folder_of(address: str) -> Path | None:
    """The folder of this machine that an address names, whether it is there or not; None: it names none."""
    place, _, query = address.partition("?")
    if place == "local" and (root := re.search(r"(?:^|&)root=([^&]*)", query)):
        return Path(unquote(root[1])).absolute()
    if place in _WORDS or (_SCHEME.match(place) and not place.startswith("file://")):
        return None
    return Path(place.removeprefix("file://")).absolute()


def checked(address: str) -> str:
    """The address as Nix takes it. Raises TallyError where this machine can tell that nothing is there."""
    folder = folder_of(address)
    if folder is None:
        return address
    if (folder / "nix/store").is_dir():
        return address if "?" in address else str(folder)
    place = address.partition("?")[0]
    if place.startswith("file://"):
        if not (folder / "nix-cache-info").is_file():
            raise TallyError(
                f"there is no binary cache in {shown(folder)}: it holds no nix-cache-info",
                hint="name the folder that `nix copy --to` wrote",
            )
    elif "/" in place or folder.exists() or place == "local":
        raise TallyError(f"there is no store in {shown(folder)}: it holds no nix/store", hint=_AS)
    else:
        raise TallyError(f"{address} is no address of a store", hint=_AS)
    return address
