"""Keys that are elsewhere: what they give counts only if it holds, and what is missing has a way out.

Tokens and clouds themselves are in tests/integration/test_tokens.py and test_clouds.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from orchestrator.ground.errors import TallyError
from orchestrator.keys import addressed, signers, token
from orchestrator.keys.dsse import pae
from orchestrator.keys.key import SigningKey
from orchestrator.keys.kinds import Kind
from orchestrator.keys.signers import RemoteKey

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def with_large_s(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, max(s, ORDER - s))


def test_every_signature_has_the_one_form() -> None:
    key = SigningKey.generate()
    remote = RemoteKey(key.public, "the token", lambda data: with_large_s(key.sign(data)))
    signature = remote.sign(b"data")
    assert not key.public.wrote(remote.ask(b"data"))
    assert key.public.wrote(signature)
    assert key.public.verifies(signature, b"data")


@pytest.mark.parametrize("kind", [Kind.P256, Kind.ED25519])
@pytest.mark.parametrize(
    "harm",
    [
        lambda key, data: SigningKey.generate(key.public.kind).sign(data),
        lambda key, data: key.sign(data + b"!"),
        lambda key, data: key.sign(data)[:-1],
        lambda key, data: b"",
        lambda key, data: b"0" * 64,
    ],
    ids=["by another key", "of other data", "cut short", "empty", "rubbish"],
)
def test_what_does_not_hold_is_no_signature(kind: Kind, harm: Callable[[SigningKey, bytes], bytes]) -> None:
    key = SigningKey.generate(kind)
    with pytest.raises(TallyError, match="what the token gave is no signature"):
        RemoteKey(key.public, "the token", lambda data: harm(key, data)).sign(b"data")


def test_the_trial_is_no_envelope() -> None:
    """What is signed to see that a key is there can be passed off as no statement."""
    assert not pae("application/vnd.in-toto+json", b"").startswith(addressed._TRIAL[:6])
    assert not addressed._TRIAL.startswith(b"{")


@pytest.mark.parametrize("kind", [Kind.P256, Kind.ED25519])
def test_public_keys_of_securesystemslib_are_ours(kind: Kind) -> None:
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # exported all the same

    public = SigningKey.generate(kind).public
    theirs = SSlibKey.from_crypto(load_der_public_key(public.spki))
    found = signers.public_key(theirs.keytype, theirs.scheme, theirs.keyval["public"], "the token")
    assert found == public


def test_a_p384_key_is_refused_by_its_name() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # exported all the same

    theirs = SSlibKey.from_crypto(ec.generate_private_key(ec.SECP384R1()).public_key())
    with pytest.raises(TallyError, match="of another kind: ecdsa-sha2-nistp384"):
        signers.public_key(theirs.keytype, theirs.scheme, theirs.keyval["public"], "the token")


WITHOUT = """
import sys
for name in {modules!r}:
    sys.modules[name] = None  # what an import finds where a package is not installed
sys.argv = ["tally", "keys", "show", {address!r}]
from orchestrator.cli.main import run
run()
"""


@pytest.mark.parametrize(
    ("address", "module", "extra"),
    [
        ("awskms:alias/release", "boto3", "'securesystemslib[awskms]'"),
        ("azurekms://v.vault.azure.net/k", "azure", "'securesystemslib[azurekms]'"),
        (
            "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "google.cloud.kms",
            "'securesystemslib[gcpkms]'",
        ),
        ("hashivault://release", "hvac", "'securesystemslib[vault]'"),
        (f"pkcs11:object=a?module-path={Path(__file__)}", "pkcs11", "python-pkcs11"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(address: str, module: str, extra: str) -> None:
    code = WITHOUT.format(modules=[module], address=address)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"hint: pipx inject tallystick {extra};" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PinIncorrect", "is not opened by this PIN"),
        ("PinLocked", "is locked"),  # SoftHSM never locks itself, cards do
        ("DeviceRemoved", "was pulled out"),
        ("TokenNotPresent", "is not there any more"),
        ("FunctionFailed", "cannot be used: FunctionFailed"),
    ],
)
def test_what_tokens_say_is_explained(name: str, said: str) -> None:
    exceptions = pytest.importorskip("pkcs11.exceptions")
    found = token.explained(getattr(exceptions, name)(), "the token 'release'")
    assert f"the token 'release' {said}" in found.message
    assert found.hint


def test_each_explanation_is_of_an_error_that_there_is() -> None:
    exceptions = pytest.importorskip("pkcs11.exceptions")
    assert all(issubclass(getattr(exceptions, name), exceptions.PKCS11Error) for name in token._SAID)
