"""Signed notes and checkpoints: the specification's own example, and every way of being none."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1 as P256
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.evidence.canonical import MalformedError
from orchestrator.log import note
from orchestrator.log.note import Checkpoint, Note, NoteKey, NoteSignature

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNED = (
    "This is an example message.\n\n"
    "— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
"""signed-note, "Example"."""
CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
"""tlog-checkpoint's own."""


def ed25519(name: str, key: Ed25519PublicKey) -> NoteKey:
    return NoteKey(name, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture
def example() -> NoteKey:
    material = base64.b64decode(VKEY.rpartition("+")[2])
    return ed25519("example.com/foo", Ed25519PublicKey.from_public_bytes(material[1:]))


def test_the_example_of_the_specification(example: NoteKey) -> None:
    assert example.vkey == VKEY
    assert example.key_id.hex() == "530d903a"
    found = note.parse(SIGNED, "it")
    assert found.text == b"This is an example message.\n"
    assert found.signed_by(example)
    assert found.render() == SIGNED


def test_another_text_name_or_key_is_not_signed(example: NoteKey) -> None:
    found = note.parse(SIGNED, "it")
    assert not replace(found, text=b"This is another message.\n").signed_by(example)
    assert not found.signed_by(replace(example, name="example.com/bar"))
    assert not found.signed_by(ed25519("example.com/foo", Ed25519PrivateKey.generate().public_key()))


def test_a_key_whose_short_id_collides_verifies_nothing(example: NoteKey) -> None:
    """Signatures are looked up by name and id; what counts is that the key made them."""
    found = note.parse(SIGNED, "it")
    other = ed25519("example.com/foo", Ed25519PrivateKey.generate().public_key())
    (line,) = found.signatures
    assert not replace(found, signatures=(replace(line, key_id=other.key_id),)).signed_by(other)


def test_signatures_by_others_are_ignored_and_a_bad_one_by_the_key_is_not(example: NoteKey) -> None:
    found = note.parse(SIGNED, "it")
    (good,) = found.signatures
    witness = NoteSignature("witness.example.com", b"1234", b"whatever")
    assert replace(found, signatures=(witness, good)).signed_by(example)
    bad = replace(good, sig=bytes(64))
    assert not replace(found, signatures=(good, bad)).signed_by(example)
    assert not replace(found, signatures=(bad, good)).signed_by(example)
    assert not replace(found, signatures=(witness,)).signed_by(example)


def test_rekors_ecdsa_keys_have_the_id_of_their_spki() -> None:
    private = generate_private_key(P256())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = NoteKey("rekor.example.com", spki)
    assert key.vkey.startswith(f"rekor.example.com+{key.key_id.hex()}+Aj")
    text = b"rekor.example.com - 1\n1\nAA==\n"
    signed = Note(text, (NoteSignature(key.name, key.key_id, private.sign(text, ECDSA(SHA256()))),))
    assert signed.signed_by(key)
    assert not replace(signed, text=text + b"x\n").signed_by(key)


def test_keys_of_other_kinds_are_refused() -> None:
    spki = (
        generate_private_key(SECP384R1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    for each in (spki, b"", b"rubbish"):
        with pytest.raises(MalformedError, match=r"example\.com"):
            _ = NoteKey("example.com", each).log_id


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        SIGNED[:-1],
        SIGNED + "\n",
        SIGNED.replace("example m", "example\tm"),
        SIGNED.replace("example m", "example\rm"),
        SIGNED.replace("example m", "example\udc00m"),
        SIGNED.replace("— ", "- "),
        SIGNED.replace("— ", "—  "),
        SIGNED.replace(".com/foo ", ".com/foo+ "),
        SIGNED.replace(".com/foo ", ".com/foo\N{NO-BREAK SPACE}bar "),
        SIGNED.replace("yaQM=", "yaQN="),
        SIGNED.replace("yaQM=", "yaQM"),
        SIGNED.replace("yaQM=", "yaQM=="),
        "text\n\n— a AAAAAA==\n",
        "x" * note.LIMIT + SIGNED,
    ],
)
def test_what_is_no_signed_note(data: str) -> None:
    with pytest.raises(MalformedError, match="the note"):
        note.parse(data, "the note")


def test_the_checkpoint_of_the_specification() -> None:
    found = note.parse_checkpoint(note.parse(CHECKPOINT, "it"), "it")
    assert found.origin == "example.com/behind-the-sofa"
    assert found.size == 20852163
    assert base64.b64encode(found.root) == b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    assert found.text == note.parse(CHECKPOINT, "it").text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("20852163\n", ""),
        ("20852163", "020852163"),
        ("20852163", "-1"),
        ("20852163", "1e3"),
        ("20852163", "²"),
        ("20852163", "9223372036854775808"),
        ("20852163", "9" * 5000),
        ("CsUY", "CsU"),
        ("q2I=", "q2J="),
        ("CsUYapGG", ""),
        ("example.com/behind-the-sofa\n208", "\n208"),
        ("q2I=\n", "q2I=\n\nmore\n"),
    ],
)
def test_what_is_no_checkpoint(old: str, new: str) -> None:
    with pytest.raises(MalformedError):
        note.parse_checkpoint(note.parse(CHECKPOINT.replace(old, new, 1), "it"), "it")


def test_a_checkpoint_is_signed_and_read_back() -> None:
    private = Ed25519PrivateKey.generate()
    key = ed25519("log.example.com", private.public_key())
    checkpoint = Checkpoint("log.example.com", 7, bytes(range(32)), ("an extension",))
    text = note.sign(checkpoint, private, key).render()
    found = note.parse(text, "it")
    assert found.signed_by(key)
    assert note.parse_checkpoint(found, "it") == checkpoint
