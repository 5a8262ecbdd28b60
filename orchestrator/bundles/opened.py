"""A bundle whose signature holds, and what it says."""

from __future__ import annotations

from orchestrator.bundles.material import Certificates
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.ground.values import dataclass
from orchestrator.keys.key import PublicKey
from orchestrator.policy.evidence import Judged


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """A release's bundle whose signature holds, the key that made it, and what it says."""

    bundle: Bundle
    key: PublicKey
    """One that is trusted; or that of the certificate, which is then trusted in its place."""
    judged: Judged

    @property
    def certified(self) -> bool:
        """Whether an identity signed it: log and times were judged with the certificate."""
        return isinstance(self.bundle.signer, Certificates)
