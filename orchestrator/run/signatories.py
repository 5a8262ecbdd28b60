"""Who signs a run's evidence: the release's key or identity, its witnesses, and the builders' own keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator.builders.builder import Builder
from orchestrator.builders.configuration import Configuration
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.keys import addressed
from orchestrator.keys.key import PublicKey, builder_key
from orchestrator.keys.passphrase import source as passphrase_source
from orchestrator.keys.signers import Signer
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.signer import IdentitySigner
from orchestrator.run.order import Order
from orchestrator.signing.hosts import HostSigner
from orchestrator.signing.keyless import KeylessSigner
from orchestrator.signing.summoning import summoned
from orchestrator.signing.witnesses import NOBODY, Witnesses

Say = Callable[[str], None]
REBUILDER: Final = "rebuilder"
"""How the key's file is called of who makes releases again: it should be another one than the release's."""


@dataclass(frozen=True)
class Signatories:
    """Who signs; all of them were tried before hours are spent on building."""

    key: Signer | KeylessSigner
    witnesses: Witnesses
    """Who vouch for what a key signs; an identity's instance has its own."""
    folder: Path
    """Of the builders' keys that are kept here."""
    hosts: Mapping[str, HostSigner] = field(default_factory=dict)
    """By builder name, those that sign their own links with a key of theirs."""

    @property
    def root(self) -> TrustedRoot | None:
        """What bundles can be checked with, where somebody vouches for them."""
        return self.key.instance.root if isinstance(self.key, KeylessSigner) else self.witnesses.root

    @property
    def signer(self) -> PublicKey | IdentitySigner:
        """Whom a verifier has to trust for what was signed."""
        return self.key.signed_as if isinstance(self.key, KeylessSigner) else self.key.public

    def joined_by(self, builders: Sequence[Builder]) -> Signatories:
        """These, and the hosts among the builders that sign their own links.

        Raises TallyError when a host's public key cannot be read.
        """
        hosts = {
            each.name: HostSigner(PublicKey.load(each.attesting.public), each.attesting.ask, each.name)
            for each in builders
            if each.attesting
        }
        return replace(self, hosts=hosts)

    def of_builders(self, names: Iterable[str]) -> dict[str, Signer | HostSigner]:
        """Who signs each builder's link. Raises TallyError when a key cannot be read or made."""
        return {name: self.hosts.get(name) or builder_key(self.folder, name) for name in names}


def summon(
    order: Order, configuration: Configuration, state: State, say: Say, usual: str = "release"
) -> Signatories | None:
    """Who is to sign, builders' hosts aside; None when nothing is to be signed.

    `usual` is whose key it is, as such a key's file is called. Raises TallyError for a key, an identity, a
    log or an authority that will not do.
    """
    key = _key_of(order, say, usual)
    if key is None:
        return None
    witnesses = NOBODY
    if not isinstance(key, KeylessSigner):
        witnesses = summoned(configuration.signing, state.log, key.public.kind, datetime.now(UTC))
    return Signatories(key, witnesses, state.folder("keys"))


def _key_of(order: Order, say: Say, usual: str) -> Signer | KeylessSigner | None:
    """The key to sign with, or the identity, which has logged in; None when nothing is to be signed."""
    if not order.sign:
        if order.attest_disagreement:
            raise TallyError(
                "a disagreement cannot be attested where nothing is signed",
                hint="leave out --attest-disagreement, or --no-sign and --allow-dirty",
            )
        return None
    if order.keyless is not None:
        return KeylessSigner.opened(order.keyless, say)
    if order.key is None:
        raise TallyError(
            f"there is no {usual} key to sign with",
            hint=f"make one with `tally keys generate keys/{usual}`, and give --key keys/{usual}.key; "
            "or sign with --keyless",
        )
    return addressed.opened(order.key, passphrase_source(order.passphrase_fd))
