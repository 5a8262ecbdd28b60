"""Where a signing key is: a PEM file, a PKCS#11 token, or a cloud's key management.

Tokens are named as in RFC 7512; clouds as by securesystemslib's signers, and as cosign does where it differs.
Pure: nothing here looks whether a key is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes

from orchestrator.ground.errors import TallyError

PKCS11 = "pkcs11"
_CLOUDS = {
    # as cosign writes what securesystemslib calls otherwise, or otherwise laid out
    "awskms": r"(?:///)?(?P<key>[A-Za-z0-9][A-Za-z0-9:/_-]*)",
    "azurekms": r"//(?P<vault>[A-Za-z0-9-]+)\.vault\.azure\.net/(?:keys/)?(?P<key>[A-Za-z0-9-]+)"
    r"(?:/(?P<version>[0-9A-Za-z]+))?",
    "gcpkms": r"(?://)?(?P<key>projects/[^/?#]+/locations/[^/?#]+/keyRings/[^/?#]+/cryptoKeys/[^/?#]+)"
    r"/(?:cryptoKeyVersions|versions)/(?P<version>[0-9]+)",
    "hv": r"(?P<key>[A-Za-z0-9_.-]+)(?:/(?P<version>[0-9]+))?",
    "hashivault": r"//(?P<key>[A-Za-z0-9_.-]+)(?:/(?P<version>[0-9]+))?",
}
SCHEMES = (PKCS11, *_CLOUDS)
_EXAMPLES = {
    "awskms": "awskms:alias/NAME, or awskms: and a key's id or ARN",
    "azurekms": "azurekms://VAULT.vault.azure.net/KEY",
    "gcpkms": "gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1",
    "hv": "hv:KEY or hv:KEY/VERSION",
    "hashivault": "hashivault://KEY",
}
_LOGIN = {
    "awskms": "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "azurekms": "credentials come from AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID",
    "gcpkms": "credentials come from GOOGLE_APPLICATION_CREDENTIALS, a file, or `gcloud auth`",
    "hv": "the server is in VAULT_ADDR, and its token in VAULT_TOKEN",
    "hashivault": "the server is in VAULT_ADDR, and its token in VAULT_TOKEN",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
TOKEN_ATTRIBUTES = ("token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type")
QUERY_ATTRIBUTES = ("module-path", "pin-source")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key pair in a PKCS#11 token (RFC 7512). What is None may be anything, so long as one key matches."""

    text: str
    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot: int | None = None
    label: str | None = None
    """CKA_LABEL of the key, `object` in the address."""
    id: bytes | None = None
    """CKA_ID of the key."""
    module: Path | None = None
    """The library that speaks to the token."""
    pin_source: Path | None = None
    """The file that holds the PIN."""

    @property
    def name(self) -> str:
        """What people call the key."""
        return self.label or f"id {(self.id or b'').hex()}"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class CloudKey:
    """A key that never leaves a cloud's key management. `scheme` is securesystemslib's."""

    text: str
    scheme: str
    key: str
    vault: str | None = None
    version: str | None = None

    @property
    def name(self) -> str:
        """What people call the key: the last part of its address, with its version where that says one."""
        name = self.key.rpartition("/")[2]
        return name if self.version is None else f"{name}, version {self.version}"

    def __str__(self) -> str:
        return self.text


KeyAddress = Path | TokenKey | CloudKey


def is_address(text: str) -> bool:
    """Whether this names a key by a scheme, and not a file. A file `a:b` is named `./a:b`."""
    return _SCHEME.fullmatch(text) is not None


def parse(text: str) -> KeyAddress:
    """Raises TallyError for an address that no signer takes, which tells nothing that could be a PIN."""
    match = _SCHEME.fullmatch(text)
    if match is None:
        return Path(text)
    scheme, rest = match[1].lower(), match[2]
    if scheme == PKCS11:
        return _token(text, rest)
    if scheme not in _CLOUDS:
        raise TallyError(
            f"no keys are known by the scheme {match[1]}:",
            hint=f"known are {', '.join(f'{each}:' for each in SCHEMES)}; "
            "write a file of such a name as ./NAME",
        )
    if "@" in rest or "?" in rest:
        raise TallyError(
            f"the {scheme} address has a user, a password or a token in it, where every process and every"
            " log can read it",
            hint=f"leave it out, and change what was in the open; {_LOGIN[scheme]}",
        )
    found = re.fullmatch(_CLOUDS[scheme], rest)
    if found is None:
        raise TallyError(f"{text} is no {scheme} address", hint=f"write {_EXAMPLES[scheme]}")
    parts = found.groupdict()
    return CloudKey(
        text,
        "hv" if scheme == "hashivault" else scheme,
        parts["key"],
        parts.get("vault"),
        parts.get("version"),
    )


def _token(text: str, rest: str) -> TokenKey:
    """RFC 7512, section 2.3. Attributes that are not known, which it leaves to the consumer, are refused."""
    path, _, query = rest.partition("?")
    # before anything else is said about the address
    if any(part.partition("=")[0] == "pin-value" for part in re.split("[;&?]", rest)):
        raise TallyError(
            "the PKCS#11 address has the PIN in it, where every process and every log can read it",
            hint="take pin-value out, and change the PIN, which was in the open; it is asked for, or "
            "comes from --passphrase-fd, TALLY_KEY_PASSPHRASE or pin-source=file:/…",
        )
    found = _attributes(path, ";", TOKEN_ATTRIBUTES, "before the ?")
    asked = _attributes(query, "&", QUERY_ATTRIBUTES, "after the ?")
    if found.get("type", b"private") not in (b"private", b"public"):
        raise _wrong("type", "private or public, a key pair's halves")
    if not found.keys() & {"object", "id"}:
        raise TallyError(
            "the PKCS#11 address does not say which key", hint="add object=LABEL, id=%01, or both"
        )
    slot = _text(found, "slot-id")
    if slot is not None and not re.fullmatch(r"[0-9]{1,10}", slot):
        raise _wrong("slot-id", "a number")
    return TokenKey(
        text,
        token=_text(found, "token"),
        serial=_text(found, "serial"),
        manufacturer=_text(found, "manufacturer"),
        model=_text(found, "model"),
        slot=None if slot is None else int(slot),
        label=_text(found, "object"),
        id=found.get("id"),
        module=_file(asked, "module-path"),
        pin_source=_file(asked, "pin-source", "file:"),
    )


def _attributes(text: str, separator: str, known: tuple[str, ...], where: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name not in known or not equals:
            shown = name if equals and re.fullmatch(r"[a-z0-9-]{1,32}", name) else "something else"
            raise TallyError(
                f"the PKCS#11 address has {shown} {where}", hint=f"known there are {', '.join(known)}"
            )
        if name in found:
            raise TallyError(f"the PKCS#11 address has {name} twice", hint="RFC 7512 allows it once")
        if re.search(r"%(?![0-9A-Fa-f]{2})", value) or not value.isascii() or not value.isprintable():
            raise _wrong(name, "printable ASCII, and %41 for any other byte")
        found[name] = unquote_to_bytes(value)
    return found


def _text(found: Mapping[str, bytes], name: str) -> str | None:
    if name not in found:
        return None
    try:
        text = found[name].decode()
    except UnicodeDecodeError:
        raise _wrong(name, "UTF-8") from None
    if not text.isprintable():
        raise _wrong(name, "printable")
    return text


def _file(found: Mapping[str, bytes], name: str, prefix: str = "") -> Path | None:
    """A file by a whole path: a relative one would depend on where the command is run."""
    text = _text(found, name)
    if text is None:
        return None
    text = text.removeprefix(prefix).removeprefix("//") if prefix else text
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts:
        raise _wrong(name, f"{prefix}/ and a whole path, without ..")
    return Path(path)


def _wrong(name: str, wanted: str) -> TallyError:
    return TallyError(f"the PKCS#11 address's {name} is none", hint=f"{name} is {wanted}")
