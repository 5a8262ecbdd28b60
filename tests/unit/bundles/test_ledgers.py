"""Exported ledgers are told from all else by what base64 has of their type, wherever it begins."""

from __future__ import annotations

from base64 import b64encode

import pytest

from orchestrator.bundles.ledgers import exported
from orchestrator.evidence.terms import BUILDS, BUILDS_1, REPRODUCTION


@pytest.mark.parametrize("before", range(6))
def test_a_ledger_is_found_wherever_its_type_stands(before: int) -> None:
    def envelope(kind: str) -> bytes:
        statement = (
            f'{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{"n" * (1 + before)}",'
            f'"digest":{{"sha256":"{"0" * 64}"}}}}],"predicateType":"{kind}","predicate":{{}}}}'
        )
        payload = b64encode(statement.encode()).decode()
        return (
            f'{{"payload":"{payload}","payloadType":"application/vnd.in-toto+json",'
            '"signatures":[{"keyid":"","sig":"AAAA"}]}'
        ).encode()

    documents = {
        "theirs.json": envelope(BUILDS),
        "earlier.json": envelope(BUILDS_1),
        "other.json": envelope(REPRODUCTION),
    }
    assert exported(documents) == {"theirs.json", "earlier.json"}
