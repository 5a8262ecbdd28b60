"""Binary caches of the tests' own: keys, narinfos, and folders as Nix serves them."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loopback import Server, saying

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


@dataclass
class Binary:
    """A binary cache as files by name: what a server serves, or a folder holds."""

    key: SigningKey
    files: dict[str, bytes] = field(default_factory=lambda: {"nix-cache-info": b"StoreDir: /nix/store\n"})

    def add(
        self,
        path: str,
        nar: bytes,
        references: Sequence[str] = (),
        compression: str = "none",
        **changes: object,
    ) -> None:
        """A path, signed, with its NAR; `changes` of the narinfo are made after that."""
        packed = COMPRESSIONS[compression](nar)
        url = f"nar/{path[11:43]}.nar.{compression}"
        said = {"URL": url, "Compression": compression, "FileSize": len(packed), **changes}
        self.files[url] = packed
        info = narinfo_text(path, NarHash.of(nar), len(nar), references, self.key, **said)
        self.files[f"{path[11:43]}.narinfo"] = info

    def huge(self, path: str, size: int) -> None:
        """Have a path signed as one of so many bytes."""
        info = narinfo_text(path, NarHash.of(path.encode()), size, [], self.key, FileSize=size)
        self.files[f"{path[11:43]}.narinfo"] = info

    def into(self, folder: Path) -> str:
        """The address of a folder with these files."""
        for name, data in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return f"file://{folder}"

    @contextmanager
    def served(self) -> Iterator[Server]:
        """A real server of them on loopback."""
        routes = {f"/{name}": saying(data) for name, data in self.files.items()}
        with Server(routes).running() as server:
            yield server


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "xz": _xz,
    "bzip2": bz2.compress,
    "gzip": gzip.compress,
    "zstd": _zstd,
}


def nar_of(content: bytes) -> bytes:
    """The NAR of a flat file."""

    def string(value: bytes) -> bytes:
        return len(value).to_bytes(8, "little") + value + bytes(-len(value) % 8)

    return b"".join(map(string, (b"nix-archive-1", b"(", b"type", b"regular", b"contents", content, b")")))
