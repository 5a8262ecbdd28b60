"""No password and no token of an address gets into a sentence, whatever the sentence is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ground.errors import TallyError
from orchestrator.ground.secrets import without_secrets

SCHEMES = [
    "http",
    "https",
    "ftp",
    "git+https",
    "ssh",
    "ssh-ng",
    "oci",
    "s3",
    "hashivault",
    "socks5",
    "mirror",
]
WORD = st.text("abcXYZ019.~!$*+-_%", min_size=1, max_size=8)


@given(
    st.sampled_from(SCHEMES),
    WORD,
    st.text("abc019/?#@:'\"<>", max_size=6),
    st.sampled_from(["h", "h.example:80", "[::1]:8080"]),
    st.sampled_from(["", "/", "/a/b", "/@scope/x", "/x@" + "c" * 40]),
)
def test_a_password(scheme: str, user: str, odd: str, host: str, path: str) -> None:
    """Also one with what ends an authority in it, unless nobody can tell it from a port and a path."""
    address = f"{scheme}://{user}:s3cret{odd}@{host}{path}"
    for said in (f"{address} gave nothing", f"'{address}': no", f"a\nb {address}"):
        shown = without_secrets(said)
        assert "s3cret" not in shown
        error = TallyError(said, hint=f"look at {address}")
        assert "s3cret" not in f"{error}{error.message}{error.hint}{error!r}"


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Signature", "X-Amz-Security-Token", "token", "access_token", "sig", "api_key", "password", "key",
     "X-Goog-Signature", "X-Amz-Credential", "client_secret", "AWSAccessKeyId"],
)  # fmt: skip
@pytest.mark.parametrize(
    "around", ["https://h/x?{}", "https://h/x?a=b&{}", "https://h/x#{}", "s3://b?{}&c=d"]
)
def test_a_token_in_a_query(name: str, around: str) -> None:
    shown = without_secrets(f"{around.format(f'{name}=s3cret')} gave nothing")
    assert "s3cret" not in shown
    assert f"{name}=…" in shown and shown.endswith(" gave nothing")


@pytest.mark.parametrize(
    "text",
    [
        "https://h.example:8443/x?file=a#y",
        "https://h/@scope/x",
        "git+https://h/p@" + "c" * 40,
        "mirror://npm/@scope/x",
        "ssh-ng://build@b.example.org",
        "ssh://git@h:2222/x",
        "a sentence: with @ and /",
        "pkcs11:token=a;object=b",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_a_key_that_was_taken_for_a_file() -> None:
    assert without_secrets("cannot read hashivault:/u:s3cret@h/key") == "cannot read hashivault:/h/key"


def test_a_user_alone_can_be_a_token() -> None:
    assert without_secrets("https://ghp_s3cret@h/x") == "https://h/x"
