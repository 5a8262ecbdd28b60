"""Requests to a registry: with a token where it asks for one, and again where it says so.

Specification: OCI distribution 1.1; docker's token authentication (distribution, "docs/spec/auth/token.md").
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock as Mutex
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from orchestrator.ground.addresses import unseen, without_credentials
from orchestrator.ground.answers import Answered
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.notice import NOTICE
from orchestrator.ground.retrying import pause
from orchestrator.ground.unreachable import Unreachable
from orchestrator.publishing.reference import Registry
from orchestrator.publishing.registry.credentials import Credentials, credentials_for

Body = Callable[[], Iterable[bytes]]
_ATTEMPTS: Final = 6
_TOLD: Final = 3.0  # seconds of waiting that whoever waits is told of
_REDIRECTIONS: Final = 5
_AUTHORISATIONS: Final = 3  # of one request: a token can expire under it
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_ELSEWHERE: Final = frozenset({301, 302, 303, 307, 308})
_SMALL: Final = 1 << 18
_PART: Final = re.compile(r'([A-Za-z]+)="([^"]*)"')


class Connection:
    """A repository's registry, as one run speaks to it."""

    def __init__(self, registry: Registry, http: Downloader, *, push: bool) -> None:
        self.registry, self._http = registry, http
        self._scope = f"repository:{registry.repository}:{'pull,push' if push else 'pull'}"
        self._credentials: Credentials | None = None
        self._looked = False
        self._authorization: str | None = None
        self._mutex = Mutex()
        self.base = f"{'http' if registry.plain else 'https'}://{registry.host}/v2/"

    @contextmanager
    def sent(
        self,
        method: str,
        where: str,
        accepted: tuple[int, ...],
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Iterator[Answered]:
        """An answer with an accepted status. `where` is below `/v2/`, or an address that the registry gave.

        Raises TallyError for any other answer, and for none.
        """
        address, authorised, followed = self._led(self.base, where), 0, 0
        for attempt in range(_ATTEMPTS + _REDIRECTIONS + _AUTHORISATIONS):
            own = urlsplit(address).netloc == self.registry.host  # by the same scheme: see `_safe`
            known = self._authorization if own else None
            extra = {"Authorization": known} if known else {}
            try:
                with self._http.exchange(
                    method, address, {**(headers or {}), **extra}, body and body(), named=own
                ) as answer:
                    if answer.status in accepted:
                        yield answer
                        return
                    if answer.status == 401 and own and authorised < _AUTHORISATIONS:
                        authorised += 1
                        with self._mutex:
                            if self._authorization == known:  # else another thread has a new one
                                self._authorise(answer.headers.get("WWW-Authenticate", ""))
                        continue
                    if answer.status in _BUSY and attempt < _ATTEMPTS - 1:
                        self._wait(answer, attempt)
                        continue
                    to = answer.headers.get("Location")
                    if answer.status in _ELSEWHERE and to and method in ("GET", "HEAD"):
                        followed += 1
                        address = self._followed(address, to, followed)
                        continue
                    raise self._refusal(method, address, answer)
            except Unreachable as error:
                raise TallyError(
                    f"{self.registry} cannot be reached: {error}",
                    hint="see whether it is there, and try again",
                ) from error
        raise TallyError(f"{self.registry} asks again and again for the same", hint="try again later")

    def _followed(self, address: str, to: str, number: int) -> str:
        """Where a redirection leads; blobs are often in a store of their own. Raises TallyError."""
        if number > _REDIRECTIONS:
            raise TallyError(
                f"{self.registry} redirects more than {_REDIRECTIONS} times", hint="ask its operator"
            )
        return self._led(address, to)

    def _led(self, address: str, to: str) -> str:
        """Where a registry leads from an address. Raises TallyError, also for what is no address."""
        try:
            found = urljoin(address, to)
            urlsplit(found).port  # noqa: B018  raises when the port is not a number
        except ValueError as error:
            raise self._lost(to) from error
        return self._safe(found)

    def _lost(self, to: str) -> TallyError:
        """The error for an address that is none."""
        where = without_credentials(to)[:200]
        shown = where if where.isprintable() else ascii(where)
        return TallyError(
            f"{self.registry} sends us to {shown}, which is no address",
            hint="ask its operator",
        )

    def _safe(self, address: str) -> str:
        """An address that the registry gave, where nobody can read on the way. Raises TallyError."""
        if not self._is_safe(address):
            raise TallyError(
                f"{self.registry} sends us to {without_credentials(address)[:200]}, which is not followed",
                hint="only https:// is",
            )
        return address

    def _is_safe(self, address: str) -> bool:
        """https, or what a registry itself has that is spoken to without TLS, or this machine has beside it.

        Others' http never is. Raises ValueError for what is no address.
        """
        if address.startswith("https://"):
            return True
        own = urlsplit(address).netloc == self.registry.host
        return self.registry.plain and address.startswith("http://") and (own or unseen(address))

    def _wait(self, answer: Answered, attempt: int) -> None:
        """As long as the server asks for, or longer each time. Raises TallyError where that is long."""
        said = answer.headers.get("Retry-After", "")
        seconds = pause(said, attempt)
        if seconds is None:
            raise TallyError(
                f"{self.registry} answers {answer.status} and has others wait for {said[:20]} s",
                hint="try again then; what was put there stays",
            )
        if seconds > _TOLD:
            NOTICE.tell(f"{self.registry} answers {answer.status} and has us wait for {seconds:.0f} s")
        time.sleep(seconds)

    def _authorise(self, challenge: str) -> None:
        """Answer a registry that asks who we are. Raises TallyError."""
        if not self._looked:
            self._credentials = credentials_for(self.registry.host, self.registry.repository)
            self._looked = True
        kind, _, rest = challenge.partition(" ")
        told = {name.lower(): value for name, value in _PART.findall(rest)}
        if kind.lower() == "basic":
            if self._credentials is None or self._credentials.token or self._authorization:
                raise self._unknown()
            self._authorization = _basic(self._credentials)
        elif kind.lower() == "bearer" and told.get("realm"):
            self._authorization = f"Bearer {self._token(told)}"
        else:
            raise TallyError(
                f"{self.registry} asks for {kind[:40]!r}, which is not spoken here", hint="ask its operator"
            )

    def _token(self, told: Mapping[str, str]) -> str:
        realm, known = told["realm"], self._credentials
        try:
            named, safe = urlsplit(realm).netloc == self.registry.host, self._is_safe(realm)
        except ValueError as error:
            raise self._lost(realm) from error
        if not safe:
            raise TallyError(
                f"{self.registry} has its tokens from {without_credentials(realm)[:200]}, which has no TLS",
                hint="no password is sent there",
            )
        asked = {"scope": self._scope} | ({"service": told["service"]} if "service" in told else {})
        headers, body, method = {}, None, "GET"
        if known is not None and known.token:
            method, headers = "POST", {"Content-Type": "application/x-www-form-urlencoded"}
            form = asked | {
                "grant_type": "refresh_token",
                "client_id": "tallystick",
                "refresh_token": known.secret,
            }
            body = urlencode(form).encode()
        else:
            realm = f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"
            headers = {"Authorization": _basic(known)} if known is not None else {}
        try:
            with self._http.exchange(
                method, realm, headers, None if body is None else iter((body,)), named=named
            ) as answer:
                if answer.status != 200:
                    raise self._unknown(answer.status)
                document = json.loads(answer.small(_SMALL))
                token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError, RecursionError) as error:
            raise TallyError(
                f"{self.registry} gives no token that can be read", hint="ask its operator"
            ) from error
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            raise TallyError(f"{self.registry} gives no token that can be read", hint="ask its operator")
        return token

    def _unknown(self, status: int | None = None) -> TallyError:
        if self._credentials is None:
            return TallyError(
                f"{self.registry} wants to know who you are, and no credentials for it are here",
                hint=f"log in as with `podman login {self.registry.host}`; docker's files are read, too",
            )
        said = f" (HTTP status {status})" if status else ""
        return TallyError(
            f"{self.registry} does not take the credentials that are here{said}",
            hint=f"log in again, as with `podman login {self.registry.host}`",
        )

    def _refusal(self, method: str, address: str, answer: Answered) -> TallyError:
        said = f"HTTP status {answer.status}"
        try:
            errors = json.loads(answer.small(_SMALL))["errors"]
            told = "; ".join(f"{each['code']}, {each.get('message', '')}" for each in errors)[:400]
            said += f": {told if told.isprintable() else ascii(told)}"
        except (Unreachable, ValueError, KeyError, TypeError, RecursionError):
            pass
        if answer.status == 401:
            return self._unknown(401)
        hints = {
            403: "see whether you may write there; some registries are read-only",
            405: "it may be read-only",
            413: "it takes no file of that size",
            429: "try again later; what was put there stays",
            507: "it has no room left",
        }
        place = without_credentials(urlsplit(address).path)[:200]
        return TallyError(
            f"{self.registry} refuses {method} {place}: {said}",
            hint=hints.get(answer.status, "ask its operator"),
        )


def _basic(known: Credentials) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(f"{known.user}:{known.secret}".encode()).decode()
