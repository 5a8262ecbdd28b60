"""By whom a release that is published has to be, and who signs where it is published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from orchestrator.policy.policy import Policy
    from orchestrator.policy.signer import IdentitySigner
    from orchestrator.publishing.locations import Stating
    from orchestrator.signing.keyless import KeylessSigner

_MISSING = "give the release key or its public half with --key, or set `signing.key` in tally.toml"


@dataclass(frozen=True)
class Publisher:
    """What the command line says of it."""

    key: str | None
    policy: Path | None
    identity: IdentitySigner | None
    keyless: bool
    passphrase_fd: int | None
    token_fd: int | None


def whom(publisher: Publisher, *, signing: bool | None) -> tuple[Policy, Stating | None]:
    """By what the release has to verify, and who signs its locations. Raises TallyError.

    With `signing` somebody has to; None: whoever has a private key, or was to sign without one, does.
    """
    from orchestrator.policy.policy import trusting

    if publisher.identity is not None and (publisher.key is not None or publisher.policy is not None):
        raise TallyError("--identity stands for --key and --policy", hint="give one of the three")
    if publisher.token_fd is not None and not publisher.keyless:
        raise TallyError("--identity-token-fd is for signing without a key", hint="give --keyless")
    if publisher.keyless and publisher.key is not None:
        raise TallyError("--key and --keyless were both given", hint="give one of the two")
    if publisher.identity is not None:
        policy: Policy | None = trusting([], publisher.identity)
    else:
        policy = None if publisher.policy is None else _loaded(publisher.policy)
    if publisher.keyless:
        if policy is None:
            raise TallyError(
                "nothing says by whom the release has to be: --identity or --policy is missing",
                hint="give --identity, --issuer and --trusted-root, or a policy.toml with --policy",
            )
        return policy, _keyless(publisher)
    return _by_key(publisher, policy, signing=signing)


def _by_key(
    publisher: Publisher, policy: Policy | None, *, signing: bool | None
) -> tuple[Policy, Stating | None]:
    from orchestrator.ground import key_address
    from orchestrator.keys import addressed
    from orchestrator.keys.key import is_private
    from orchestrator.keys.passphrase import source
    from orchestrator.policy.policy import trusting
    from orchestrator.publishing.locations import ByKey

    wanted = publisher.key
    if wanted is None and policy is None:
        from orchestrator.builders.configuration import load  # which takes 0.2 s to import

        wanted = load(Path.cwd()).signing.key
        if wanted is None:
            raise TallyError(
                "nothing says by whom the release has to be: --key or --policy is missing", hint=_MISSING
            )
    if wanted is None:
        assert policy is not None
        if signing:
            raise TallyError("--location needs a key that signs it", hint="give the release key with --key")
        return policy, None
    address, ask = key_address.parse(wanted), source(publisher.passphrase_fd)
    private = not isinstance(address, Path) or is_private(address)
    if signing and not private:
        raise TallyError(
            f"--location needs a private key, and {wanted} is none",
            hint="give the release key with --key, or leave --location out",
        )
    signer = addressed.opened(address, ask) if private and signing is not False else None
    by = None if signer is None else ByKey(signer)
    if policy is not None:
        return policy, by
    public = signer.public if signer is not None else addressed.public_half(address, ask)
    return trusting([public.spki], None), by


def _keyless(publisher: Publisher) -> KeylessSigner:
    """Who logs in, as `signing.keyless` of tally.toml says, or at the public instance."""
    from orchestrator.builders.configuration import load
    from orchestrator.cli.signing_options import signer_of
    from orchestrator.cli.text import say
    from orchestrator.signing.keyless import KeylessSigner

    _, wanted = signer_of(load(Path.cwd()).signing, None, publisher.token_fd, keyless=True)
    assert wanted is not None
    return KeylessSigner.opened(wanted, say, "where the release is published", building=False)


def _loaded(policy: Path) -> Policy:
    from orchestrator.stories.policy_file import load

    return load(policy)
