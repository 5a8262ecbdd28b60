"""Keys in the key management of clouds, by securesystemslib's signers.

Each cloud's own library finds the credentials, in the places that the cloud's documentation names.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from orchestrator.ground.errors import TallyError
from orchestrator.ground.key_address import CloudKey
from orchestrator.keys.signers import RemoteKey, public_key

_EXTRAS = {
    # scheme: securesystemslib's extra, and the modules that it brings
    "awskms": ("awskms", ("boto3",)),
    "azurekms": ("azurekms", ("azure.identity", "azure.keyvault.keys")),
    "gcpkms": ("gcpkms", ("google.cloud.kms",)),
    "hv": ("vault", ("hvac",)),
}
T = TypeVar("T")
_SHOWN = 400  # characters of what a cloud's library says


def opened(address: CloudKey) -> RemoteKey:
    """The key that the address names. Raises TallyError."""
    _refuse_without_its_library(address)
    for noisy in ("azure", "botocore", "securesystemslib"):  # what they log is in the errors that they raise
        logging.getLogger(noisy).addHandler(logging.NullHandler())
    from securesystemslib.signer import (  # type: ignore[attr-defined]  # exported all the same
        AWSSigner,
        AzureSigner,
        GCPSigner,
        Signer,
        VaultSigner,
    )

    def found() -> tuple[str, Any]:
        match address.scheme:
            case "awskms":
                return AWSSigner.import_(address.key)
            case "azurekms":
                return AzureSigner.import_(str(address.vault), address.key)
            case "gcpkms":
                return GCPSigner.import_(f"{address.key}/cryptoKeyVersions/{address.version}")
            case _:
                return VaultSigner.import_(address.key)

    uri, public = _asked(address, found)
    if address.version not in (None, uri.rpartition("/")[2]):
        raise TallyError(
            f"{address} is not the newest version of that key, which securesystemslib's signer takes: {uri}",
            hint="name the newest version, or none; an older one's public half is where `keys show` put it",
        )
    ours = public_key(public.keytype, public.scheme, public.keyval["public"], str(address))
    signer = _asked(address, lambda: Signer.from_priv_key_uri(uri, public))

    def sign(data: bytes) -> bytes:
        return bytes.fromhex(_asked(address, lambda: signer.sign(data)).signature)

    return RemoteKey(ours, str(address), sign)


def _refuse_without_its_library(address: CloudKey) -> None:
    extra, modules = _EXTRAS[address.scheme]
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError as error:
        raise TallyError(
            f"signing with {address.scheme} needs the package of {error.name or modules[0]}",
            hint=f"pipx inject tallystick 'securesystemslib[{extra}]'; without pipx, install it beside tally",
        ) from error


def _asked(address: CloudKey, what: Callable[[], T]) -> T:
    try:
        return what()
    except Exception as error:
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise TallyError(
            f"{address} cannot be used: {said[:_SHOWN]}",
            hint="see that the credentials, the region and the address are those of a key that you may use",
        ) from error
