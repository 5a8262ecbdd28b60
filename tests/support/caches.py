"""Binary caches of the tests' own: keys, narinfos, and folders as Nix serves them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.ground.digest import NarHash
from orchestrator.nix.signature import PublicKey, fingerprint


@dataclass(frozen=True)
class SigningKey:
    """A cache's key, new with every value."""

    name: str
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, compare=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self.private.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """As tally.toml has it."""
        return f"{self.name}:{base64.b64encode(self.public.data).decode()}"

    def sign(self, text: str) -> str:
        return f"{self.name}:{base64.b64encode(self.private.sign(text.encode())).decode()}"


def narinfo_text(
    path: str,
    nar_hash: NarHash,
    nar_size: int,
    references: Sequence[str],
    key: SigningKey | None,
    **changes: object,
) -> bytes:
    """A narinfo; `changes` are made after it was signed, and None leaves a line out."""
    fields: dict[str, object] = {
        "StorePath": path,
        "URL": f"nar/{path[11:43]}.nar",
        "Compression": "none",
        "NarHash": f"sha256:{nar_hash.hex}",
        "NarSize": nar_size,
        "References": " ".join(each.removeprefix("/nix/store/") for each in sorted(references)),
        "Deriver": "unknown-deriver",
    }
    if key is not None:
        fields["Sig"] = key.sign(fingerprint(path, nar_hash, nar_size, references))
    lines = [f"{name}: {value}\n" for name, value in (fields | changes).items() if value is not None]
    return "".join(lines).encode()
