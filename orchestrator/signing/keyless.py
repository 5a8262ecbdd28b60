"""Signing without a key that lasts: an identity logs in, and gets a certificate for a key of some minutes.

By sigstore-python: the key never leaves its memory. What it made is verified here, as everybody will, before
it goes into a release.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.bundles import bundle as bundles
from orchestrator.bundles import certified
from orchestrator.bundles.material import Certificates
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.keys.dsse import Envelope
from orchestrator.policy.signer import IdentitySigner, Signer
from orchestrator.policy.verdict import Refused
from orchestrator.signing import login as logins
from orchestrator.signing.instance import LATER, PUBLIC, Instance
from orchestrator.signing.login import Login, Origin, Say

_DELAYS = (2.0, 8.0)
"""Seconds before signing is tried again."""
_TELLING = 9
"""Characters in a row of a token's that nobody is told."""
_BUSY, _BROKEN = 429, 500
"""HTTP statuses (RFC 6585, section 4; RFC 9110, section 15.6) that may pass by, the latter and all above."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to sign, and where: `[signing.keyless]` of tally.toml."""

    instance: str | Path = PUBLIC
    identity: str | None = None
    issuer: str | None = None
    """Whom a certificate has to name, and who has to vouch; None: whoever logs in."""
    token_fd: int | None = None
    """An open file descriptor that gives a token."""


@dataclass
class KeylessSigner:
    """An identity whose token was looked at; made by `opened`."""

    instance: Instance
    wanted: Wanted
    login: Login
    say: Say = field(default=lambda _: None, repr=False)
    signer: IdentitySigner | None = None
    """Whom the certificates named; None: nothing was signed yet."""

    @classmethod
    def opened(
        cls,
        wanted: Wanted,
        say: Say,
        what: str = "what the builders agree on",
        *,
        building: bool = True,
    ) -> KeylessSigner:
        """Log in, and see that there will be a certificate. Raises TallyError when there will not.

        `what` will be signed; `building`: only once something is built, which may take longer than a token.
        """
        instance = Instance.load(wanted.instance)
        login = logins.log_in(instance, wanted.token_fd, say)
        _refuse_another(login, wanted)
        instance.refuse_unknown(login.token.issuer, login.audiences)
        if not login.lasts(datetime.now(UTC)) and login.origin is not Origin.AMBIENT:
            raise TallyError(
                f"the identity token ends at {login.expires:%H:%M:%S} UTC, too soon to sign with",
                hint="get a new one just before the run",
            )
        for_good = (
            "" if login.origin is Origin.ASKED else ", whose name is then in a log for good"
        )  # told before
        say(f"{what} will be signed by {login.who}{for_good}")
        if not building:
            return cls(instance, wanted, login, say)
        ends = f"the identity token ends at {login.expires:%H:%M:%S} UTC: if building takes longer, "
        match login.origin:
            case Origin.GIVEN:
                say(ends + "nothing is signed, and another run with a new one has to repeat the builds")
            case Origin.ASKED:
                say(ends + "you will be asked to log in again")
            case Origin.AMBIENT:
                pass  # the CI job gives another one
        return cls(instance, wanted, login, say)

    @property
    def signed_as(self) -> IdentitySigner:
        """Whom the certificates named, once something is signed."""
        if self.signer is None:
            raise AssertionError("nothing was signed yet")
        return self.signer

    def stated(self, payload: bytes) -> bytes:
        """A bundle around one in-toto statement. Raises TallyError."""
        return self.sign([payload])[0].render()

    def made(self, bundle: bytes, envelope: Envelope) -> bool:
        """Whether a bundle, with this envelope in it, holds by its root and is by who logged in."""
        try:
            judged = certified.open_certified(bundle, "the bundle", self.instance.root, datetime.now(UTC))
            self._refuse_stranger(judged.signer, self.login)
        except (MalformedError, Refused, TallyError):
            return False
        return True

    def sign(self, payloads: Sequence[bytes]) -> list[Bundle]:
        """Each in-toto statement in a bundle, all by one certificate. Raises TallyError.

        What passes by is tried again, some seconds later, from the certificate on: what the log took before
        stays there, and counts for nothing.
        """
        for delay in _DELAYS:
            try:
                return self._signed(payloads)
            except TallyError as error:
                if not _passing(error):
                    raise
                self.say(f"{error.message}; trying again in {delay:.0f} s")
                time.sleep(delay)
        return self._signed(payloads)

    def _signed(self, payloads: Sequence[bytes]) -> list[Bundle]:
        from sigstore.dsse import Statement

        login = self._fresh()
        place = f"the certificate authority of {self.instance.name}"
        token = str(login.token)
        with _explained(f"{place} gave no certificate for {login.who}", token):
            context = self.instance.context()
            with context.signer(login.token, cache=True) as signer:
                found = []
                for payload in payloads:
                    with _explained(f"the log of {self.instance.name} did not take what was signed", token):
                        made = signer.sign_dsse(Statement(payload)).to_json()
                    found.append(self._verified(made.encode(), payload, login))
                return found

    def _fresh(self) -> Login:
        """The login, or a newer one of the same identity where it has ended and there can be another."""
        if self.login.lasts(datetime.now(UTC)):
            return self.login
        found: Login | None = None
        match self.login.origin:
            case Origin.AMBIENT:
                found = logins.ambient()
            case Origin.ASKED:
                found = logins.ask(self.instance, self.say)
            case Origin.GIVEN:
                pass
        if found is None:
            raise TallyError(
                f"the identity token ended at {self.login.expires:%H:%M:%S} UTC, before anything was signed",
                hint=LATER,
            )
        if (found.issuer, found.names) != (self.login.issuer, self.login.names):
            raise TallyError(
                f"the identity token is now for {found.who}, and it was for {self.login.who}", hint=LATER
            )
        self.login = found
        return found

    def _verified(self, data: bytes, payload: bytes, login: Login) -> Bundle:
        """A bundle in our one form, which holds by the instance's root, and is by whoever logged in."""
        name = "what sigstore-python made"
        try:
            made = bundles.parse(data, name)
            if not isinstance(made.content, Envelope) or not isinstance(made.signer, Certificates):
                raise MalformedError(f"{name} is no statement by a certificate")
            found = Bundle(made.content, made.signer, made.entries, made.timestamps)
            judged = certified.open_certified(found.render(), name, self.instance.root, datetime.now(UTC))
        except MalformedError as error:
            raise TallyError(f"refusing what {self.instance.name} gave: {error}", hint=LATER) from error
        except Refused as refused:
            why = refused.reasons[0].sentence
            raise TallyError(f"refusing what {self.instance.name} gave: {why}", hint=LATER) from refused
        if made.content.payload != payload:
            raise TallyError("refusing to sign: sigstore-python signed something else")
        self._refuse_stranger(judged.signer, login)
        return found

    def _refuse_stranger(self, signer: Signer, login: Login) -> None:
        """The certificate is for whoever logged in, or for whom the configuration names."""
        names = (self.wanted.identity,) if self.wanted.identity else login.names
        if (
            isinstance(signer, IdentitySigner)
            and signer.issuer == (self.wanted.issuer or login.issuer)
            and signer.subject in names
        ):
            self.signer = signer
            return
        raise TallyError(
            f"refusing a certificate for {signer}, where {' or '.join(names)} ({login.issuer}) was to sign",
            hint="where this is who was to sign, set `identity` below [signing.keyless] in tally.toml",
        )


def _refuse_another(login: Login, wanted: Wanted) -> None:
    """Raises TallyError where a token is not by or for whom the configuration names."""
    if wanted.issuer is not None and login.issuer != wanted.issuer:
        raise TallyError(
            f"the identity token is by {login.issuer}, and {wanted.issuer} is to vouch",
            hint="log in elsewhere, or change `issuer` below [signing.keyless] in tally.toml",
        )
    if wanted.identity is not None and login.names and wanted.identity not in login.names:
        raise TallyError(
            f"the identity token is for {' or '.join(login.names)}, and {wanted.identity} is to sign",
            hint="log in as another, or change `identity` below [signing.keyless] in tally.toml",
        )
    if wanted.identity is None and not login.names:
        raise TallyError(
            f"the token of {login.issuer} does not tell whom a certificate will name",
            hint="set `identity` below [signing.keyless] in tally.toml to what it has to name",
        )


def _passing(error: BaseException | None) -> bool:
    """Whether what went wrong was a server that did not answer, or had too much to do."""
    from urllib3.exceptions import HTTPError

    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if (
            isinstance(error, HTTPError | ConnectionError | TimeoutError)
            or status == _BUSY
            or status >= _BROKEN
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _explained(what: str, token: str) -> Iterator[None]:
    """Whatever sigstore-python and its libraries raise, as an error with a way out, without the token."""
    try:
        yield
    except TallyError as error:
        clean = _without(token, error.message)
        if clean == error.message:
            raise
        raise TallyError(clean, hint=error.hint) from error
    except Exception as error:
        raise TallyError(f"{what}: {_said(error, token)}", hint=LATER) from error


def _said(error: BaseException, token: str) -> str:
    """An error's own words, and what the instance answered, which sigstore-python leaves out at times."""
    cause: Any = error.__cause__ or error.__context__
    response = getattr(cause, "response", None)
    answered = _without(token, " ".join(str(getattr(response, "text", "") or "").split()))[:200]
    own = _without(token, str(error if str(error) else (cause or error)))
    own = " ".join(own.split())[:300] or type(cause or error).__name__
    return f"{own}; it answered: {answered}" if answered else own


def _without(token: str, text: str) -> str:
    """A text in which no more than some characters in a row are the token's: whoever reads it could sign."""
    parts = {token[at : at + _TELLING] for at in range(len(token) - _TELLING + 1)}
    found, place = [], 0
    while place < len(text):
        end = place
        while text[end : end + _TELLING] in parts:
            end += 1
        if end > place:
            found.append("[the token]")
            place = end + _TELLING - 1
        else:
            found.append(text[place])
            place += 1
    return "".join(found)
