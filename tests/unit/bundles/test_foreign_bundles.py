"""Anybody's Sigstore bundles: each kind is accepted when good, and refused with its reason when not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bundle_mutants
import foreign
import harms
import pytest
from authorities import ISSUER, LONG_AGO, SUBJECT, der, now
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from foreign import ARTIFACT, PROVENANCE, Instance, Made, Recipe
from harms import HARMS, Inapplicable, Patient
from rekors import b64

from orchestrator.bundles import timestamps
from orchestrator.bundles.certificates import Identity
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.dsse import pae
from orchestrator.keys.key import PublicKey
from orchestrator.log.trusted_root import TrustedRoot, Window
from orchestrator.policy.verdict import Failed, Refused
from orchestrator.stories.foreign_bundle import Accepted, Question, judge

WHO = Identity(SUBJECT, ISSUER)
RECIPES = [
    Recipe(),
    Recipe(version="0.3 alternative", stamped=True),
    Recipe(version="0.2", entry="dsse 0.0.1"),
    Recipe(version="0.1", entry="intoto 0.0.2"),
    Recipe(entry="dsse 0.0.2"),
    Recipe("message", entry="hashedrekord 0.0.1"),
    Recipe("message"),
    Recipe(signer="p384", stamped=True),
    Recipe(signer="rsa"),
    Recipe("message", signer="rsa", entry="hashedrekord 0.0.1"),
    Recipe("message", signer="p384", entry="hashedrekord 0.0.1"),
    Recipe(signer="certificate", stamped=True),
    Recipe("message", signer="certificate", stamped=True),
    Recipe(signer="certificate", version="0.2", entry="dsse 0.0.1"),
    Recipe("message", signer="certificate", version="0.1", entry="hashedrekord 0.0.1"),
    # a larger key that signs sha256, as sigstore-python's did until 2024
    Recipe("message", "certificate", "hashedrekord 0.0.1", version="0.1", key="p384", hash="sha256"),
    # a log entry that repeats the payload, as old clients had it
    Recipe(signer="certificate", version="0.2", entry="intoto 0.0.2", repeated=2),
]
MORE = [
    Recipe(signer="certificate", key="p384", hash="sha256", version="0.2", entry="dsse 0.0.1"),
    Recipe(signer="p384", hash="sha256"),
    Recipe("message", signer="p521", hash="sha256"),
    Recipe("message", signer="p521", entry="hashedrekord 0.0.1"),
    Recipe(signer="certificate", key="p521", stamped=True),
    Recipe(signer="certificate", key="rsa", stamped=True),
    Recipe(version="0.1", entry="intoto 0.0.2", repeated=1),
    Recipe(signer="certificate", entry="dsse 0.0.2", stamped=True),
]
"""Good ones that differ from these in nothing that a harm is done to."""


class World:
    """An instance, and a folder with its trusted root and the artifact."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.instance, self.other = (
            folder,
            Instance(folder / "ours"),
            Instance(folder / "theirs"),
        )
        self.artifact = folder / "artifact"
        self.artifact.write_bytes(ARTIFACT)
        self.root = self.trusting(self.instance.root)
        self._patients: dict[Recipe, Patient] = {}
        self._harmed: dict[Recipe, dict[str, bytes]] = {}

    def trusting(self, root: TrustedRoot, name: str = "root") -> Path:
        path = self.folder / f"{name}.json"
        path.write_bytes(root.render())
        return path

    def patient(self, recipe: Recipe) -> Patient:
        if recipe not in self._patients:
            made = self.instance.make(recipe)
            twin = self.instance.make(recipe, b"another artifact", key=made.key)
            stranger = self.instance.make(recipe)
            self._patients[recipe] = Patient(recipe, made, twin, stranger, self.instance, self.other)
        return self._patients[recipe]

    def harmed(self, recipe: Recipe) -> dict[str, bytes]:
        """A good bundle after each harm that can be done to it."""
        if recipe not in self._harmed:
            self._harmed[recipe] = dict(harms.applicable(self.patient(recipe)))
        return self._harmed[recipe]

    def ask(
        self, data: bytes | foreign.Document, signer: PublicKey | Identity, **changes: Any
    ) -> Accepted | Failed:
        path = self.folder / "it.sigstore.json"
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        question = Question(self.artifact, path, signer, self.root, (PROVENANCE,))
        return judge(dataclasses.replace(question, **changes), dt.datetime.now(dt.UTC))

    def codes(self, data: bytes | foreign.Document, signer: PublicKey | Identity, **changes: Any) -> set[str]:
        verdict = self.ask(data, signer, **changes)
        return {str(reason.code) for reason in verdict.reasons} if isinstance(verdict, Failed) else set()


def signer_of(recipe: Recipe, made: Made) -> PublicKey | Identity:
    return WHO if recipe.signer == "certificate" else made.public


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("instance"))


@pytest.mark.parametrize("recipe", RECIPES + MORE, ids=str)
def test_a_good_bundle_is_accepted(world: World, recipe: Recipe) -> None:
    made = world.patient(recipe).made
    found = world.ask(made.document, signer_of(recipe, made))
    assert isinstance(found, Accepted), found
    assert found.sha256 == Sha256.of(ARTIFACT).hex
    assert found.predicate_type == (PROVENANCE if recipe.content == "dsse" else None)
    assert len(found.logs) == 1
    timed = recipe.stamped or recipe.entry in ("dsse 0.0.1", "intoto 0.0.2", "hashedrekord 0.0.1")
    assert len(found.moments) == timed
    assert all(abs(moment.time - now()) < dt.timedelta(minutes=5) for moment in found.moments)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_its_digest_is_enough_where_the_key_signs_that(world: World, recipe: Recipe) -> None:
    made = world.patient(recipe).made
    signer = signer_of(recipe, made)
    if recipe.content == "message" and recipe.signer == "p384" and recipe.hash is None:
        with pytest.raises(TallyError, match="only a sha256 is known"):
            world.ask(made.document, signer, target=Sha256.of(ARTIFACT))
        return
    assert isinstance(world.ask(made.document, signer, target=Sha256.of(ARTIFACT)), Accepted)
    other = world.codes(made.document, signer, target=Sha256.of(b"another"))
    assert other <= {"subject-mismatch", "digest-mismatch"}
    assert other


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_every_harm_is_refused_with_its_reason(world: World, recipe: Recipe) -> None:
    patient = world.patient(recipe)
    tried = 0
    for name, data in world.harmed(recipe).items():
        found = world.codes(data, signer_of(recipe, patient.made))
        assert found, f"{name} was accepted"
        assert found <= HARMS[name][1], f"{name}: {found}"
        tried += 1
    assert tried >= 15


def test_every_harm_is_done_to_some_bundle(world: World) -> None:
    done = {name for recipe in RECIPES for name in world.harmed(recipe)}
    assert done == set(HARMS)


def _hint(document: foreign.Document) -> None:
    document["verificationMaterial"]["publicKey"]["hint"] = "somebody"


def _no_hint(document: foreign.Document) -> None:
    del document["verificationMaterial"]["publicKey"]["hint"]


def _keyid(document: foreign.Document) -> None:
    document["dsseEnvelope"]["signatures"][0]["keyid"] = "somebody"


def _numbers(document: foreign.Document) -> None:
    entry = document["verificationMaterial"]["tlogEntries"][0]
    entry["logIndex"] = int(entry["logIndex"])
    entry["inclusionProof"]["treeSize"] = int(entry["inclusionProof"]["treeSize"])


def _snakes(document: foreign.Document) -> None:
    document["verification_material"] = material = document.pop("verificationMaterial")
    (entry,) = material.pop("tlogEntries")
    material["tlog_entries"] = [entry]
    entry["canonicalized_body"] = entry.pop("canonicalizedBody")
    entry["inclusion_proof"] = proof = entry.pop("inclusionProof")
    proof["tree_size"] = proof.pop("treeSize")


def _nulls(document: foreign.Document) -> None:
    document["messageSignature"] = None
    document["verificationMaterial"]["certificate"] = None
    document["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"] = None
    document["verificationMaterial"]["timestampVerificationData"] = None


@pytest.mark.parametrize("change", [_hint, _no_hint, _keyid, _numbers, _snakes, _nulls])
def test_what_proves_nothing_harms_nothing(world: World, change: Callable[[foreign.Document], None]) -> None:
    made = world.instance.make(Recipe())
    change(made.document)
    assert isinstance(world.ask(made.document, made.public), Accepted)


def test_one_member_under_both_its_names_is_refused(world: World) -> None:
    made = world.instance.make(Recipe())
    made.document["media_type"] = made.document["mediaType"]
    assert world.codes(made.document, made.public) == {"malformed"}


def test_the_first_leaf_of_a_log_leaves_its_index_out(world: World) -> None:
    world = World(world.folder / "first")
    world.instance.rekor2.leaves.bodies.clear()
    world.trusting(world.instance.root)
    made = world.instance.make(Recipe())
    entry = made.document["verificationMaterial"]["tlogEntries"][0]
    assert entry.pop("logIndex") == entry["inclusionProof"].pop("logIndex") == "0"
    assert isinstance(world.ask(made.document, made.public), Accepted)


class TestTheKindOfSigner:
    def test_a_key_does_not_vouch_for_a_certificate(self, world: World) -> None:
        made = world.patient(Recipe(signer="certificate", stamped=True)).made
        assert world.codes(made.document, made.public) == {"untrusted-signer"}
        found = world.ask(made.document, made.public)
        assert isinstance(found, Failed)
        assert f"by a certificate of {SUBJECT} ({ISSUER}), not by a key" in found.reasons[0].sentence

    def test_nor_an_identity_for_a_key(self, world: World) -> None:
        made = world.patient(Recipe()).made
        assert world.codes(made.document, WHO) == {"untrusted-signer"}

    @pytest.mark.parametrize(
        "who", [Identity(SUBJECT, "https://ci.example.or"), Identity(SUBJECT[:-1], ISSUER), Identity("", "")]
    )
    def test_an_identity_is_exact(self, world: World, who: Identity) -> None:
        made = world.patient(Recipe(signer="certificate", stamped=True)).made
        assert world.codes(made.document, who) == {"identity-mismatch"}


class TestPairsOfKeyAndHash:
    """An unjudged one is neither yes nor no, and says what it is."""

    @pytest.mark.parametrize("content", ["dsse", "message"])
    @pytest.mark.parametrize(
        ("signer", "name"),
        [("p256", "sha384"), ("p256", "sha512"), ("p384", "sha512"), ("p521", "sha384"), ("rsa", "sha512")],
    )
    def test_one_that_has_no_name(self, world: World, content: str, signer: str, name: str) -> None:
        made = world.instance.make(Recipe(content, signer=signer, hash=name, entry=None))
        for certified in (False, True):
            recipe = Recipe(content, signer="certificate", key=signer, hash=name, entry=None, stamped=True)
            asked = world.instance.make(recipe) if certified else made
            with pytest.raises(TallyError, match=rf"key with {name}, a pair that is not judged"):
                world.ask(asked.document, WHO if certified else made.public)

    def test_rsa_with_the_other_padding(self, world: World) -> None:
        made = world.instance.make(Recipe(signer="rsa", entry=None))
        assert isinstance(made.key, rsa.RSAPrivateKey)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        signature = made.key.sign(pae(foreign.IN_TOTO, foreign.statement()), pss, hashes.SHA256())
        made.document["dsseEnvelope"]["signatures"][0]["sig"] = b64(signature)
        with pytest.raises(TallyError, match="sha256 and PSS"):
            world.ask(made.document, made.public, insecure_ignore_tlog=True)

    def test_a_log_entry_of_a_kind_that_nobody_knows_yet(self, world: World) -> None:
        made = world.instance.make(Recipe(entry="hashedrekord 0.0.3"))
        with pytest.raises(TallyError, match=r"hashedrekord 0\.0\.3, a kind that is not judged"):
            world.ask(made.document, made.public)

    @pytest.mark.parametrize("key", ["ed25519", "p224", "rsa 1024"])
    def test_certificates_for_keys_of_other_kinds(self, world: World, key: str) -> None:
        own: Any = {
            "ed25519": ed25519.Ed25519PrivateKey.generate,
            "p224": lambda: ec.generate_private_key(ec.SECP224R1()),
            "rsa 1024": lambda: rsa.generate_private_key(65537, 1024),
        }[key]()
        made = world.instance.make(Recipe(signer="certificate", stamped=True))
        leaf = b64(der(world.instance.fulcio.issue(own)))
        made.document["verificationMaterial"]["certificate"]["rawBytes"] = leaf
        with pytest.raises(TallyError, match="not judged here"):
            world.ask(made.document, WHO)

    def test_a_hash_that_the_bundle_does_not_name(self, world: World) -> None:
        """The digest in a bundle only says which file it is about."""
        made = world.instance.make(Recipe("message", signer="p384", entry=None))
        content = made.document["messageSignature"]
        right, wrong = (b64(bytes.fromhex(Sha256.of(data).hex)) for data in (ARTIFACT, b"another"))
        content["messageDigest"] = {"algorithm": "SHA2_256", "digest": right}
        assert isinstance(world.ask(made.document, made.public, insecure_ignore_tlog=True), Accepted)
        content["messageDigest"]["digest"] = wrong
        assert world.codes(made.document, made.public, insecure_ignore_tlog=True) == {"digest-mismatch"}


class TestRepeatedPayloads:
    @pytest.mark.parametrize("repeated", [1, 2])
    def test_another_payload_in_the_entry(self, world: World, repeated: int) -> None:
        recipe = Recipe(version="0.1", entry="intoto 0.0.2", repeated=repeated)
        made = world.instance.make(recipe)
        body = json.loads(
            b64decode(made.document["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"])
        )
        other = b64(foreign.statement(b"another"))
        body["spec"]["content"]["envelope"]["payload"] = other if repeated == 1 else b64(other.encode())
        entry = world.instance.rekor1.entry("intoto", "0.0.2", body["spec"])
        made.document["verificationMaterial"]["tlogEntries"] = [entry]
        assert world.codes(made.document, made.public) == {"not-in-log"}


class TestWithoutALog:
    @pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
    @pytest.mark.parametrize("content", ["dsse", "message"])
    def test_it_is_accepted_only_where_that_is_asked_for(self, world: World, kind: str, content: str) -> None:
        made = world.instance.make(Recipe(content, signer=kind, entry=None))
        assert world.codes(made.document, made.public) == {"not-in-log"}
        found = world.ask(made.document, made.public, insecure_ignore_tlog=True, trusted_root=None)
        assert isinstance(found, Accepted)
        assert found.notices == ()
        world.artifact.write_bytes(b"another")
        try:
            assert world.codes(made.document, made.public, insecure_ignore_tlog=True) <= {
                "subject-mismatch",
                "digest-mismatch",
            }
        finally:
            world.artifact.write_bytes(ARTIFACT)

    def test_a_certificate_never_is(self, world: World) -> None:
        made = world.instance.make(Recipe(signer="certificate", entry=None, stamped=True))
        assert world.codes(made.document, WHO, insecure_ignore_tlog=True) == {"not-in-log"}

    def test_an_entry_is_judged_where_there_is_a_root(self, world: World) -> None:
        patient = world.patient(Recipe())
        data = harms.harmed("a flipped bit in the proof", patient)
        assert world.codes(data, patient.made.public, insecure_ignore_tlog=True) == {"log-proof-invalid"}
        found = world.ask(data, patient.made.public, insecure_ignore_tlog=True, trusted_root=None)
        assert isinstance(found, Accepted)
        assert "not looked at" in found.notices[0]

    def test_a_signature_over_an_artifact_by_ed25519_needs_the_artifact(self, world: World) -> None:
        made = world.instance.make(Recipe("message", signer="ed25519", entry=None))
        with pytest.raises(TallyError, match="over the file itself"):
            world.ask(made.document, made.public, insecure_ignore_tlog=True, target=Sha256.of(ARTIFACT))

    def test_an_empty_artifact(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        for kind in ("p256", "ed25519"):
            made = world.instance.make(Recipe("message", signer=kind, entry=None), b"")
            found = world.ask(
                made.document, made.public, insecure_ignore_tlog=True, target=tmp_path / "empty"
            )
            assert isinstance(found, Accepted)


class TestAnInstanceWithoutALog:
    """A certificate and a timestamp, as a forge's private instance gives them."""

    RECIPE = Recipe(signer="certificate", entry=None, stamped=True)

    def root(self, world: World, **changes: Any) -> Path:
        unlogged = dataclasses.replace(world.instance.root, tlogs=(), ctlogs=())
        return world.trusting(dataclasses.replace(unlogged, **changes), "unlogged")

    @pytest.mark.parametrize("content", ["dsse", "message"])
    def test_it_is_accepted_and_said_so(self, world: World, content: str) -> None:
        made = world.instance.make(dataclasses.replace(self.RECIPE, content=content), sct="none")
        found = world.ask(made.document, WHO, trusted_root=self.root(world))
        assert isinstance(found, Accepted), found
        assert (found.logs, len(found.moments)) == ((), 1)
        assert "in no transparency log, since the trusted root names none" in found.notices[0]

    @pytest.mark.parametrize(
        ("changes", "leaf", "code"),
        [
            ({"timestamp_authorities": ()}, {}, "not-in-log"),
            ({"certificate_authorities": ()}, {}, "not-in-log"),
            ({}, {"start": now() - dt.timedelta(days=2)}, "certificate-invalid"),
            ({}, {"purpose": ExtendedKeyUsageOID.SERVER_AUTH}, "certificate-invalid"),
            ({}, {"subject": "https://github.com/mallory/app"}, "identity-mismatch"),
        ],
    )
    def test_all_else_holds(self, world: World, changes: Any, leaf: Any, code: str) -> None:
        made = world.instance.make(self.RECIPE, sct="none", **leaf)
        assert world.codes(made.document, WHO, trusted_root=self.root(world, **changes)) == {code}

    def test_a_certificate_log_is_asked_where_the_root_has_one(self, world: World) -> None:
        root = self.root(world, ctlogs=(world.instance.fulcio.ct_log,))
        bad = {"certificate-invalid"}
        for sct, codes in (("good", set()), ("none", bad), ("forged", bad)):
            made = world.instance.make(self.RECIPE, sct=sct)
            assert world.codes(made.document, WHO, trusted_root=root) == codes

    def test_another_authority(self, world: World) -> None:
        for part in ("certificate_authorities", "timestamp_authorities"):
            made = world.instance.make(self.RECIPE, sct="none")
            root = self.root(world, **{part: getattr(world.other.root, part)})
            codes = world.codes(made.document, WHO, trusted_root=root)
            assert codes <= {"certificate-invalid", "timestamp-invalid"}
            assert codes

    def test_an_entry_needs_a_log(self, world: World) -> None:
        made = world.patient(Recipe(signer="certificate", stamped=True)).made
        assert world.codes(made.document, WHO, trusted_root=self.root(world)) == {"not-in-log"}

    def test_without_a_timestamp_nor_by_a_key_it_never_is(self, world: World) -> None:
        made = world.instance.make(Recipe(signer="certificate", entry=None), sct="none")
        assert world.codes(made.document, WHO, trusted_root=self.root(world)) == {"not-in-log"}
        made = world.instance.make(Recipe(entry=None, stamped=True))
        assert world.codes(made.document, made.public, trusted_root=self.root(world)) == {"not-in-log"}

    def test_without_a_root_of_its_own(self, world: World) -> None:
        made = world.instance.make(self.RECIPE, sct="none")
        found = world.ask(made.document, WHO, trusted_root=None)
        assert isinstance(found, Failed)
        assert "name that one's root with --trusted-root" in found.reasons[0].sentence


class TestTheTrustedRoot:
    def changed(self, world: World, **changes: Any) -> Path:
        return world.trusting(dataclasses.replace(world.instance.root, **changes), "changed")

    def test_no_log(self, world: World) -> None:
        made = world.patient(Recipe()).made
        root = self.changed(world, tlogs=(world.instance.rekor1.log,))
        assert world.codes(made.document, made.public, trusted_root=root) == {"not-in-log"}

    def test_no_timestamp_authority(self, world: World) -> None:
        recipe = Recipe(version="0.3 alternative", stamped=True)
        made = world.patient(recipe).made
        root = self.changed(world, timestamp_authorities=())
        assert world.codes(made.document, made.public, trusted_root=root) == {"timestamp-invalid"}

    def test_an_authority_whose_time_was_over(self, world: World) -> None:
        recipe = Recipe(version="0.3 alternative", stamped=True)
        made = world.patient(recipe).made
        over = Window(LONG_AGO.start, now() - dt.timedelta(days=1))
        authority = dataclasses.replace(world.instance.tsa.authority, window=over)
        root = self.changed(world, timestamp_authorities=(authority,))
        assert world.codes(made.document, made.public, trusted_root=root) == {"timestamp-invalid"}
        both = self.changed(world, timestamp_authorities=(authority, world.instance.tsa.authority))
        assert isinstance(world.ask(made.document, made.public, trusted_root=both), Accepted)

    @pytest.mark.parametrize(
        ("recipe", "code"),
        [
            (Recipe(), "timestamp-missing"),
            (Recipe(version="0.3 alternative", stamped=True), "log-proof-invalid"),
            (Recipe(version="0.2", entry="dsse 0.0.1"), "log-proof-invalid"),
        ],
        ids=str,
    )
    def test_a_log_whose_key_was_out_of_use(self, world: World, recipe: Recipe, code: str) -> None:
        made = world.patient(recipe).made
        over = Window(LONG_AGO.start, now() - dt.timedelta(days=1))
        logs = tuple(dataclasses.replace(log, window=over) for log in world.instance.root.tlogs)
        assert world.codes(made.document, made.public, trusted_root=self.changed(world, tlogs=logs)) == {code}

    @pytest.mark.parametrize(
        ("recipe", "part", "code"),
        [
            (Recipe(signer="certificate", stamped=True), "timestamp_authorities", "timestamp-invalid"),
            (Recipe(signer="certificate", version="0.2", entry="dsse 0.0.1"), "tlogs", "log-proof-invalid"),
        ],
        ids=str,
    )
    def test_the_end_of_a_window_is_in_it(self, world: World, recipe: Recipe, part: str, code: str) -> None:
        """And a second later is not (`TimeRange` of sigstore_common.proto)."""
        made = world.patient(recipe).made
        found = world.ask(made.document, WHO)
        assert isinstance(found, Accepted)
        (moment,) = found.moments
        for late, codes in ((0, set()), (1, {code})):
            first, *others = getattr(world.instance.root, part)
            window = Window(LONG_AGO.start, moment.time - dt.timedelta(seconds=late))
            ended = dataclasses.replace(first, window=window)
            root = self.changed(world, **{part: (ended, *others)})
            assert world.codes(made.document, WHO, trusted_root=root) == codes

    def test_what_is_null_is_not_there(self, world: World, tmp_path: Path) -> None:
        """As protobuf's JSON has it, at every member that has one."""
        made = world.patient(Recipe(signer="certificate", stamped=True)).made
        document = json.loads(world.instance.root.render())
        for part in ("tlogs", "ctlogs"):
            for each in document[part]:
                each |= {"checkpointKeyId": None, "operator": None}
                each["publicKey"]["validFor"]["end"] = None
        for part in ("certificateAuthorities", "timestampAuthorities"):
            for each in document[part]:
                each |= {"operator": None}
                each["validFor"]["end"] = None
                each["subject"] = None
        (tmp_path / "root.json").write_text(json.dumps(document))
        assert isinstance(world.ask(made.document, WHO, trusted_root=tmp_path / "root.json"), Accepted)
        document["tlogs"][0]["publicKey"]["validFor"]["start"] = None
        (tmp_path / "root.json").write_text(json.dumps(document))
        with pytest.raises(TallyError, match="valid since no time"):
            world.ask(made.document, WHO, trusted_root=tmp_path / "root.json")

    def test_a_first_rekor_is_called_by_its_port_too(self, tmp_path: Path) -> None:
        """As a private one that is asked at one; by another's it is not."""
        world = World(tmp_path)
        recipe = Recipe(signer="certificate", version="0.2", entry="dsse 0.0.1")
        for named, address, codes in (
            ("rekor.example.org:8000", "http://rekor.example.org:8000", set()),
            ("rekor.example.org:8001", "http://rekor.example.org:8000", {"log-proof-invalid"}),
        ):
            world.instance.rekor1.host = named
            made = world.instance.make(recipe)
            log = dataclasses.replace(world.instance.rekor1.log, base_url=address)
            root = self.changed(world, tlogs=(log,))
            assert world.codes(made.document, WHO, trusted_root=root) == codes

    def test_another_certificate_authority(self, world: World) -> None:
        made = world.patient(Recipe(signer="certificate", stamped=True)).made
        root = self.changed(world, certificate_authorities=(world.other.fulcio.authority,))
        assert world.codes(made.document, WHO, trusted_root=root) == {"certificate-invalid"}

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"mediaType":"x"}'])
    def test_one_that_is_none_decides_nothing(self, world: World, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "root.json").write_bytes(data)
        for recipe in (Recipe(), Recipe(signer="certificate", stamped=True)):
            made = world.patient(recipe).made
            with pytest.raises(TallyError):
                world.ask(made.document, signer_of(recipe, made), trusted_root=tmp_path / "root.json")

    def test_one_without_authorities_decides_nothing_of_a_certificate(self, world: World) -> None:
        made = world.patient(Recipe(signer="certificate", stamped=True)).made
        with pytest.raises(TallyError, match="cannot be used"):
            world.ask(made.document, WHO, trusted_root=self.changed(world, certificate_authorities=()))


class TestSubjects:
    def accepted(self, world: World, **changes: Any) -> bool:
        made = world.instance.make(Recipe(payload=foreign.statement(**changes)))
        return isinstance(world.ask(made.document, made.public), Accepted)

    def test_a_statement_of_the_old_version(self, world: World) -> None:
        assert self.accepted(world, _type="https://in-toto.io/Statement/v0.1")

    def test_one_of_many_and_without_names(self, world: World) -> None:
        subjects = [{"digest": {"sha256": f"{n:064x}"}} for n in range(1000)]
        assert not self.accepted(world, subject=subjects)
        assert self.accepted(world, subject=[*subjects, {"digest": {"sha256": Sha256.of(ARTIFACT).hex}}])
        assert not self.accepted(world, subject=[{"digest": {"sha256": Sha256.of(ARTIFACT).hex}}] * 1025)

    def test_sha512_where_there_is_nothing_else(self, world: World) -> None:
        import hashlib

        right, wrong = hashlib.sha512(ARTIFACT).hexdigest(), hashlib.sha512(b"another").hexdigest()
        assert self.accepted(world, subject=[{"digest": {"sha512": right}}])
        assert not self.accepted(world, subject=[{"digest": {"sha512": wrong}}])
        assert not self.accepted(world, subject=[{"digest": {"sha512": right, "sha256": "00" * 32}}])

    @pytest.mark.parametrize("digest", [{}, {"sha256": 1}, {"sha256": None}, [], "sha256"])
    def test_digests_that_are_none(self, world: World, digest: object) -> None:
        assert not self.accepted(world, subject=[{"digest": digest}])


def test_an_artifact_that_changes_while_it_is_read(tmp_path: Path) -> None:
    from orchestrator.bundles.artifact import opened

    (tmp_path / "it").write_bytes(b"one")
    with opened(tmp_path / "it") as found:
        (tmp_path / "it").write_bytes(b"two")
        with pytest.raises(Refused, match="changed"):
            found.digest("sha512")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: __import__("os").mkfifo(path), lambda path: None])
def test_what_is_no_file_decides_nothing(world: World, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "it")
    made = world.patient(Recipe()).made
    with pytest.raises(TallyError):
        world.ask(made.document, made.public, target=tmp_path / "it")


def test_inapplicable_is_told_from_harmless(world: World) -> None:
    with pytest.raises(Inapplicable):
        harms.harmed("a promise by nobody", world.patient(Recipe()))


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_no_mutant_says_anything_else(world: World, recipe: Recipe) -> None:
    """None gives a traceback, and one that is accepted differs in nothing that was signed."""
    made = world.patient(recipe).made
    expected = bundle_mutants.unproven(json.dumps(made.document).encode())
    for data in bundle_mutants.mutants(made.document, 60 if recipe.signer == "certificate" else 200, seed=1):
        try:
            verdict = world.ask(data, signer_of(recipe, made))
        except TallyError:
            continue
        if isinstance(verdict, Accepted):
            assert bundle_mutants.unproven(data) == expected, data


def test_every_bit_of_a_timestamp_counts_but_for_versions(world: World) -> None:
    made = world.patient(Recipe(signer="p384", stamped=True)).made
    stamp = world.instance.tsa.stamp(made.signature)
    authorities = [world.instance.tsa.authority]
    passed = []
    for place in range(len(stamp)):
        for bit in (1, 2, 128):
            data = bytearray(stamp)
            data[place] ^= bit
            try:
                timestamps.verify([bytes(data)], made.signature, authorities, "it")
                passed.append(place)
            except Refused:
                continue
    # the versions of SignedData and SignerInfo (RFC 5652, sections 5.1 and 5.3), which mean nothing here
    assert len(set(passed)) <= 2, passed
