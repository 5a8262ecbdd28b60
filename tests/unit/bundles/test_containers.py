"""Files with several bundles, or with one in another form: each is judged, or said to be what it is."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from authorities import ISSUER, SUBJECT
from foreign import ARTIFACT, PROVENANCE, Document, Instance, Made, Recipe, statement
from rekors import b64

from orchestrator.bundles.certificates import Identity
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import PublicKey
from orchestrator.policy.verdict import Failed
from orchestrator.stories.foreign_bundle import Accepted, Judgement, Question, judge_all

WHO = Identity(SUBJECT, ISSUER)
CERTIFIED = Recipe(signer="certificate", stamped=True)
OLD = Recipe("message", "certificate", "hashedrekord 0.0.1", version="0.1")
PUBLISHED = Recipe(signer="certificate", entry="dsse 0.0.1")


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.instance = folder, Instance(folder / "ours")
        (folder / "artifact").write_bytes(ARTIFACT)
        (folder / "root.json").write_bytes(self.instance.root.render())
        self._made: dict[Recipe, Made] = {}

    def made(self, recipe: Recipe) -> Made:
        if recipe not in self._made:
            self._made[recipe] = self.instance.make(recipe)
        return self._made[recipe]

    def document(self, recipe: Recipe) -> Document:
        return copy.deepcopy(self.made(recipe).document)

    def other(self) -> Document:
        """A bundle that is good, and about something else."""
        return self.instance.make(CERTIFIED, b"another artifact").document

    def judged(self, data: bytes, signer: PublicKey | Identity = WHO, **changes: Any) -> Judgement:
        (self.folder / "it").write_bytes(data)
        question = Question(
            self.folder / "artifact", self.folder / "it", signer, self.folder / "root.json", (PROVENANCE,)
        )
        return judge_all(dataclasses.replace(question, **changes), dt.datetime.now(dt.UTC))

    def said(self, data: bytes, signer: PublicKey | Identity = WHO, **changes: Any) -> list[str]:
        """Of each bundle, in its order: `yes`, the codes of a no, or `undecided`."""
        return [
            "yes"
            if isinstance(verdict, Accepted)
            else "undecided"
            if isinstance(verdict, TallyError)
            else " ".join(str(reason.code) for reason in verdict.reasons)
            for _, verdict in self.judged(data, signer, **changes).each
        ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("instance"))


def rows(*documents: Any, end: str = "\n") -> bytes:
    return "".join(json.dumps(each) + end for each in documents).encode()


def pep740(bundle: Document) -> Document:
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    return {
        "version": 1,
        "verification_material": {
            "certificate": material["certificate"]["rawBytes"],
            "transparency_entries": material["tlogEntries"],
        },
        "envelope": {"statement": envelope["payload"], "signature": envelope["signatures"][0]["sig"]},
    }


def old_cosign(bundle: Document) -> Document:
    (entry,) = bundle["verificationMaterial"]["tlogEntries"]
    (raw,) = bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
    pem = f"-----BEGIN CERTIFICATE-----\n{raw['rawBytes']}\n-----END CERTIFICATE-----\n"
    return {
        "base64Signature": bundle["messageSignature"]["signature"],
        "cert": b64(pem.encode()),
        "rekorBundle": {
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {
                "body": entry["canonicalizedBody"],
                "integratedTime": int(entry["integratedTime"]),
                "logIndex": int(entry["logIndex"]),
                "logID": b64decode(entry["logId"]["keyId"]).hex(),
            },
        },
    }


CONTAINERS: dict[str, Callable[[Document, Document], bytes]] = {
    "JSON lines": lambda good, other: rows(other, good),
    "JSON lines of Windows": lambda good, other: rows(other, good, end="\r\n"),
    "JSON lines with empty ones": lambda good, other: b"\n" + rows(other, good, end="\n\n"),
    "a list": lambda good, other: json.dumps([other, good]).encode(),
    "npm's": lambda good, other: json.dumps(
        {"attestations": [{"predicateType": "x", "bundle": each} for each in (other, good)]}
    ).encode(),
    "a forge's interface": lambda good, other: json.dumps(
        {"attestations": [{"bundle": each, "repository_id": 1, "bundle_url": ""} for each in (other, good)]},
        indent=2,
    ).encode(),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_one_that_holds_is_enough(world: World, name: str) -> None:
    """Whatever the others are; and none is a no that tells of each."""
    good, other = world.document(CERTIFIED), world.other()
    assert world.said(CONTAINERS[name](good, other)) == ["subject-mismatch", "yes"]
    verdict = world.judged(CONTAINERS[name](other, other)).verdict
    assert isinstance(verdict, Failed)
    assert len({reason.sentence for reason in verdict.reasons}) == 2


@pytest.mark.parametrize(
    "wrap",
    [
        lambda one: one,
        lambda one: {"version": 1, "attestation_bundles": [{"publisher": {}, "attestations": [one]}]},
    ],
)
def test_an_attestation_of_a_package_index(world: World, wrap: Callable[[Document], Document]) -> None:
    good = pep740(world.document(PUBLISHED))
    assert world.said(json.dumps(wrap(good)).encode()) == ["yes"]
    for change in (
        {"statement": b64(b"{}")},
        {"signature": world.document(CERTIFIED)["dsseEnvelope"]["signatures"][0]["sig"]},
    ):
        bad = {**good, "envelope": {**good["envelope"], **change}}
        assert world.said(json.dumps(wrap(bad)).encode()) == ["signature-invalid"]
    assert world.said(json.dumps(wrap({**good, "envelope": {}})).encode()) == ["malformed"]
    with pytest.raises(TallyError, match="version that is not known: 2"):
        _ = world.judged(json.dumps(wrap({**good, "version": 2})).encode()).verdict


class TestOldCosigns:
    def test_a_signature_over_the_artifact(self, world: World) -> None:
        good = old_cosign(world.document(OLD))
        assert world.said(json.dumps(good).encode()) == ["yes"]

    @pytest.mark.parametrize("content", ["message", "dsse"])
    def test_by_a_key(self, world: World, content: str) -> None:
        entry = "hashedrekord 0.0.1" if content == "message" else "dsse 0.0.1"
        made = world.made(Recipe(content, entry=entry, version="0.1"))
        document = copy.deepcopy(made.document)
        document["verificationMaterial"]["x509CertificateChain"] = {"certificates": [{"rawBytes": ""}]}
        if content == "dsse":
            envelope = json.dumps(document["dsseEnvelope"]).encode()
            document["messageSignature"] = {"signature": b64(envelope)}
        old = {**old_cosign(document), "cert": b64(made.public.pem.encode())}
        assert world.said(json.dumps(old).encode(), made.public) == ["yes"]
        assert world.said(json.dumps(old).encode()) == ["untrusted-signer"]

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"integratedTime": 1_700_000_000}, "log-proof-invalid"),
            ({"logIndex": 5}, "log-proof-invalid"),
            ({"logID": "00" * 32}, "not-in-log"),
            ({"logID": "none"}, "malformed"),
            ({"body": "none"}, "malformed"),
        ],
    )
    def test_what_its_log_says_counts(self, world: World, change: dict[str, Any], code: str) -> None:
        bad = old_cosign(world.document(OLD))
        bad["rekorBundle"]["Payload"] |= change
        assert world.said(json.dumps(bad).encode()) == [code]

    def test_the_log_entry_of_another_artifact(self, world: World) -> None:
        good, other = (
            old_cosign(each) for each in (world.document(OLD), world.instance.make(OLD, b"x").document)
        )
        assert world.said(json.dumps({**good, "rekorBundle": other["rekorBundle"]}).encode()) == [
            "digest-mismatch"
        ]
        assert world.said(json.dumps({**other, "rekorBundle": good["rekorBundle"]}).encode()) == [
            "signature-invalid"
        ]

    def test_without_a_log_entry(self, world: World) -> None:
        old = old_cosign(world.document(OLD))
        del old["rekorBundle"]
        with pytest.raises(TallyError, match="of an old cosign, and has no log entry"):
            _ = world.judged(json.dumps(old).encode()).verdict


class TestAnEnvelopeByItself:
    def test_it_is_judged_by_a_key_alone(self, world: World) -> None:
        made = world.made(Recipe(entry=None))
        data = json.dumps(made.document["dsseEnvelope"]).encode()
        for signer, changes in ((made.public, {}), (WHO, {}), (WHO, {"insecure_ignore_tlog": True})):
            with pytest.raises(TallyError, match="a DSSE envelope by itself"):
                _ = world.judged(data, signer, **changes).verdict
        assert world.said(data, made.public, insecure_ignore_tlog=True) == ["yes"]
        stranger = world.made(Recipe(entry=None, signer="rsa")).public
        assert world.said(data, stranger, insecure_ignore_tlog=True) == ["untrusted-signer"]

    def test_any_of_its_signatures_may_hold(self, world: World) -> None:
        ours, theirs = world.made(Recipe(entry=None)), world.instance.make(Recipe(entry=None))
        envelope = copy.deepcopy(ours.document["dsseEnvelope"])
        envelope["signatures"].insert(0, theirs.document["dsseEnvelope"]["signatures"][0])
        data = json.dumps(envelope).encode()
        assert world.said(data, ours.public, insecure_ignore_tlog=True) == ["untrusted-signer", "yes"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("recipe", [CERTIFIED, Recipe()], ids=str)
def test_a_byte_order_mark_says_nothing(world: World, encoding: str, recipe: Recipe) -> None:
    made = world.made(recipe)
    signer = WHO if recipe.signer == "certificate" else made.public
    root = world.folder / "marked.json"
    root.write_bytes((world.folder / "root.json").read_text().encode(encoding))
    data = json.dumps(made.document).encode(encoding)
    assert world.said(data, signer, trusted_root=root) == ["yes"]


@pytest.mark.parametrize(
    ("data", "called"),
    [
        (b"-----BEGIN PGP SIGNATURE-----\n\nabc\n", "an OpenPGP signature"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "a certificate or a key in PEM"),
        (b"untrusted comment: x\nRWQ\n", "minisign"),
        (b64(b"a signature" * 6).encode() + b"\n", "a signature by itself"),
        (
            b'{"_type":"https://in-toto.io/Statement/v1","predicateType":"x"}',
            "a statement|statement that nobody",
        ),
        (b'{"signed":{},"signatures":[]}', "in-toto or TUF"),
        (
            b'{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
            "--trusted-root takes",
        ),
        (b'{"mediaType":"application/vnd.oci.image.manifest.v1+json"}', "JSON with 'mediaType'"),
        (
            b'{"attestations":[{"bundle":null,"bundle_url":"https://example.org/1"}]}',
            "the address of a bundle",
        ),
        (b'{"attestations":[]}', "no bundle at all"),
        (b"{}", "nothing in it"),
        (b"[]", "no bundle at all"),
        (b"7", "JSON of another kind"),
        (b"[7]", "JSON of another kind"),
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a picture"),
        (b"PK\x03\x04\x00", "an archive"),
        (b"\x7fELF\x02\x01", "a program"),
        (b"\x00\x01\x02\x03", "begins with 00 01 02 03"),
        (b"hello\nworld\n", "a text, and no bundle: it begins with 'hello'"),
        (b"- " * 50_000, "begins with '(- ){30}…'"),
        (b"\x1b[31mred", "no text"),
        (b"\xff" * 9, "no text"),
        (b'{"version":"' + b"x" * 9_999 + b'","verification_material":{},"envelope":{}}', "^.{0,200}$"),
    ],
)
def test_what_is_no_bundle_is_said_to_be_what_it_is(world: World, data: bytes, called: str) -> None:
    with pytest.raises(TallyError, match=called) as caught:
        _ = world.judged(data).verdict
    assert caught.value.hint


class TestOfSeveral:
    def test_what_cannot_be_judged_keeps_a_no_from_being_one(self, world: World) -> None:
        unjudged = world.instance.make(Recipe(signer="certificate", entry="hashedrekord 0.0.3")).document
        assert world.said(rows(unjudged, world.document(CERTIFIED))) == ["undecided", "yes"]
        assert world.said(rows(unjudged, world.other())) == ["undecided", "subject-mismatch"]
        with pytest.raises(TallyError, match=r"hashedrekord 0\.0\.3"):
            _ = world.judged(rows(world.other(), unjudged)).verdict

    def test_a_broken_line_is_malformed_by_itself(self, world: World) -> None:
        good = rows(world.document(CERTIFIED))
        assert world.said(good + b'{"mediaType": \n') == ["yes", "malformed"]
        assert world.said(b'{"mediaType": }\n' + good) == ["malformed", "yes"]

    @pytest.mark.parametrize("garbage", ["garbage", "", "7", '"x"', "null", "\x89PNG\r", "[]x", "<html>{}"])
    def test_a_line_that_is_no_bundle_is_undecided_wherever_it_is(self, world: World, garbage: str) -> None:
        good, other = rows(world.document(CERTIFIED)), rows(world.other())
        line = f"{garbage}\n".encode(errors="surrogateescape")
        for parts in ([line, good], [good, line], [good, line, good]):
            said = world.said(b"".join(parts))
            kinds = ["yes" if part is good else "undecided" for part in parts if part.strip()]
            assert [each if each == "yes" else "undecided" for each in said] == kinds
        for parts in ([line, other], [other, line]):
            if garbage and garbage != "[]x":
                with pytest.raises(TallyError, match="line"):
                    _ = world.judged(b"".join(parts)).verdict

    @pytest.mark.parametrize("bad", [None, 7, [], {}, {"attestations": None}, {"attestations": {}}])
    def test_a_bad_group_takes_no_other_down(self, world: World, bad: Any) -> None:
        """PEP 740 has attestations in groups, by publisher."""
        good = {"attestations": [world.document(CERTIFIED)]}
        for place, groups in ((1, [bad, good]), (2, [good, bad])):
            found = world.judged(json.dumps({"attestation_bundles": groups}).encode())
            assert isinstance(found.verdict, Accepted)
            (why,) = [each for _, each in found.each if isinstance(each, Failed)]
            assert f"in its group {place}" in why.reasons[0].sentence

    def test_the_most(self, world: World) -> None:
        with pytest.raises(TallyError, match="more than 256 bundles"):
            world.judged(b"[" + b",".join([b"{}"] * 257) + b"]")
        with pytest.raises(TallyError, match="more than 256 bundles"):
            world.judged(b"{}\n" * 257)
        assert world.said(b"{}\n" * 60_000) == ["malformed"]


SUMMARY = "https://slsa.dev/verification_summary/v1"


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_signed_no_outweighs_a_yes_in_the_same_file(world: World, name: str) -> None:
    no, yes = (
        world.instance.make(
            dataclasses.replace(
                CERTIFIED,
                payload=statement(predicateType=SUMMARY, predicate={"verificationResult": result}),
            )
        ).document
        for result in ("FAILED", "PASSED")
    )
    for first, second in ((no, yes), (yes, no), (no, no)):
        verdict = world.judged(CONTAINERS[name](second, first), predicate_types=(SUMMARY,)).verdict
        assert isinstance(verdict, Failed)
        assert {str(reason.code) for reason in verdict.reasons} == {"denied"}
    verdict = world.judged(CONTAINERS[name](yes, yes), predicate_types=(SUMMARY,)).verdict
    assert isinstance(verdict, Accepted)


class TestTrustedRootsInLines:
    """As CI hosts hand them out: the public instance's, and that of one without a log."""

    def roots(self, world: World, *roots: Any) -> Path:
        path = world.folder / "roots.jsonl"
        path.write_bytes(rows(*(json.loads(each.render()) for each in roots)))
        return path

    def test_each_bundle_by_an_instance_of_its_kind(self, world: World, tmp_path: Path) -> None:
        other = Instance(tmp_path / "other")
        unlogged = dataclasses.replace(other.root, tlogs=(), ctlogs=())
        roots = self.roots(world, world.instance.root, unlogged)
        private = other.make(dataclasses.replace(CERTIFIED, entry=None), sct="none").document
        data = rows(world.document(CERTIFIED), private)
        assert world.said(data, trusted_root=roots) == ["yes", "yes"]
        assert world.said(data) == ["yes", "not-in-log"]

    def test_no_instance_without_a_log_stands_in_for_one_with(self, world: World) -> None:
        """A certificate by the logged instance's authority, stamped and not logged, stays a no."""
        theirs = Instance(world.folder / "theirs")
        roots = self.roots(world, world.instance.root, dataclasses.replace(theirs.root, tlogs=(), ctlogs=()))
        unlogged = world.instance.make(dataclasses.replace(CERTIFIED, entry=None)).document
        assert world.said(rows(unlogged), trusted_root=roots) == ["timestamp-invalid"]

    def test_one_that_is_none_decides_nothing(self, world: World) -> None:
        path = world.folder / "roots.jsonl"
        path.write_bytes(rows(json.loads(world.instance.root.render()), {"mediaType": "x"}))
        with pytest.raises(TallyError, match="line 2"):
            _ = world.judged(rows(world.document(CERTIFIED)), trusted_root=path).verdict
