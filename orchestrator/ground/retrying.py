"""Asking a server again, and following where it points: within limits, whatever it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.ground.addresses import without_credentials

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, Retry

_LONGEST_WAIT = 30
"""Seconds that a server can have us wait before it is asked again."""


def retries(downgrade: bool) -> type[Retry]:
    """Retries that wait no longer than a while, whatever a server says, and where it is asked for follow no
    redirection from https to http."""
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    class Bounded(Retry):
        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            seconds = super().get_retry_after(response)
            if seconds is not None and seconds > _LONGEST_WAIT:
                asked = response.headers.get("Retry-After", "")[:40]
                raise HTTPError(
                    f"it answers {response.status} and has others wait longer than {_LONGEST_WAIT} s "
                    f"(Retry-After: {asked}); try again later"
                )
            return seconds

        def increment(self, *args: Any, **given: Any) -> Bounded:
            response, pool = given.get("response"), given.get("_pool")
            place = response.get_redirect_location() if response is not None else None
            down = place and place.lower().startswith("http:") and getattr(pool, "scheme", "") == "https"
            if down and not downgrade:
                raise HTTPError("it redirects from https to http")
            if place and (elsewhere := _of_no_server(place)):
                raise HTTPError(f"it redirects to {elsewhere}, which is not followed")
            return super().increment(*args, **given)

    return Bounded


def pause(asked: str, attempt: int) -> float | None:
    """Seconds until a server is asked again that says so: as many as it asks for, else more each time.

    `asked` is its Retry-After. None: longer than anybody waits here.
    """
    seconds = float(asked) if asked.isdecimal() else min(0.5 * 2**attempt, _LONGEST_WAIT)
    return None if seconds > _LONGEST_WAIT else seconds


def _of_no_server(place: str) -> str | None:
    """The address that a redirection has, without credentials, where nothing is fetched by its scheme."""
    try:
        scheme = urlsplit(place).scheme
    except ValueError:  # which who follows it says
        return None
    if scheme in ("", "http", "https"):
        return None
    return without_credentials(place)[:200]
