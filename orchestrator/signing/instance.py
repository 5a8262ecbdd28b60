"""A Sigstore instance: its certificate authority, its log, its timestamp authority, and the root of them all.

Specifications: sigstore/protobuf-specs `sigstore_trustroot.proto` (ClientTrustConfig); Fulcio's HTTP API
(sigstore/fulcio `fulcio.proto`), of which the configuration is asked here, and the rest by sigstore-python.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from orchestrator.bundles.chains import in_short
from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.ground.addresses import unseen
from orchestrator.ground.deadline import within
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file
from orchestrator.ground.unreachable import Unreachable
from orchestrator.log import trusted_root
from orchestrator.log.trusted_root import TrustedRoot

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse
    from sigstore._internal.timestamp import TimestampAuthorityClient
    from sigstore.models import ClientTrustConfig
    from sigstore.sign import SigningContext

PUBLIC: Final = "public"
"""The name of Sigstore's own instance; any other is a file's."""
_LARGEST: Final = 4 << 20  # the public instance's takes some kilobytes
LATER: Final = (
    "run the same command again; it repeats the builds, whose results stay in their stores, and signs"
)
"""The way out when signing fails after the builds."""
_PATIENCE: Final = (15.0, 60.0)
"""Seconds to connect, and between two bytes: a log answers only when the entry is in its tree."""
_WHOLE: Final = 90.0
"""Seconds for the whole of an answer, its headers too, however slowly it comes."""
_ANSWER_LIMIT: Final = 4 << 20
"""Bytes of an answer, unpacked. A certificate, an entry or a timestamp takes some kilobytes."""
_REDIRECTS: Final = 3
"""Each may take its time, so that thirty of them, as requests follows, would take an hour."""
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class Instance:
    """An instance whose configuration was read."""

    name: str
    root: TrustedRoot
    """What is signed there can be verified by."""
    _config: ClientTrustConfig = field(repr=False)
    public: bool = False

    @classmethod
    def load(cls, where: str | Path) -> Instance:
        """`public`, which is fetched, or a ClientTrustConfig in a file. Raises TallyError.

        Tokens are sent to its addresses, and so they have to be https, but on this machine itself.
        """
        fetched = "signing there needs a network; a private instance is a file: `instance` in tally.toml"
        config = _public(fetched) if where == PUBLIC else _of_file(Path(where))
        name = "Sigstore's public instance" if where == PUBLIC else str(where)
        try:
            # sigstore-python gives its bytes in no other way
            root = trusted_root.parse(config.trusted_root._inner.to_json().encode(), name)  # noqa: SLF001
            addresses = list(_addresses(config))
        except Exception as error:
            raise TallyError(f"{name} cannot be signed with: {in_short(error)}", hint=_HINT) from error
        for address in addresses:
            if not unseen(address):
                raise TallyError(
                    f"{name} has the address {address!r}, where anybody on the way could read a token",
                    hint="addresses of an instance begin with https://; http:// is for this machine alone",
                )
        return cls(name, root, config, public=where == PUBLIC)

    @property
    def oidc_address(self) -> str:
        """Where people log in. Raises TallyError when the instance has no such place."""
        from sigstore.errors import Error

        try:
            return self._config.signing_config.get_oidc_url()
        except Error as error:
            raise TallyError(
                f"{self.name} has no address where people log in", hint="give a token: --identity-token-fd"
            ) from error

    def refuse_unknown(self, issuer: str, audiences: tuple[str, ...]) -> None:
        """Ask the certificate authority whether it takes this issuer's tokens for one of these audiences.

        Raises TallyError when it does not, or does not answer.
        """
        address = urljoin(f"{self._fulcio}/", "/api/v2/configuration")
        place = f"the certificate authority of {self.name}"
        try:
            _, data = Downloader().page(address)
            said = member(read(data, address), "issuers", list, address)
            accepted = {
                (each.get("issuerUrl") or each.get("wildcardIssuerUrl") or ""): each.get("audience")
                for each in said
                if isinstance(each, dict)
            }
        except (Unreachable, MalformedError) as error:
            raise TallyError(
                f"{place} does not say whose tokens it takes: {in_short(error)}",
                hint=f"see whether {address} answers, and what it says",
            ) from error
        known = [audience for url, audience in accepted.items() if _fits(str(url), issuer)]
        if not known:
            raise TallyError(
                f"{place} takes no tokens of {issuer}",
                hint=f"it takes those of {', '.join(sorted(map(str, accepted))) or 'nobody'}",
            )
        if not any(audience in (None, "") or audience in audiences for audience in known):
            raise TallyError(
                f"{place} takes tokens for {known[0]!r}, and this one is for {', '.join(audiences)}",
                hint="ask the issuer for a token with that audience",
            )

    def context(self) -> SigningContext:
        """What sigstore-python signs with; none of its connections waits for ever."""
        from sigstore.sign import SigningContext

        config = self._config.signing_config
        fulcio, rekor = config.get_fulcio(), config.get_tlogs()[0]
        _be_patient(fulcio.session)
        _be_patient(rekor._session)  # type: ignore[attr-defined]  # noqa: SLF001  both kinds of log have one
        stamping: list[Any] = [_Strict(client) for client in config.get_tsas()]
        return SigningContext(
            fulcio=fulcio, rekor=rekor, trusted_root=self._config.trusted_root, tsa_clients=stamping
        )

    @property
    def _fulcio(self) -> str:
        return self._config.signing_config.get_fulcio().url


def _be_patient(session: Any) -> None:
    """Limit what a session of sigstore-python's waits for and reads: some of its requests have no limits."""
    plain: Any = type(session.get_adapter("https://"))

    class Patient(plain):  # type: ignore[misc]  # of requests, which only sigstore-python imports
        def send(self, *args: Any, **settings: Any) -> Any:
            settings["timeout"] = settings.get("timeout") or _PATIENCE
            until = time.monotonic() + _WHOLE
            send = super().send
            try:
                return within(_WHOLE, lambda: _read_whole(send(*args, **settings), until))
            except TimeoutError as error:
                raise TimeoutError(f"the answer takes too long: {error}") from error

    session.max_redirects = _REDIRECTS
    session.mount("https://", Patient())
    session.mount("http://", Patient())


def _read_whole(response: Any, until: float) -> Any:
    """A response of requests whose body was read, before a moment of the monotonic clock.

    Raises TimeoutError and ValueError where there is too much of it, and urllib3's errors.
    """
    from urllib3 import HTTPResponse

    body = bytearray()
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > _ANSWER_LIMIT:
                raise ValueError(f"the answer is larger than {_ANSWER_LIMIT >> 20} MB")
            if time.monotonic() > until:
                raise TimeoutError("it comes too slowly")
    finally:
        response.raw.close()
    response.raw = HTTPResponse(BytesIO(body), preload_content=False)
    return response


class _Strict:
    """A timestamp authority's client. sigstore-python passes over its own one's failures."""

    def __init__(self, client: TimestampAuthorityClient) -> None:
        self.url, self._client = client.url, client

    def request_timestamp(self, signature: bytes) -> TimeStampResponse:
        """A response about the signature. Raises TallyError."""
        try:
            _be_patient(self._client._session)  # noqa: SLF001  each thread has one of its own
            return self._client.request_timestamp(signature)
        except Exception as error:
            told = f"the timestamp authority {self.url} gave no timestamp: {in_short(error)}"
            raise TallyError(told, hint=LATER) from error


_HINT: Final = "give the instance's ClientTrustConfig, a JSON file, or `public`"


def public_root() -> bytes:
    """The trusted root of Sigstore's public instance, as of now. Raises TallyError without a network."""
    given = "give the instance's trusted_root.json with --trusted-root; then no network is needed"
    # sigstore-python gives its bytes in no other way
    return _public(given).trusted_root._inner.to_json().encode()  # noqa: SLF001


def _public(hint: str) -> ClientTrustConfig:
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig

    try:
        return ClientTrustConfig.production()
    except (Error, OSError) as error:
        raise TallyError(
            f"the trusted root of Sigstore's public instance cannot be fetched: {in_short(error)}", hint=hint
        ) from error


def _of_file(path: Path) -> ClientTrustConfig:
    from sigstore.models import ClientTrustConfig

    data = read_file(path, "", _LARGEST, _HINT)
    if len(data) > _LARGEST:
        raise TallyError(f"{path} is far too large for a trust configuration", hint=_HINT)
    try:
        return ClientTrustConfig.from_json(data.decode())
    except ValueError as error:
        raise TallyError(f"{path} is no ClientTrustConfig: {in_short(error)}", hint=_HINT) from error


def _addresses(config: ClientTrustConfig) -> Iterator[str]:
    signing = config.signing_config
    yield signing.get_fulcio().url
    yield from (each.url for each in (*signing.get_tlogs(), *signing.get_tsas()))  # type: ignore[attr-defined]
    yield from (each.url for each in signing._oidcs)  # noqa: SLF001  the one is known only when there is one


def _fits(accepted: str, issuer: str) -> bool:
    """Whether an issuer is the one that is accepted; a `*` there is a part of a name, as in Fulcio."""
    pattern = re.escape(accepted).replace(r"\*", "[-_a-zA-Z0-9]+")
    return bool(accepted) and re.fullmatch(pattern, issuer) is not None
