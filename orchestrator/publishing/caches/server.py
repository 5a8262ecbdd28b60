"""A Nix binary cache behind a server that takes files by PUT, as `nix copy` puts them.

Nix's manual, "HTTP Binary Cache Store". Credentials are those of ~/.netrc, or of the file that NETRC names.
"""

from __future__ import annotations

import netrc
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from orchestrator.ground.addresses import unseen
from orchestrator.ground.answers import Answered
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown
from orchestrator.ground.retrying import pause
from orchestrator.ground.unreachable import Unreachable
from orchestrator.publishing.caches.spool import spooled
from orchestrator.publishing.manners import MANNERS
from orchestrator.publishing.reference import NixCache

_ATTEMPTS: Final = 5
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_KINDS: Final = {".narinfo": "text/x-nix-narinfo", ".xz": "application/x-nix-nar"}
_HINTS: Final = {
    401: "put your user and password for it into ~/.netrc, as for Nix's `netrc-file`",
    403: "see whether you may write there",
    405: "it takes no PUT: publish to cache+file:///DIR, and have it serve that folder",
    413: "it takes no files as large as that",
    507: "free some room there, and run the command again: it goes on where it stopped",
}
_AGAIN: Final = "see whether it is there; the same command goes on where it stopped"


class CacheServer:
    """Its files are put one by one; no redirection is followed."""

    def __init__(self, address: str, http: Downloader | None = None) -> None:
        self._address = address.rstrip("/")
        self._http = http or Downloader(manners=MANNERS)
        self._credentials = _credentials(urlsplit(address).hostname or "")

    @classmethod
    def at(cls, reference: NixCache) -> CacheServer:
        """Raises TallyError for an address without TLS, and for one with a query."""
        parts = urlsplit(reference.address)
        if not parts.hostname or parts.query or parts.fragment:
            raise TallyError(f"{reference} names no cache", hint="give cache+https://HOST/PATH")
        if not (reference.plain or unseen(reference.address)):
            raise TallyError(
                f"{reference} has no TLS: anybody on the way could read and change what is sent there",
                hint="use an https:// address; http:// is for this machine, or with --allow-http",
            )
        return cls(reference.address)

    @property
    def place(self) -> str:
        """The address."""
        return self._address

    def refuse_unusable(self) -> None:
        """It is asked for its nix-cache-info next."""

    def has_others(self) -> bool:
        """A server does not say."""
        return False

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Nobody can be kept out: each narinfo is looked at right before it is put."""
        yield

    def chunks(self, name: str) -> Iterator[bytes] | None:
        """The file that is sent now."""
        opened = ExitStack()
        try:
            answer = opened.enter_context(self._sent("GET", name, (200, 404, 410), {}))
        except BaseException:
            opened.close()
            raise
        if answer.status != 200:
            opened.close()
            return None
        return self._read(name, opened, answer)

    def _read(self, name: str, opened: ExitStack, answer: Answered) -> Iterator[bytes]:
        with opened:
            try:
                yield from answer.chunks
            except Unreachable as error:
                raise TallyError(
                    f"{self._address} stopped in the middle of {name}: {error}", hint=_AGAIN
                ) from error

    def put(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Spooled, and then sent."""
        kind = next((kind for end, kind in _KINDS.items() if name.endswith(end)), "text/plain")

        def send(size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
            headers = {"Content-Length": str(size), "Content-Type": kind}
            with self._sent("PUT", name, (200, 201, 202, 204), headers, chunks):
                return

        return spooled(send)

    def settle(self) -> None:
        """The server took it."""

    @contextmanager
    def _sent(
        self,
        method: str,
        name: str,
        accepted: tuple[int, ...],
        headers: Mapping[str, str],
        body: Callable[[], Iterator[bytes]] | None = None,
    ) -> Iterator[Answered]:
        """An answer with an accepted status. Raises TallyError for any other, and for none."""
        extra = {} if self._credentials is None else {"Authorization": self._credentials}
        for attempt in range(_ATTEMPTS):
            try:
                with self._http.exchange(
                    method, f"{self._address}/{name}", {**headers, **extra}, body and body(), named=True
                ) as answer:
                    if answer.status in accepted:
                        yield answer
                        return
                    seconds = pause(answer.headers.get("Retry-After", ""), attempt)
                    last = attempt == _ATTEMPTS - 1
                    if answer.status not in _BUSY or seconds is None or last:
                        raise self._refusal(method, name, answer)
            except Unreachable as error:
                raise TallyError(f"{self._address} cannot be reached: {error}", hint=_AGAIN) from error
            time.sleep(seconds)

    def _refusal(self, method: str, name: str, answer: Answered) -> TallyError:
        asked = answer.headers.get("Retry-After", "")[:40]
        wait = f", Retry-After: {asked}" if asked else ""
        return TallyError(
            f"{self._address} does not {'take' if method == 'PUT' else 'give'} {name}: "
            f"HTTP status {answer.status}{wait}",
            hint=_HINTS.get(answer.status, _AGAIN),
        )


def _credentials(host: str) -> str | None:
    """What the user's netrc file has for a host, as a header. Raises TallyError for one that is none."""
    named = os.environ.get("NETRC")
    path = Path(named) if named else Path.home() / ".netrc"
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError) as error:
        said = error.msg if isinstance(error, netrc.NetrcParseError) else type(error).__name__
        raise TallyError(
            f"{shown(path)} cannot be read: {said}", hint="mend it; netrc(5) has its form"
        ) from None
    if found is None:
        return None
    user, _, password = found
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
