"""What other operators signed: whose vote it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from orchestrator.evidence import builds
from orchestrator.evidence.canonical import render
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.stories.exchange import merge

DERIVATION = f"/nix/store/{'a' * 32}-app.drv"


def built(machine: str | None, content: str = "one") -> Entry:
    known = Known("b", "signed", machine_id=machine, proven=True)
    made = {"out": Made(f"/nix/store/{'b' * 32}-app", NarHash.of(content.encode()), 120, ())}
    return Entry("1", known, DERIVATION, How.BUILT, made)


def exported(place: Path, key: SigningKey, entries: Iterable[Entry]) -> Path:
    envelope = dsse.sign(IN_TOTO_PAYLOAD, builds.payload_of(list(entries)), key, keyid=key.public.keyid)
    place.write_bytes(render(envelope.document()))
    return place


def test_a_key_has_one_operator(tmp_path: Path) -> None:
    state, key = State(tmp_path / "state"), SigningKey.generate()
    file = exported(tmp_path / "ledger", key, [built("m")])
    assert merge(state, file, "alice", [key.public]).new
    assert not merge(state, file, " alice ", [key.public]).new, "blanks make no second operator"
    other = SigningKey.generate()
    with pytest.raises(TallyError, match="is that of the operator alice") as caught:
        merge(state, file, "bob", [other.public, key.public])
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("give --operator alice")
    assert merge(state, exported(tmp_path / "second", other, [built("n")]), "bob", [other.public]).new
