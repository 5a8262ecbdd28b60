"""Why an address gave nothing: errors of urllib3, proxies and servers, in words of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.ground.proxies import Proxy

NO_ADDRESS = "the address cannot be read as one"


class Unreachable(Exception):
    """Why one address gave no bytes; the next one may."""


class Absent(Unreachable):
    """The address answers, and has nothing there."""


class Forbidden(Unreachable):
    """The address answers, and does not say whether it has anything there."""


class ProxyFailed(Unreachable):
    """The proxy that is asked in its place gives no answer, or cannot be used."""


def guarded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a body that urllib3 reads. Raises Unreachable."""
    from urllib3.exceptions import HTTPError

    try:
        yield from chunks
    except (HTTPError, OSError) as error:
        raise Unreachable(sentence(error)) from error


def failure_of(error: BaseException, proxy: Proxy | None) -> Unreachable:
    """Why there is no answer. What goes wrong at a proxy is not told as the fault of the host behind it."""
    if proxy is None:
        return Unreachable(sentence(error))
    from urllib3.exceptions import ProxyError, ProxySchemeUnknown

    if proxy.place is None:
        return ProxyFailed(f"{proxy} cannot be used: it is no address such as http://HOST:PORT")
    if isinstance(error, ProxyError):
        return ProxyFailed(f"{proxy} does not answer as it should: {sentence(error.original_error)}")
    if isinstance(error, ProxySchemeUnknown):
        return ProxyFailed(f"{proxy} cannot be used: only proxies that speak HTTP can")
    return Unreachable(f"{sentence(error)}, by way of {proxy}")


def sentence(error: BaseException) -> str:
    """An error of urllib3 without the object it prints in front, and without an address with a password."""
    if type(error).__name__ == "LocationParseError":  # urllib3's, which need not be there
        return NO_ADDRESS
    text = str(error).split(">: ", 1)[-1].split("): ", 1)[-1]
    return re.sub(r"\[Errno -?\d+\] ", "", text) or type(error).__name__
