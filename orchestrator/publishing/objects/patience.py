"""How long a server of S3's is waited for: as long as it asks for, within limits, and who waits is told.

AWS's library asks again by itself, and reads no Retry-After (RFC 9110, section 10.2.3).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.notice import NOTICE
from orchestrator.ground.retrying import pause
from orchestrator.publishing.manners import MANNERS

_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_ATTEMPTS: Final = 6
_TOLD: Final = 3.0  # seconds of waiting that whoever waits is told of
_CHUNK: Final = 1 << 20


def wait_as_asked(client: Any, place: str) -> None:
    """Have a client of that library's wait as long as a busy server asks for."""

    def busy(response: Any = None, attempts: int = 1, **_: object) -> float | None:
        """Seconds until it is asked again; None: as that library has it. Raises TallyError."""
        status = 0 if response is None else response[0].status_code
        asked = "" if response is None else str(response[0].headers.get("Retry-After") or "").strip()
        if status not in _BUSY or not asked or attempts >= _ATTEMPTS:
            return None
        seconds = pause(asked, attempts)
        if seconds is None:
            raise TallyError(
                f"{place} does not serve now: it answers {status} and has others wait longer than anybody "
                f"waits here (Retry-After: {asked[:40]})",
                hint="try again later: the same command goes on where it stopped",
            )
        if seconds >= _TOLD:
            NOTICE.tell(f"{place} answers {status} and has us wait for {seconds:.0f} s")
        return seconds

    client.meta.events.register_first("needs-retry.s3", busy)


@contextmanager
def waiting_for(place: str) -> Iterator[None]:
    """Tell whoever waits, once, where an answer takes long."""
    timer = threading.Timer(MANNERS.patience, lambda: NOTICE.tell(f"waiting for {place}"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def as_it_comes(body: Any, size: int | None, what: str) -> Iterator[bytes]:
    """The bytes of an object, at the pace that is asked of every server. Raises TallyError.

    That library waits until a chunk is full, however slowly it fills.
    """
    raw = getattr(body, "_raw_stream", None)
    read = getattr(raw, "read1", None)  # urllib3 2
    chunks = body.iter_chunks(_CHUNK) if read is None else iter(lambda: read(_CHUNK), b"")
    began, seen = time.monotonic(), 0
    for chunk in chunks:
        seen += len(chunk)
        if MANNERS.is_slow(time.monotonic() - began, seen):
            raise TallyError(f"{what} comes too slowly: {seen} bytes so far", hint="try again later")
        yield chunk
    if size is not None and seen != size:
        raise TallyError(
            f"{what} stopped in the middle: {seen} of {size} bytes came",
            hint="see whether it is there; the same command goes on where it stopped",
        )
