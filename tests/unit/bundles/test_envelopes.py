"""DSSE envelopes and Sigstore bundles: exact bytes out, strict reading in."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as TheirEnvelope

from orchestrator.bundles import bundle as any_bundle
from orchestrator.bundles import opening, own_bundle
from orchestrator.evidence.canonical import ENVELOPE_MARKS, MalformedError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.signing import bundling

KEY = SigningKey.generate()


def test_the_protocols_own_test_vector() -> None:
    """protocol.md of DSSE v1.0.2, "Test Vectors"."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.text(max_size=40), st.binary(max_size=200))
def test_what_is_signed_is_what_securesystemslib_signs(kind: str, payload: bytes) -> None:
    assert dsse.pae(kind, payload) == TheirEnvelope(payload, kind, {}).pae()


@given(st.binary(max_size=200), st.text(max_size=20))
def test_an_envelope_is_read_back_as_it_was(payload: bytes, keyid: str) -> None:
    envelope = dsse.sign("a type", payload, KEY, keyid=keyid)
    assert dsse.parse(envelope.document(), "it") == envelope
    assert dsse.signed_by(envelope, KEY.public)


def test_a_bundle_is_read_back_as_it_was() -> None:
    made = bundling.sign(b"{}", KEY)
    assert own_bundle.parse(made.render(), "it") == made


@pytest.mark.parametrize(
    "parse",
    [
        own_bundle.parse,
        any_bundle.parse,
        lambda data, name: opening.open_link(data, name, [KEY.public]),
        lambda data, name: opening.open_layout({name: data}, [KEY.public], {}),
    ],
    ids=["our bundle", "any bundle", "a link", "a layout"],
)
def test_a_flood_of_values_is_refused_before_it_is_parsed(parse: Callable[[bytes, str], object]) -> None:
    flood = b"[" + b",".join([b"{}"] * ENVELOPE_MARKS) + b"]"
    with pytest.raises(MalformedError, match="more values than we read"):
        parse(flood, "links/root.layout")


def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bundling.sign(b'{"a": 1}', KEY).render())
    return found


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, Change] = {
    "another media type": lambda d: d.update(
        mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2"
    ),
    "no media type": lambda d: d.pop("mediaType"),
    "an unknown member": lambda d: d.update(extra=1),
    "no material": lambda d: d.pop("verificationMaterial"),
    "a certificate": lambda d: d["verificationMaterial"].update(certificate={"rawBytes": ""}),
    "a log entry": lambda d: d["verificationMaterial"].update(tlogEntries=[{}]),
    "no hint": lambda d: d["verificationMaterial"]["publicKey"].pop("hint"),
    "a hint that is a number": lambda d: d["verificationMaterial"]["publicKey"].update(hint=1),
    "no envelope": lambda d: d.pop("dsseEnvelope"),
    "an envelope that is a list": lambda d: d.update(dsseEnvelope=[]),
    "another payload type": lambda d: d["dsseEnvelope"].update(payloadType="text/plain"),
    "base64 with a space": lambda d: d["dsseEnvelope"].update(payload="e30 ="),
    "base64 without padding": lambda d: d["dsseEnvelope"].update(payload="e30"),
    "base64 with other last bits": lambda d: d["dsseEnvelope"].update(payload="e31="),
    "base64url": lambda d: d["dsseEnvelope"].update(
        payload=b64encode(b"\xfb\xff").decode().replace("+", "-")
    ),
    "a payload that is not ASCII": lambda d: d["dsseEnvelope"].update(payload="é"),
    "an unknown member in a signature": lambda d: d["dsseEnvelope"]["signatures"][0].update(cert="x"),
    "two signatures": lambda d: d["dsseEnvelope"].update(signatures=d["dsseEnvelope"]["signatures"] * 2),
    "signatures that are an object": lambda d: d["dsseEnvelope"].update(signatures={}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_bundles_that_are_none(change: str) -> None:
    document = _document()
    CHANGES[change](document)
    with pytest.raises(MalformedError, match="it"):
        own_bundle.parse(json.dumps(document).encode(), "it")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
def test_no_document_makes_the_reader_fall(document: object) -> None:
    with pytest.raises(MalformedError):
        own_bundle.parse(json.dumps(document).encode(), "it")
