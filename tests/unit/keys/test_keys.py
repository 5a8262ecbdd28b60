"""Keys: made safely, named as other programs name them, read with care."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from orchestrator.ground.errors import TallyError
from orchestrator.keys import keyfiles, passphrase
from orchestrator.keys.key import PublicKey, SigningKey, builder_key
from orchestrator.keys.kinds import EVERY, OURS, Kind

ours = pytest.mark.parametrize("kind", sorted(OURS, key=str), ids=str)


def never(path: Path) -> bytes:
    raise AssertionError("nobody should have been asked")


def test_a_key_is_written_readable_by_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        private, public = SigningKey.generate().write(tmp_path / "new" / "release")
    finally:
        os.umask(old)
    assert (private.name, public.name) == ("release.key", "release.pub")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert sorted(path.name for path in private.parent.iterdir()) == ["release.key", "release.pub"]
    assert SigningKey.load(private, never).public == PublicKey.load(public)


@pytest.mark.parametrize("name", ["release", "release.key", "release.pub"])
def test_the_names_suffix_may_be_given(tmp_path: Path, name: str) -> None:
    private, _ = SigningKey.generate().write(tmp_path / name)
    assert private == tmp_path / "release.key"


@pytest.mark.parametrize("taken", ["release.key", "release.pub"])
def test_nothing_is_ever_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    with pytest.raises(TallyError, match="never overwritten"):
        SigningKey.generate().write(tmp_path / "release")
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "precious"


def test_both_halves_or_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = keyfiles.create

    def hindered(path: Path, data: bytes, mode: int) -> None:
        create(path, data, mode)
        path.with_suffix(".pub").write_text("precious")

    monkeypatch.setattr(keyfiles, "create", hindered)
    with pytest.raises(TallyError, match="never overwritten"):
        SigningKey.generate().write(tmp_path / "release")
    assert [path.name for path in tmp_path.iterdir()] == ["release.pub"]
    assert (tmp_path / "release.pub").read_text() == "precious"


def test_a_private_half_alone(tmp_path: Path) -> None:
    """As a power cut leaves it; the hint is a command that works."""
    private, public = SigningKey.generate().write(tmp_path / "a release")
    pem = public.read_text()
    public.unlink()
    with pytest.raises(TallyError, match="never overwritten") as told:
        SigningKey.generate().write(tmp_path / "a release")
    assert told.value.hint is not None
    words = shlex.split(told.value.hint.split("`")[1])
    assert words == ["tally", "keys", "show", str(private), "--out", str(public)]
    subprocess.run([sys.executable, "-m", "orchestrator.cli", *words[1:]], check=True, capture_output=True)
    assert public.read_text() == pem


INTERRUPTED = """
import os, signal, sys
from orchestrator.cli import main
from orchestrator.keys import keyfiles
create = keyfiles.create

def interrupted(path, data, mode):
    create(path, data, mode)
    os.kill(os.getpid(), signal.SIGINT)

keyfiles.create = interrupted
main.run()
"""


def test_a_ctrl_c_between_the_halves(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, "keys", "generate", str(tmp_path / "release")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "wrote" in done.stderr
    assert PublicKey.load(tmp_path / "release.pub") == SigningKey.load(tmp_path / "release.key", never).public


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "release.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TallyError, match="never overwritten"):
        SigningKey.generate().write(tmp_path / "release")
    assert not (tmp_path / "elsewhere").exists()


def test_a_passphrase_is_needed_and_must_be_right(tmp_path: Path) -> None:
    key = SigningKey.generate()
    private, _ = key.write(tmp_path / "release", b"open sesame")
    assert b"ENCRYPTED" in private.read_bytes()
    assert SigningKey.load(private, lambda _: b"open sesame").public == key.public
    with pytest.raises(TallyError, match="does not open") as caught:
        SigningKey.load(private, lambda _: b"open barley")
    assert "TALLY_KEY_PASSPHRASE and --passphrase-fd come before" in str(caught.value.hint)


def test_the_environment_gives_the_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, _ = SigningKey.generate().write(tmp_path / "release", b"open sesame")
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115 closed with the process
    with pytest.raises(TallyError, match="needs a passphrase"):
        SigningKey.load(private, passphrase.of)
    monkeypatch.setenv("TALLY_KEY_PASSPHRASE", "open sesame")
    assert SigningKey.load(private, passphrase.of).sign(b"data")


def test_a_descriptor_gives_the_passphrase() -> None:
    read, write = os.pipe()
    os.write(write, b"open sesame\nsecond line\n")
    os.close(write)
    assert passphrase.from_descriptor(read) == b"open sesame"
    with pytest.raises(TallyError, match="cannot be read"):
        passphrase.from_descriptor(read)


def test_an_empty_descriptor_gives_none() -> None:
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(TallyError, match="no passphrase"):
        passphrase.from_descriptor(read)


@ours
def test_openssl_and_securesystemslib_agree_on_what_the_key_is(tmp_path: Path, kind: Kind) -> None:
    key = SigningKey.generate(kind)
    private, public = key.write(tmp_path / "release")
    text = subprocess.run(
        ["openssl", "pkey", "-in", private, "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    assert {Kind.P256: "P-256", Kind.ED25519: "ED25519"}[kind] in text
    (tmp_path / "data").write_bytes(b"the data")
    (tmp_path / "sig").write_bytes(key.sign(b"the data"))
    digest = ["-rawin"] if kind is Kind.ED25519 else ["-rawin", "-digest", "sha256"]
    verified = subprocess.run(
        [
            "openssl",
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            public,
            *digest,
            "-sigfile",
            "sig",
            "-in",
            "data",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Verified Successfully" in verified.stdout
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    theirs = SSlibKey.from_crypto(load_pem_public_key(public.read_bytes()))
    assert key.public.keyid == theirs.keyid


@ours
def test_an_encrypted_key_of_openssl_is_read(tmp_path: Path, kind: Kind) -> None:
    algorithm = {
        Kind.P256: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        Kind.ED25519: ["-algorithm", "ED25519"],
    }[kind]
    subprocess.run(
        ["openssl", "genpkey", *algorithm, "-aes-256-cbc", "-pass", "pass:sesame", "-out", tmp_path / "k"],
        check=True,
        capture_output=True,
    )
    key = SigningKey.load(tmp_path / "k", lambda _: b"sesame")
    assert key.public.kind is kind
    assert key.public.verifies(key.sign(b"data"), b"data")


@ours
def test_a_signature_is_over_exactly_its_bytes(kind: Kind) -> None:
    key, other = SigningKey.generate(kind), SigningKey.generate(kind)
    signature = key.sign(b"data")
    assert key.public.verifies(signature, b"data")
    assert not key.public.verifies(signature, b"Data")
    assert not other.public.verifies(signature, b"data")
    assert not key.public.verifies(signature[:-1], b"data")
    assert not key.public.verifies(b"", b"data")


def _key_of_another_kind(kind: str) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key: Any = {
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()).public_key(),
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()).public_key(),
        "k1": lambda: ec.generate_private_key(ec.SECP256K1()).public_key(),
        "rsa": lambda: rsa.generate_private_key(65537, 2048).public_key(),
        "weak rsa": lambda: rsa.generate_private_key(65537, 1024).public_key(),
        "ed448": lambda: ed448.Ed448PrivateKey.generate().public_key(),
    }[kind]()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("kind", ["p384", "p521", "k1", "rsa", "weak rsa", "ed448"])
def test_keys_that_not_every_client_takes_are_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.pub").write_bytes(_key_of_another_kind(kind))
    with pytest.raises(TallyError, match="another kind") as caught:
        PublicKey.load(tmp_path / "a.pub")
    assert "P-256" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("kind", "taken"), [("p384", True), ("rsa", True), ("weak rsa", False), ("k1", False)]
)
def test_strangers_may_have_more_kinds_of_keys_and_none_that_are_weak(kind: str, taken: bool) -> None:
    pem = _key_of_another_kind(kind)
    if taken:
        assert PublicKey.from_pem(pem, "it", EVERY).pem.encode() == pem
        return
    with pytest.raises(TallyError, match="another kind"):
        PublicKey.from_pem(pem, "it", EVERY)


def test_each_kind_is_called_what_sigstore_calls_it() -> None:
    from sigstore_models.common.v1 import PublicKeyDetails

    pems = [_key_of_another_kind(kind).decode() for kind in ("p384", "rsa")]
    pems += [SigningKey.generate(kind).public.pem for kind in OURS]
    found = {PublicKey.from_pem(pem.encode(), "it", EVERY).details for pem in pems}
    assert {PublicKeyDetails(each).value for each in found} == found
    assert len(found) == 4


def test_a_digest_stands_for_its_data_but_for_ed25519() -> None:
    key, other = SigningKey.generate(), SigningKey.generate(Kind.ED25519)
    assert key.public.verifies_digest(key.sign(b"data"), hashlib.sha256(b"data").digest())
    assert not key.public.verifies_digest(key.sign(b"data"), hashlib.sha256(b"Data").digest())
    with pytest.raises(TallyError, match="over the file itself"):
        other.public.verifies_digest(other.sign(b"data"), hashlib.sha256(b"data").digest())


@pytest.mark.parametrize(
    "data", [b"", b"rubbish", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_rubbish_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(TallyError, match="not a public key"):
        PublicKey.load(tmp_path / "a")
    with pytest.raises(TallyError, match=r"not a private key|where a private one is needed"):
        SigningKey.load(tmp_path / "a", never)


def test_files_that_cannot_be_keys_are_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(1 << 17))
    for path in (tmp_path / "large", tmp_path / "absent", tmp_path):
        with pytest.raises(TallyError):
            PublicKey.load(path)
        with pytest.raises(TallyError):
            SigningKey.load(path, never)


def test_a_private_key_is_not_taken_for_a_public_one(tmp_path: Path) -> None:
    private, _ = SigningKey.generate().write(tmp_path / "release")
    with pytest.raises(TallyError, match="private key where a public one"):
        PublicKey.load(private)


def test_a_private_key_never_prints_itself() -> None:
    assert "Private" not in repr(SigningKey.generate())


def test_a_builders_key_is_made_once(tmp_path: Path) -> None:
    found: list[SigningKey] = []
    threads = [threading.Thread(target=lambda: found.append(builder_key(tmp_path, "a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.public for key in found}) == 1
    assert len(found) == 8
    assert builder_key(tmp_path, "b").public != found[0].public


@pytest.mark.parametrize("kind", [Kind.P256, Kind.ED25519])
def test_a_signature_is_written_in_one_form(kind: Kind) -> None:
    key = SigningKey.generate(kind)
    for number in range(32):  # half of what OpenSSL makes has the other form
        assert key.public.wrote(key.sign(b"%d" % number))


def test_the_other_form_holds_and_is_not_ours() -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    key = SigningKey.generate()
    r, s = decode_dss_signature(key.sign(b"data"))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = encode_dss_signature(r, order - s)
    assert key.public.verifies(other, b"data")
    assert not key.public.wrote(other)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(TallyError, match="cannot name a file"):
        PublicKey.load(Path("a\0b"))
