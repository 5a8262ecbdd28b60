"""What a builder's host signs of a disagreement: its own link, where its own store shows that it is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import disagreements
import pytest
import releases

from orchestrator.builders import host
from orchestrator.evidence import disagreement
from orchestrator.evidence.canonical import render
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.stories.attesting import attest


@dataclass
class Registered:
    ultimate: bool = True


@dataclass
class HostStore:
    """A store that holds these paths, with these hashes."""

    held: dict[str, NarHash]
    ultimate: bool = True

    def invalid(self, paths: Iterable[str]) -> set[str]:
        return set(paths) - set(self.held)

    def registrations(self, paths: Sequence[str]) -> dict[str, Registered]:
        return {path: Registered(self.ultimate) for path in paths}

    def nar_hash(self, path: str) -> NarHash:
        return self.held[path]


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, HostStore]:
    """Builder `b`'s link, and its host's store."""
    made = releases.observed(tmp_path)
    observed = disagreements.observed(made)
    report = observed.disagreed.reports[1]
    monkeypatch.setattr(host, "machine_id", lambda: report.identity.machine_id)
    held = {one.path: one.hashes["b"] for one in observed.disagreed.differing}
    return disagreement.link_of(report, observed), HostStore(held)


def test_what_this_host_built_is_signed(link: tuple[bytes, Any]) -> None:
    payload, store = link
    key = SigningKey.generate()
    envelope = attest(payload, store, key)
    assert envelope.payload == payload
    assert dsse.signed_by(envelope, key.public)


HARM: dict[str, Callable[[dict[str, Any], HostStore], object]] = {
    "another machine": lambda link, store: link["predicate"]["environment"]["builder"].update(
        machineIdSha256="0" * 64
    ),
    "another hash": lambda link, store: link["subject"][0]["digest"].update(narSha256="0" * 64),
    "a file's digest": lambda link, store: link["subject"][0]["digest"].update(sha256="0" * 64),
    "a file's digest alone": lambda link, store: link["subject"][0].update(digest={"sha256": "0" * 64}),
    "nothing": lambda link, store: link.update(subject=[]),
    "no name of a NAR": lambda link, store: link["subject"][0].update(name="it"),
    "another type": lambda link, store: link.update(predicateType="https://slsa.dev/provenance/v1"),
    "another step": lambda link, store: link["predicate"].update(name="build"),
    "what it does not hold": lambda link, store: store.held.clear(),
    "what it did not build": lambda link, store: setattr(store, "ultimate", False),
}


@pytest.mark.parametrize("harm", HARM)
def test_anything_else_is_not(link: tuple[bytes, Any], harm: str) -> None:
    payload, store = link
    document = json.loads(payload)
    HARM[harm](document, store)
    with pytest.raises(TallyError, match="refusing to sign"):
        attest(render(document), store, SigningKey.generate())
