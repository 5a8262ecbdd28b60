"""Key files: read with a limit, written so that a secret is never open to others and nothing is replaced."""

from __future__ import annotations

from pathlib import Path

from orchestrator.ground import files
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file, shown

HINT = "a key is PEM, ECDSA on the curve P-256 or Ed25519; whoever signs makes one: `tally keys generate`"
_LARGEST = 1 << 16  # a key file takes some hundred bytes
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


PRIVATE, PUBLIC = ".key", ".pub"
"""How the names of the two halves end."""
_BEGINS = {PRIVATE: b"PRIVATE KEY-----", PUBLIC: b"PUBLIC KEY-----"}
_WORDS = {PRIVATE: "private", PUBLIC: "public"}


def read(path: Path) -> bytes:
    """A key file's bytes. Raises TallyError when it cannot be read, or can be no key."""
    return _read(path, PUBLIC)


def half(path: Path, wanted: str) -> bytes:
    """The bytes of a key file that holds the wanted half, `PRIVATE` or `PUBLIC`.

    Raises TallyError also for one that is known to hold the other half, or a certificate.
    """
    data = _read(path, wanted)
    other = PUBLIC if wanted == PRIVATE else PRIVATE
    if _BEGINS[other] in data and _BEGINS[wanted] not in data:
        raise TallyError(
            f"{shown(path)} holds a {_WORDS[other]} key where a {_WORDS[wanted]} one is needed",
            hint=_beside(path, wanted) or f"give the {wanted} file",
        )
    if _CERTIFICATE in data and wanted == PUBLIC:
        raise TallyError(
            f"{shown(path)} holds a certificate where a public key is needed",
            hint="for a signature by an identity give --identity and --issuer; for a key's, the key: "
            "`openssl x509 -pubkey -noout -in FILE` prints the one in a certificate",
        )
    return data


def _read(path: Path, wanted: str) -> bytes:
    data = read_file(path, "the key ", _LARGEST, _beside(path, wanted) or HINT)
    if len(data) > _LARGEST:
        raise TallyError(f"{shown(path)} is far too large for a key", hint=HINT)
    return data


def _beside(path: Path, wanted: str) -> str | None:
    """The way out where the wanted half lies beside a name, as `release.key` beside `release`."""
    near = pair(path)[0 if wanted == PRIVATE else 1]
    try:
        found = near != path and near.is_file()
    except (OSError, ValueError):  # no name of a file
        return None
    return f"did you mean {shown(near)}?" if found else None


def pair(path: Path) -> tuple[Path, Path]:
    """The files of a key: `path`.key and `path`.pub. The name may be given with either suffix."""
    base = path.name.removesuffix(".key").removesuffix(".pub")
    return path.with_name(f"{base}.key"), path.with_name(f"{base}.pub")


def create(path: Path, data: bytes, mode: int) -> None:
    """A new file, whole or not at all, that never replaces another. Raises TallyError."""
    try:
        files.create(path, data, mode=mode)
    except FileExistsError as error:
        raise taken(path) from error


def taken(path: Path, hint: str = "choose another name") -> TallyError:
    """The error for a name that is in use."""
    return TallyError(f"{shown(path)} is there already, and keys are never overwritten", hint=hint)
