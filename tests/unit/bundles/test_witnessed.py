"""What a log and an authority prove holds for one signature, and nothing that was changed in it passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.bundles.opened import OpenedBundle
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.bundles.witnessed import witnessed
from orchestrator.evidence.statement import Statement
from orchestrator.keys.key import PublicKey, SigningKey
from orchestrator.keys.kinds import Kind
from orchestrator.log import note
from orchestrator.log.embedded import KEY, EmbeddedLog
from orchestrator.log.entry import InclusionProof, LogEntry
from orchestrator.log.note import Checkpoint
from orchestrator.log.trusted_root import LogInstance, TrustedRoot, Window
from orchestrator.policy.evidence import Judged
from orchestrator.policy.signer import KeySigner
from orchestrator.policy.verdict import Code, Refused
from orchestrator.signing import bundling

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Signed:
    """A bundle, and the key that signed it."""

    bundle: Bundle
    key: PublicKey

    def body(self) -> bytes:
        return self.bundle.signed(self.key).body()

    def opened(self) -> OpenedBundle:
        judged = Judged("it", Statement({}, "https://example.org/x", {}, b""), KeySigner.of(self.key.spki))
        return OpenedBundle(self.bundle, self.key, judged)


def signed(data: bytes = b"the bytes", key: SigningKey | None = None) -> Signed:
    key = key or SigningKey.generate()
    return Signed(bundling.sign(data, key), key.public)


def judged(what: Signed, root: TrustedRoot, moment: datetime) -> Judged | list[Code]:
    """What the root proves, or why not."""
    try:
        return witnessed({"it": what.opened()}, root, moment)["it"]
    except Refused as refused:
        return [each.code for each in refused.reasons]


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
        what = what or self.what
        given = replace(what, bundle=replace(what.bundle, entries=entries))
        root = TrustedRoot(tlogs=(self.log.instance,) if logs is None else logs)
        found = judged(given, root, moment)
        if isinstance(found, Judged):
            assert found.logged == bool(root.tlogs)
            return []
        return found

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
    given = replace(what, bundle=replace(what.bundle, entries=(first,)))
    found = judged(given, TrustedRoot(tlogs=(log.instance,)), NOW + timedelta(seconds=5))
    assert isinstance(found, Judged)
    assert found.logged


def test_no_entry_is_not_in_the_log(logged: Logged) -> None:
    assert logged.codes() == [Code.NOT_IN_LOG]


def test_an_entry_of_a_log_that_nobody_trusts_is_none(logged: Logged, tmp_path: Path) -> None:
    other = EmbeddedLog.opened(tmp_path / "other")
    (foreign,) = other.append([logged.what.body()])
    assert logged.codes(foreign) == [Code.NOT_IN_LOG]
    assert logged.codes(logged.entry, logs=(other.instance,)) == [Code.NOT_IN_LOG]
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


@pytest.mark.parametrize("body", [b"", b"others", None], ids=["none", "another", "with a blank more"])
def test_another_body_is_about_something_else(logged: Logged, body: bytes | None) -> None:
    changed = replace(logged.entry, body=logged.entry.body + b" " if body is None else body)
    assert logged.codes(changed) == [Code.NOT_IN_LOG]


def test_the_entry_is_of_this_signature_alone(logged: Logged) -> None:
    other = signed(b"other bytes")
    for what in (
        replace(logged.what, key=other.key),
        other,
        replace(logged.what, bundle=bundling.sign(b"the bytes", SigningKey.generate())),
    ):
        assert logged.codes(logged.entry, what=what) == [Code.NOT_IN_LOG]


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
    assert logged.codes(logged.entry, logs=(ended,), moment=start - second) == [Code.LOG_PROOF_INVALID]
    later = start + year + second
    assert logged.codes(logged.entry, logs=(ended,), moment=later) == [Code.TIMESTAMP_MISSING]


def test_a_trusted_key_that_is_none_is_no_traceback(logged: Logged) -> None:
    rubbish = replace(logged.log.instance, spki=b"rubbish")
    assert logged.codes(logged.entry, logs=(rubbish,)) == [Code.LOG_PROOF_INVALID]


def test_a_signature_of_a_kind_that_logs_do_not_take(logged: Logged) -> None:
    what = signed(key=SigningKey.generate(Kind.ED25519))
    assert logged.codes(logged.entry, what=what) == [Code.NOT_IN_LOG]
