"""A host that signs its own link must have signed just that, with just its key."""

from __future__ import annotations

import json

import pytest

from orchestrator.evidence.canonical import render
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.signing.hosts import HostSigner

PAYLOAD = b'{"_type":"link"}'
KEY, OTHER = SigningKey.generate(), SigningKey.generate()


def envelope(payload: bytes = PAYLOAD, key: SigningKey = KEY, kind: str = IN_TOTO_PAYLOAD) -> bytes:
    return render(dsse.sign(kind, payload, key, keyid=key.public.keyid).document())


def asked(answer: bytes) -> HostSigner:
    return HostSigner(KEY.public, lambda _: answer, "red")


def test_its_signature_is_taken() -> None:
    signed = asked(envelope()).sign(PAYLOAD)
    assert signed.payload == PAYLOAD
    assert dsse.signed_by(signed, KEY.public)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"rubbish",
        b"[]",
        envelope(payload=b'{"_type":"another"}'),
        envelope(key=OTHER),
        envelope(kind="text/plain"),
        render({**json.loads(envelope()), "signatures": []}),
        render({**json.loads(envelope(key=OTHER)), "signatures": json.loads(envelope())["signatures"] * 2}),
        render({**json.loads(envelope()), "payloadType": "text/plain"}),
    ],
)
def test_any_other_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(TallyError, match="refusing to sign"):
        asked(answer).sign(PAYLOAD)


def test_a_key_under_anothers_name_is_refused() -> None:
    document = json.loads(envelope(key=OTHER))
    document["signatures"][0]["keyid"] = KEY.public.keyid
    with pytest.raises(TallyError, match="not signed by the key"):
        asked(render(document)).sign(PAYLOAD)
