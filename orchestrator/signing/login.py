"""OIDC tokens: who signs a release that no key of its signer's signs.

Specification: OpenID Connect Core 1.0, section 2, and how Fulcio names the holder of a token
(sigstore/fulcio, `docs/oidc.md`). Whether a token is its issuer's is for the certificate authority to check;
here it is looked at so that what would be refused after an hour of building is refused before.
"""

from __future__ import annotations

import os
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.bundles.certificates import is_name
from orchestrator.bundles.chains import in_short
from orchestrator.evidence.canonical import read
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.signing.instance import Instance

if TYPE_CHECKING:
    from sigstore.oidc import IdentityToken

VARIABLE: Final = "SIGSTORE_ID_TOKEN"
_GITHUB: Final = "https://token.actions.githubusercontent.com"
_LARGEST: Final = 1 << 16  # tokens take some kilobytes
_MARGIN: Final = 60
"""Seconds that a token has to be good for yet, so that it is when the certificate authority looks at it."""
_WAYS: Final = (
    f"run it at a terminal, where you can log in; or give a token by {VARIABLE} or --identity-token-fd; in "
    "CI, let the job have one (GitHub: `permissions: id-token: write`; GitLab: `id_tokens`, for `sigstore`)"
)
Say = Callable[[str], None]


class Origin(Enum):
    """Where a token is from, and so whether there can be another."""

    GIVEN = "given"
    AMBIENT = "of this CI job"
    ASKED = "of a login"


@dataclass(frozen=True)
class Login:
    """A token that a certificate can be had for, as far as can be seen from it."""

    token: IdentityToken = field(repr=False)
    origin: Origin
    issuer: str
    """Who a certificate will say vouched."""
    names: tuple[str, ...]
    """What a certificate may name its holder; empty: the token does not tell."""
    audiences: tuple[str, ...]
    expires: datetime

    def lasts(self, now: datetime) -> bool:
        """Whether there is time enough to ask for a certificate. `now` is UTC."""
        return (self.expires - now).total_seconds() > _MARGIN

    @property
    def who(self) -> str:
        return f"{self.names[0] if self.names else 'somebody'} ({self.issuer})"


def log_in(instance: Instance, descriptor: int | None, say: Say) -> Login:
    """A token: from a file descriptor, the environment, the CI job, or by a login at a terminal.

    Raises TallyError when there is none, or it is good for nothing.
    """
    if descriptor is not None:
        return login_of(_from_descriptor(descriptor), Origin.GIVEN)
    if given := os.environ.get(VARIABLE):
        return login_of(given, Origin.GIVEN)
    if (found := ambient()) is not None:
        return found
    return ask(instance, say)


def ambient() -> Login | None:
    """The CI job's own token, made anew; None where there is no such thing. Raises TallyError."""
    from sigstore.oidc import IdentityError, detect_credential

    try:
        found = detect_credential()
    except (IdentityError, OSError) as error:
        raise TallyError(
            f"this CI job has no identity to sign with: {in_short(error)}", hint=_WAYS
        ) from error
    return None if found is None else login_of(found, Origin.AMBIENT)


def login_of(raw: str, origin: Origin) -> Login:
    """What a token says. Raises TallyError for one that is expired, for another audience, or none at all."""
    from sigstore.oidc import IdentityError, IdentityToken

    try:
        token = IdentityToken(raw.strip())
        claims = read(urlsafe_b64decode(raw.strip().split(".")[1] + "=="), "the identity token")
        if not isinstance(token.issuer, str):
            raise ValueError(f"its issuer is {token.issuer!r}")
        return Login(
            token=token,
            origin=origin,
            issuer=token.federated_issuer,
            names=_names(token.issuer, claims),
            audiences=_audiences(claims.get("aud")),
            expires=datetime.fromtimestamp(claims["exp"], UTC),
        )
    except IdentityError as error:
        why = in_short(error.__cause__ or error)
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
    ) as error:
        why = in_short(error)
    raise TallyError(
        f"the identity token is good for nothing: {why}",
        hint="get a new one, for the audience `sigstore`; tokens end after some minutes",
    )


def _names(issuer: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """What Fulcio puts into a certificate for this token's holder, as far as it follows from the token."""
    if issuer == _GITHUB:
        found = [f"https://github.com/{claims['job_workflow_ref']}"] if "job_workflow_ref" in claims else []
    elif "ci_config_ref_uri" in claims:  # GitLab's
        found = [f"https://{claims['ci_config_ref_uri']}"]
    else:
        address = claims.get("email") if claims.get("email_verified", True) is True else None
        found = [str(each) for each in (address, claims.get("sub")) if each]
    return tuple(name for name in found if is_name(name))


def _audiences(said: object) -> tuple[str, ...]:
    return tuple(map(str, said)) if isinstance(said, list) else (str(said),)


def _from_descriptor(number: int) -> str:
    try:
        with os.fdopen(number, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise TallyError(
            f"file descriptor {number} cannot be read: {why(error)}", hint="for instance 3<file"
        ) from error
    if not data.strip() or len(data) > _LARGEST or not data.isascii():
        raise TallyError(f"file descriptor {number} gave no identity token")
    return data.decode("ascii")


def ask(instance: Instance, say: Say) -> Login:
    """Whoever is at the terminal, by a browser. Raises TallyError when nobody is."""
    from sigstore.errors import Error
    from sigstore.oidc import Issuer, IssuerError

    if not sys.stdin or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise TallyError("there is no identity to sign with", hint=_WAYS)
    say(
        "you will log in to sign: your name, which may be an e-mail address, is then in a public log for good"
        if instance.public
        else f"you will log in to sign: your name is then in the log of {instance.name} for good"
    )
    address = instance.oidc_address
    try:
        token = Issuer(address).identity_token()
    except (Error, IssuerError, OSError, ValueError, KeyError, EOFError) as error:
        raise TallyError(f"the login at {address} failed: {in_short(error)}", hint=_WAYS) from error
    return login_of(str(token), Origin.ASKED)
