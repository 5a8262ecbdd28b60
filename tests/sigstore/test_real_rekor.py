"""A real Rekor v2, built from Debian's sources: `make test-sigstore`, and no part of `make test`."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import clients
import policies
import pytest
import releases
import strangers
from clients import Asked
from instances import ALICE, PrivateInstance
from real_rekor import RealRekor, rekor_server
from rekors import Rekor2
from services import Services

from orchestrator.bundles.certificates import Identity
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.keys.kinds import Kind
from orchestrator.log.audit import audit, checkpoints_in
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.entry import LogEntry, Signed
from orchestrator.log.trusted_root import TRUSTED_ROOT, TrustedRoot
from orchestrator.policy.policy import trusting
from orchestrator.policy.signer import IdentitySigner
from orchestrator.policy.verdict import Failed, Passed
from orchestrator.signing import bundling
from orchestrator.signing.rekor import RekorLog
from orchestrator.signing.witnesses import Taken, Witnesses
from orchestrator.stories.verification import verify

pytestmark = pytest.mark.sigstore


@pytest.fixture(scope="session")
def program(session_state: Path) -> Path:
    return rekor_server(session_state)


@pytest.fixture
def real(program: Path, tmp_path: Path) -> Iterator[RealRekor]:
    with RealRekor.running(program, tmp_path / "rekor") as found:
        yield found


@pytest.fixture
def log(real: RealRekor) -> RekorLog:
    return RekorLog.of(real.address, TrustedRoot(tlogs=(real.log,)), datetime.now(UTC))


def signed(key: SigningKey | None = None, payload: bytes = b"{}") -> Signed:
    key = key or SigningKey.generate()
    return bundling.sign(payload, key).signed(key.public)


def audited(real: RealRekor, folder: Path, *bundles: Path) -> tuple[int, tuple[str, ...]]:
    """What our own auditor finds in a copy of the log's folder: its size, and what is wrong with it."""
    shutil.copytree(real.storage, folder, ignore=shutil.ignore_patterns(".state"))
    (folder / TRUSTED_ROOT).write_bytes(TrustedRoot(tlogs=(real.log,)).render())
    of = EmbeddedLog.existing(folder)
    older = [each for path in bundles for each in checkpoints_in(of, path.read_bytes(), path.name)]
    head, against = audit(of, older)
    return head.size, against


def test_releases_by_a_key(real: RealRekor, log: RekorLog, tmp_path: Path, session_state: Path) -> None:
    services = Services(tmp_path)
    made, key = releases.observed(tmp_path / "in"), SigningKey.generate()
    log.check()
    with services.tsa_server.server.running():
        path = releases.published(
            tmp_path / "out", made, key, releases.builder_keys(made), log, services.clock
        ).path
    root = TrustedRoot(tlogs=(real.log,), timestamp_authorities=(services.tsa.authority,))
    assert (path / TRUSTED_ROOT).read_bytes() == root.render()
    (tmp_path / "root.json").write_bytes(root.render())
    asking = policies.policy(
        tmp_path, 'trusted-root = "root.json"\n[require]\nlog = true\ntimestamp = true', policies.signer(key)
    )
    assert isinstance(verify(path, asking, datetime.now(UTC)), Passed)
    other = TrustedRoot(tlogs=(Rekor2("127.0.0.1").log,))
    assert isinstance(verify(path, trusting([key.public.spki]), datetime.now(UTC), trusted=other), Failed)

    artifact = path / made.facts.artifact.file_name
    asked = [
        Asked(
            (path / f"attestations/{name}.sigstore.json").read_bytes(), tmp_path / "root.json", artifact,
            key.public, enveloped=True, kind=kind,
        )
        for name, kind in strangers.TYPES.items()
    ]  # fmt: skip
    assert clients.ask_js(clients.sigstore_js(session_state), asked) == [None] * len(asked)
    cosign = strangers.cosign(session_state)
    assert [clients.ask_cosign(cosign, each, tmp_path) for each in asked] == [None] * len(asked)
    (tmp_path / "root.json").write_bytes(other.render())
    assert None not in clients.ask_js(clients.sigstore_js(session_state), asked)
    assert None not in [clients.ask_cosign(cosign, each, tmp_path) for each in asked]

    # what is in its folder is what it proved, by our own reading of the field's format
    assert audited(real, tmp_path / "copy", *(path / "attestations").iterdir()) == (len(asked), ())


def test_releases_by_an_identity(real: RealRekor, tmp_path: Path, session_state: Path) -> None:
    """sigstore-python signs into it, and verifies."""
    with PrivateInstance.running(tmp_path / "instance") as instance:
        instance.rekor = real.rekor
        instance.log.address = real.address
        made = releases.observed(tmp_path / "in")
        path = releases.published(tmp_path / "out", made, instance.signer(), releases.builder_keys(made)).path
        who = IdentitySigner(instance.oidc.issuer, ALICE)
        found = verify(path, trusting([], who), datetime.now(UTC), trusted=instance.root)
        assert isinstance(found, Passed), found
        artifact = path / made.facts.artifact.file_name
        asked = [
            Asked(
                (path / f"attestations/{name}.sigstore.json").read_bytes(), instance.root_file(), artifact,
                Identity(ALICE, instance.oidc.issuer), enveloped=True, kind=kind,
            )
            for name, kind in strangers.TYPES.items()
        ]  # fmt: skip
        assert [clients.ask_python(each) for each in asked] == [None] * len(asked)
        assert clients.ask_js(clients.sigstore_js(session_state), asked) == [None] * len(asked)
        cosign = strangers.cosign(session_state)
        assert [clients.ask_cosign(cosign, each, tmp_path) for each in asked] == [None] * len(asked)


def test_a_signature_that_it_has_already(log: RekorLog) -> None:
    (entry,) = log.enter([what := signed()])
    assert entry.body == what.body()
    with pytest.raises(Taken):
        log.enter([what])
    # the same statement, signed again, is another entry
    key = SigningKey.generate()
    bundles = [bundling.witnessed([b"{}"], key, Witnesses(log))[0] for _ in range(2)]
    assert len({each.entries[0].index for each in bundles}) == 2


def test_what_it_does_not_take(real: RealRekor, log: RekorLog) -> None:
    good = signed()
    for what in (replace(good, data=b"other bytes"), replace(good, signature=b"none")):
        with pytest.raises(TallyError, match=r"HTTP 400: .*invalid hashedrekord request") as caught:
            log.enter([what])
        assert caught.value.hint
    with pytest.raises(TallyError, match="takes no signatures of the kind PKIX_ED25519"):
        log.enter([signed(SigningKey.generate(Kind.ED25519))])
    (entry,) = log.enter([good])
    assert entry.index == 0, "nothing of that was entered"


def test_another_key_than_the_logs(real: RealRekor) -> None:
    other = RekorLog(real.address, (Rekor2("127.0.0.1").log,), delays=())
    other.check()  # before anything is entered a log proves nothing of its key
    with pytest.raises(TallyError, match="in a log that the trusted root has not"):
        other.enter([signed()])


def test_a_server_that_is_stopped_and_comes_back(real: RealRekor, log: RekorLog, tmp_path: Path) -> None:
    (before,) = log.enter([signed()])
    real.stop()
    with pytest.raises(TallyError, match=r"does not answer: .*refused"):
        log.check()
    with pytest.raises(TallyError, match=r"does not answer: .*refused"):
        replace(log, delays=(0.05,)).enter([signed()])
    real.start()
    (after,) = log.enter([signed()])
    assert after.index == before.index + 1
    assert audited(real, tmp_path / "copy") == (2, ())


def test_a_server_that_is_back_before_the_last_attempt(real: RealRekor, log: RekorLog) -> None:
    log.enter([signed()])
    real.stop()
    starting = threading.Timer(1.0, real.start)
    starting.start()
    try:
        (entry,) = replace(log, delays=(0.5, 1.0, 2.0, 4.0)).enter([what := signed()])
    finally:
        starting.join()
    assert entry.body == what.body()


def test_a_server_that_is_killed_in_the_middle(real: RealRekor, log: RekorLog, tmp_path: Path) -> None:
    """Whatever it had answered stays proven; what it had not is signed again."""
    key = SigningKey.generate()
    given: list[LogEntry] = []
    failed: list[TallyError] = []

    def sign() -> None:
        for number in range(200):
            try:
                payload = b'{"number":%d}' % number
                (made,) = bundling.witnessed([payload], key, Witnesses(replace(log, delays=())))
                given.extend(made.entries)
            except TallyError as error:
                failed.append(error)
                return

    signing = [threading.Thread(target=sign) for _ in range(4)]
    for each in signing:
        each.start()
    while len(given) < 8:
        time.sleep(0.01)
    real.stop(kill=True)
    for each in signing:
        each.join()
    assert len(failed) == 4
    assert all("does not answer" in each.message and each.hint for each in failed)
    real.start()
    (entry,) = log.enter([signed()])
    assert entry.index >= len(given), "nothing was lost that was proven"
    size, against = audited(real, tmp_path / "copy")
    assert (size > len(given), against) == (True, ())
    assert len({each.index for each in given}) == len(given)


def test_many_at_once(log: RekorLog) -> None:
    what = [signed(payload=b'{"number":%d}' % number) for number in range(60)]
    entries = log.enter(what)
    assert sorted(each.index for each in entries) == list(range(60))
    assert [each.body for each in entries] == [each.body() for each in what]
