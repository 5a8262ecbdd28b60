"""Addresses of keys: what names a file, a token or a cloud, and what is refused without telling a PIN."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ground.errors import TallyError
from orchestrator.ground.key_address import CloudKey, TokenKey, is_address, parse

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
SECRET = "271828"


@pytest.mark.parametrize(
    "text", ["release.key", "keys/release.key", "/etc/keys/a:b", "./a:b", "~/x", "", "ä:b"]
)
def test_a_file(text: str) -> None:
    assert not is_address(text)
    assert parse(text) == Path(text)


def test_everything_that_a_token_can_be_named_by() -> None:
    text = (
        "pkcs11:token=My%20token;serial=01%3A02;manufacturer=SoftHSM%20project;model=v2;slot-id=485181115;"
        f"object=rel%C3%A9ase;id=%01%ff;type=private?module-path={MODULE}&pin-source=file:/run/pin"
    )
    assert parse(text) == TokenKey(
        text,
        token="My token",
        serial="01:02",
        manufacturer="SoftHSM project",
        model="v2",
        slot=485181115,
        label="reléase",
        id=b"\x01\xff",
        module=Path(MODULE),
        pin_source=Path("/run/pin"),
    )


@pytest.mark.parametrize("source", ["file:/run/pin", "file:///run/pin", "/run/pin"])
def test_a_pins_file(source: str) -> None:
    found = parse(f"pkcs11:object=a?pin-source={source}")
    assert isinstance(found, TokenKey)
    assert found.pin_source == Path("/run/pin")


@pytest.mark.parametrize(
    "text", ["pkcs11:id=%2e.%2e", "PKCS11:id=%01", "pkcs11:object=a", "pkcs11:object=a?"]
)
def test_little_is_enough_for_a_token(text: str) -> None:
    assert isinstance(parse(text), TokenKey)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pkcs11:", "does not say which key"),
        ("pkcs11:token=a;type=private", "does not say which key"),
        ("pkcs11:object=a;object=b", "object twice"),
        ("pkcs11:object=a;colour=red", "has colour before the [?]"),
        ("pkcs11:object=a;library-version=2", "has library-version before the [?]"),
        ("pkcs11:object=a;pin-source=/x", "has pin-source before the [?]"),
        ("pkcs11:object=a?object=b", "has object after the [?]"),
        ("pkcs11:object=a?module-name=softhsm2", "has module-name after the [?]"),
        ("pkcs11:object=a;x-vendor=1", "has x-vendor"),
        ("pkcs11:object", "something else"),
        ("pkcs11:object=a;type=cert", "type is none"),
        ("pkcs11:object=a;slot-id=one", "slot-id is none"),
        ("pkcs11:object=a%0Ab", "object is none"),
        ("pkcs11:object=%zz", "object is none"),
        ("pkcs11:object=%", "object is none"),
        ("pkcs11:object=%ff", "object is none"),
        ("pkcs11:object=a\x1b[2J", "object is none"),
        ("pkcs11:object=a?module-path=lib/p11.so", "module-path is none"),
        ("pkcs11:object=a?module-path=../../tmp/evil.so", "module-path is none"),
        ("pkcs11:object=a?module-path=/usr/lib/../../tmp/evil.so", "module-path is none"),
        ("pkcs11:object=a?module-path=/usr/lib/%2e%2e/%2E%2E/tmp/evil.so", "module-path is none"),
        ("pkcs11:object=a?module-path=", "module-path is none"),
        ("pkcs11:object=a?pin-source=pin", "pin-source is none"),
        ("pkcs11:object=a?pin-source=|cat /etc/pin", "pin-source is none"),
        ("pkcs11:object=a?pin-source=https://example.org/pin", "pin-source is none"),
        ("pkcs11:object=a?pin-source=file:/run/../etc/pin", "pin-source is none"),
    ],
)
def test_a_token_that_is_named_wrongly(text: str, said: str) -> None:
    with pytest.raises(TallyError, match=said) as refused:
        parse(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        f"pkcs11:object=a?pin-value={SECRET}",
        f"pkcs11:object=a;pin-value={SECRET}",
        f"pkcs11:object=a;pin-value={SECRET};object=b?colour=red",
        f"pkcs11:?module-path=..&pin-value={SECRET}",
        # mistyped, the PIN is as much in the open, and must not be told either
        f"pkcs11:object=a?pin-valeu={SECRET}",
        f"pkcs11:object=a?pin%2Dvalue={SECRET}",
        f"pkcs11:object=a?{SECRET}",
        f"pkcs11:object=a?pin-source={SECRET}",
        f"pkcs11:object=a?pin-source=file:{SECRET}",
        f"pkcs11:object=a;type={SECRET}",
        f"pkcs11:object=a;slot-id=x{SECRET}",
    ],
)
def test_a_pin_in_the_open_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(TallyError) as refused:
        parse(text)
    assert SECRET not in f"{refused.value.message}{refused.value.hint}"
    if "pin-value=" in text:
        assert "PIN in it" in refused.value.message
        assert "--passphrase-fd" in str(refused.value.hint)


ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GCP = "projects/p/locations/global/keyRings/r/cryptoKeys/k"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("awskms:alias/release", ("awskms", "alias/release", None, None)),
        (f"awskms:{ARN}", ("awskms", ARN, None, None)),
        (f"awskms:///{ARN}", ("awskms", ARN, None, None)),
        (f"gcpkms:{GCP}/cryptoKeyVersions/1", ("gcpkms", GCP, None, "1")),
        (f"gcpkms://{GCP}/cryptoKeyVersions/1", ("gcpkms", GCP, None, "1")),
        (f"gcpkms://{GCP}/versions/2", ("gcpkms", GCP, None, "2")),
        ("azurekms://v.vault.azure.net/k", ("azurekms", "k", "v", None)),
        ("azurekms://v.vault.azure.net/keys/k/0a1b", ("azurekms", "k", "v", "0a1b")),
        ("hv:release", ("hv", "release", None, None)),
        ("hv:release/3", ("hv", "release", None, "3")),
        ("hashivault://release", ("hv", "release", None, None)),
    ],
)
def test_clouds_in_securesystemslibs_words_and_in_cosigns(
    text: str, wanted: tuple[str, str, str | None, str | None]
) -> None:
    assert parse(text) == CloudKey(text, *wanted)


@pytest.mark.parametrize(
    "text",
    [
        "awskms:",
        "awskms://localhost:4566/alias/release",  # cosign's other endpoint: AWS_ENDPOINT_URL says it
        "awskms:alias/release?region=x",
        f"gcpkms:{GCP}",
        "gcpkms:projects/p",
        "gcpkms:projects/p/../x/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
        "azurekms:v/k",
        "azurekms://v.example.org/k",
        "azurekms://v.vault.azure.net@example.org/k",
        "hv:a/b/c",
        "hv:../sys/seal",
        "hv:a/latest",
        "hashivault:a",
        "hsm:2",
        "file:release.key",
        "https://example.org/key",
        "k8s://ns/secret",
    ],
)
def test_what_no_signer_takes(text: str) -> None:
    with pytest.raises(TallyError) as refused:
        parse(text)
    assert refused.value.hint


@given(st.text(max_size=60))
def test_any_other_text_is_a_file_or_refused_with_a_hint(text: str) -> None:
    for address in (text, f"pkcs11:{text}", f"pkcs11:object=a?{text}", f"awskms:{text}", f"hv:{text}"):
        assert hint_for(address) != ""


def hint_for(address: str) -> str | None:
    """The way out of a refusal; None where there is none."""
    try:
        parse(address)
    except TallyError as error:
        return error.hint or ""
    return None


@pytest.mark.parametrize(
    "text",
    [
        "hashivault://u:s3cret@h/key",
        "hashivault://s3cret@key",
        "hv:u:s3cret@key",
        "awskms://AKIA:s3cret@/alias/x",
        "awskms:///alias/x?aws_secret=s3cret",
        "azurekms://u:s3cret@v.vault.azure.net/k",
        "azurekms://v.vault.azure.net/k?sig=s3cret",
        "gcpkms://u:s3cret@projects/p/locations/l/keyRings/r/cryptoKeys/k/versions/1",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(TallyError, match="in it, where every process") as caught:
        parse(text)
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"
    assert "_" in str(caught.value.hint), "it says where they come from"
