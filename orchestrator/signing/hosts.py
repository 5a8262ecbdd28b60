"""A builder's host as the signer of its own link: it holds the key, and we see that it signed our bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.evidence.canonical import MalformedError, read_envelope
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey


@dataclass(frozen=True)
class HostSigner:
    """Signs by asking; `public` is the key that it must answer with."""

    public: PublicKey
    ask: Callable[[bytes], bytes]
    """Takes a link, and gives the envelope that `tally attest` printed on the host. Raises TallyError."""
    name: str

    def sign(self, payload: bytes) -> Envelope:
        """The payload in the host's envelope. Raises TallyError for any other answer."""
        what = f"the answer of builder {self.name}'s `tally attest`"
        try:
            envelope = dsse.parse(read_envelope(self.ask(payload), what), what)
        except MalformedError as error:
            raise TallyError(f"refusing to sign: {error}") from error
        if (envelope.payload_type, envelope.payload) != (IN_TOTO_PAYLOAD, payload):
            raise TallyError(f"refusing to sign: {what} is not about the link that it was given")
        keyids = [each.keyid for each in envelope.signatures]
        if keyids != [self.public.keyid] or not dsse.signed_by(envelope, self.public):
            raise TallyError(
                f"refusing to sign: {what} is not signed by the key in `link-key`",
                hint="`tally attest --public-key` on that host prints its key",
            )
        return envelope
