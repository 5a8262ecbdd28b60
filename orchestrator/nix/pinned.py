"""Evaluation of a file that may fetch what a digest pins, and nothing else.

Nix's restricted mode tells addresses apart, and not whether a digest was given. So what is evaluated counts
only where no network is: by then a pinned fetch is in the store under its digest, and any other has nothing
to come from. What is missing is fetched by an evaluation before it, whose result is dropped.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.nix.trace import explained

_ADDRESSES = "https:// http://"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
_NOWHERE = "http://127.0.0.1:9"  # the port for what is discarded (RFC 863): nothing may be asked for
_DOWNLOAD = re.compile(
    r"(?:Failed to open archive \(.*error: )?unable to download '(?P<address>[^']*)'[^\n]*"
)
_TRIES = {"offline": "1", "online": "3"}


def evaluated(store: ChrootStore, words: Sequence[str], shown: Mapping[Path, str], place: Path) -> str:
    """What `nix-instantiate` prints for `words`, in restricted mode.

    `place` is an empty folder, all that it sees of this machine: it runs there, and is at home below it.
    `shown` are folders, and what stands for them in errors. Raises TallyError that says where.
    """
    try:
        return _run(store, words, place, "offline")
    except NixFailed as error:
        if not _DOWNLOAD.search(error.said):
            raise explained(error, shown) from error
    try:
        _run(store, words, place, "online")
    except NixFailed as error:
        raise explained(error, shown) from error
    try:
        return _run(store, words, place, "offline")
    except NixFailed as error:
        raise _unpinned(error, shown) from error


def _run(store: ChrootStore, words: Sequence[str], place: Path, network: str) -> str:
    """One evaluation, with no file of an earlier one to come back to but what is in the store."""
    nix = store.nix
    home = place / f"home-{uuid.uuid4()}"
    home.mkdir()
    own = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "PATH"), str(home))  # where no git is found
    environment = {**nix.extra, **own}
    if network == "offline":
        environment |= dict.fromkeys(_PROXIES, _NOWHERE) | {"no_proxy": "", "NO_PROXY": ""}
    program = shutil.which("nix-instantiate") or "nix-instantiate"
    command = [
        *store.command(program, "--eval", "--strict", "--json", "--read-write-mode", "--show-trace"),
        *("--option", "restrict-eval", "true", "--option", "download-attempts", _TRIES[network]),
        *("--option", "allowed-uris", _ADDRESSES),
        # restricted mode holds back neither `fetchTree` of Nix 2.8 nor `getFlake`, which read every folder
        *("--option", "experimental-features", "", *words),
    ]
    try:
        return replace(nix, extra=environment, folder=place).run(command)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unpinned(error: NixFailed, shown: Mapping[Path, str]) -> TallyError:
    """The error for what the network has, and the store lacks though it was fetched."""
    told = explained(error, shown)
    if not _DOWNLOAD.search(told.message):
        return told
    message = _DOWNLOAD.sub(r"no sha256 pins what is fetched from \g<address>", told.message)
    return TallyError(message, hint="as in fetchTarball { url = …; sha256 = …; }")
