"""A log's proof holds for one signature in one log, and nothing that was changed in it passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.log import note, proof
from orchestrator.log.embedded import KEY, EmbeddedLog
from orchestrator.log.entry import InclusionProof, LogEntry, Signed, Verifier, key_verifier
from orchestrator.log.note import Checkpoint
from orchestrator.log.trusted_root import LogInstance, Window
from orchestrator.policy.verdict import Code
from orchestrator.signing.keys import SigningKey

NOW = datetime.now(UTC)


def signed(data: bytes = b"the bytes", key: SigningKey | None = None) -> Signed:
    key = key or SigningKey.generate()
    return Signed(data, key.sign(data), key_verifier(key.public.spki))


@dataclass(frozen=True)
class Logged:
    log: EmbeddedLog
    what: Signed
    entry: LogEntry

    def codes(
        self,
        *entries: LogEntry,
        what: Signed | None = None,
        logs: tuple[LogInstance, ...] | None = None,
        moment: datetime = NOW + timedelta(seconds=1),
    ) -> list[Code]:
        found = proof.reasons(
            "it", entries, what or self.what, (self.log.instance,) if logs is None else logs, moment
        )
        return [each.code for each in found]

    @property
    def proof(self) -> InclusionProof:
        assert self.entry.proof is not None
        return self.entry.proof


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    log = EmbeddedLog.opened(tmp_path_factory.mktemp("log"))
    log.append([b"others"] * 5)
    what = signed()
    (entry, *_) = log.append([what.body(), *([b"later"] * 7)])
    return Logged(log, what, entry)


def test_it_holds(logged: Logged) -> None:
    assert logged.codes(logged.entry) == []


def test_it_holds_in_an_older_and_in_a_newer_tree(logged: Logged, tmp_path: Path) -> None:
    log = EmbeddedLog.opened(tmp_path / "log")
    what = signed()
    (first,) = log.append([what.body()])
    log.append([b"more"] * 3)
    found = proof.reasons("it", [first], what, [log.instance], NOW + timedelta(seconds=5))
    assert list(found) == []


def test_no_entry_is_not_in_the_log(logged: Logged) -> None:
    assert logged.codes() == [Code.NOT_IN_LOG]


def test_an_entry_of_a_log_that_nobody_trusts_is_none(logged: Logged, tmp_path: Path) -> None:
    other = EmbeddedLog.opened(tmp_path / "other")
    (foreign,) = other.append([logged.what.body()])
    assert logged.codes(foreign) == [Code.NOT_IN_LOG]
    assert logged.codes(logged.entry, logs=(other.instance,)) == [Code.NOT_IN_LOG]
    assert logged.codes(logged.entry, logs=()) == [Code.NOT_IN_LOG]
    assert logged.codes(foreign, logged.entry) == []


def test_one_good_entry_does_not_excuse_a_bad_one(logged: Logged) -> None:
    bad = replace(logged.entry, index=1)
    assert logged.codes(logged.entry, bad) == [Code.LOG_PROOF_INVALID]
    assert logged.codes(bad, logged.entry) == [Code.LOG_PROOF_INVALID]


def _proof(**changes: Any) -> Callable[[Logged], LogEntry]:
    return lambda logged: replace(logged.entry, proof=replace(logged.proof, **changes))


def _head(change: Callable[[str], str]) -> Callable[[Logged], LogEntry]:
    return lambda logged: replace(
        logged.entry, proof=replace(logged.proof, checkpoint=change(logged.proof.checkpoint))
    )


HARM: dict[str, Callable[[Logged], LogEntry]] = {
    "another index": lambda logged: replace(logged.entry, index=6),
    "another index, twice": lambda logged: replace(
        logged.entry, index=6, proof=replace(logged.proof, index=6)
    ),
    "another index in the proof": _proof(index=6),
    "another size": _proof(size=12),
    "another root": _proof(root=bytes(32)),
    "no hashes": _proof(hashes=()),
    "a hash of zeros": lambda logged: replace(
        logged.entry, proof=replace(logged.proof, hashes=(bytes(32), *logged.proof.hashes[1:]))
    ),
    "a hash more": lambda logged: replace(
        logged.entry, proof=replace(logged.proof, hashes=(*logged.proof.hashes, bytes(32)))
    ),
    "no proof": lambda logged: replace(logged.entry, proof=None),
    "a promise in place of the proof": lambda logged: replace(logged.entry, proof=None, promise=b"promised"),
    "a promise": lambda logged: replace(logged.entry, promise=b"promised"),
    "a time": lambda logged: replace(logged.entry, integrated_time=1700000000),
    "no body": lambda logged: replace(logged.entry, body=b""),
    "another body": lambda logged: replace(logged.entry, body=b"others"),
    "a body in another form": lambda logged: replace(logged.entry, body=logged.entry.body + b" "),
    "another kind": lambda logged: replace(logged.entry, kind="dsse"),
    "another version": lambda logged: replace(logged.entry, version="0.0.1"),
    "no checkpoint": _head(lambda text: ""),
    "an unsigned checkpoint": _head(lambda text: text.partition("\n\n")[0] + "\n\n"),
    "a larger checkpoint": _head(lambda text: text.replace("\n13\n", "\n14\n")),
    "another origin": _head(lambda text: "x" + text),
    "another name": _head(lambda text: text.replace("— ", "— x")),
    "an extension": _head(lambda text: text.replace("\n\n", "\nmore\n\n")),
    "a signature that is cut": _head(lambda text: text[:-6] + "==\n"),
}


@pytest.mark.parametrize("harm", HARM)
def test_no_harm_goes_unnoticed(logged: Logged, harm: str) -> None:
    changed = HARM[harm](logged)
    assert changed != logged.entry
    assert logged.codes(changed) == [Code.LOG_PROOF_INVALID]


@pytest.mark.parametrize("part", ["data", "signature", "verifier"])
def test_the_entry_is_of_this_signature_alone(logged: Logged, part: str) -> None:
    other = signed(b"other bytes")
    what = replace(logged.what, **{part: getattr(other, part)})
    assert logged.codes(logged.entry, what=what) == [Code.LOG_PROOF_INVALID]


def test_a_body_that_was_made_to_fit_is_not_in_the_tree(logged: Logged) -> None:
    other = signed(b"other bytes")
    assert logged.codes(replace(logged.entry, body=other.body()), what=other) == [Code.LOG_PROOF_INVALID]


def test_a_tree_of_somebody_elses(logged: Logged, tmp_path: Path) -> None:
    """A log with another key, which claims to be the trusted one: by id, by origin, by both."""
    other = EmbeddedLog.opened(tmp_path / "other")
    (foreign,) = other.append([logged.what.body()])
    claimed = replace(foreign, log_id=logged.entry.log_id)
    assert logged.codes(claimed) == [Code.LOG_PROOF_INVALID]
    assert foreign.proof is not None
    renamed = foreign.proof.checkpoint.replace(other.instance.origin, logged.log.instance.origin)
    claimed = replace(claimed, proof=replace(foreign.proof, checkpoint=renamed))
    assert logged.codes(claimed) == [Code.LOG_PROOF_INVALID]


def test_a_log_does_not_sign_in_the_name_of_another(logged: Logged) -> None:
    """Its own key, its own name in the signature, and another origin in what is signed."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key((logged.log.folder.path / KEY).read_bytes(), None)
    checkpoint = Checkpoint("other.example.com", logged.proof.size, logged.proof.root)
    text = note.sign(checkpoint, private, logged.log.key).render()  # type: ignore[arg-type]
    claimed = replace(logged.entry, proof=replace(logged.proof, checkpoint=text))
    assert logged.codes(claimed) == [Code.LOG_PROOF_INVALID]


def test_a_key_counts_only_while_it_is_valid(logged: Logged) -> None:
    start = logged.log.instance.window.start
    assert start is not None
    year = timedelta(days=365)
    ended = replace(logged.log.instance, window=Window(start, start + year))
    second = timedelta(seconds=1)
    assert logged.codes(logged.entry, logs=(ended,), moment=start) == []
    assert logged.codes(logged.entry, logs=(ended,), moment=start + year) == []
    for moment in (start - second, start + year + second):
        assert logged.codes(logged.entry, logs=(ended,), moment=moment) == [Code.LOG_PROOF_INVALID]


def test_a_trusted_key_that_is_none_is_no_traceback(logged: Logged) -> None:
    rubbish = replace(logged.log.instance, spki=b"rubbish")
    assert logged.codes(logged.entry, logs=(rubbish,)) == [Code.LOG_PROOF_INVALID]


def test_a_signature_of_a_kind_that_logs_do_not_take(logged: Logged) -> None:
    what = replace(logged.what, verifier=Verifier(b"key", "PKIX_ED25519"))
    assert logged.codes(logged.entry, what=what) == [Code.LOG_PROOF_INVALID]
