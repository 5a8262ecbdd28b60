"""Releases signed by an identity, and every way that we know of for one of them to be bad.

The good ones are made like `tally build --keyless` makes them, but that certificates, log entries and
timestamps come from an instance in memory that does whatever it is told.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import releases
from authorities import new_key, now
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from foreign import Document, Instance, PrivateKey, Recipe
from rekors import b64

from orchestrator.bundles import own_bundle
from orchestrator.bundles.material import Certificates, KeyHint
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.layout import LAYOUT, LAYOUT_KEY
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.signer import IdentitySigner
from orchestrator.signing import bundling
from orchestrator.signing.instance import Instance as SignedWith
from orchestrator.signing.keyless import KeylessSigner

ALICE = IdentitySigner("https://accounts.example.org", "alice@example.org")
NAMES = ("provenance", "reproduction", "sbom-spdx", "sbom-spdx3", "sbom-cyclonedx")
GOOD = Recipe(signer="certificate", stamped=True)


class Forger(KeylessSigner):
    """Signs in anybody's name. `leaf` is what its certificates are instead of right."""

    def __init__(
        self, instance: Instance, who: IdentitySigner = ALICE, recipe: Recipe = GOOD, **leaf: Any
    ) -> None:
        self.instance = SignedWith("the tests' instance", instance.root, None)  # type: ignore[arg-type]
        self.signer = who
        self._by, self._recipe = instance, recipe
        self._leaf = {"subject": who.subject, "issuer": who.issuer, **leaf}
        self.key: PrivateKey = new_key()

    def sign(self, payloads: Sequence[bytes]) -> list[Bundle]:
        return [self.bundle(payload) for payload in payloads]

    def bundle(self, payload: bytes) -> Bundle:
        recipe = replace(self._recipe, payload=payload)
        made = self._by.make(recipe, key=self.key, **self._leaf)
        envelope = made.document["dsseEnvelope"]
        for each in envelope["signatures"]:
            each["keyid"] = ""
        return own_bundle.parse(json.dumps(made.document).encode(), "a forgery")


@dataclass(frozen=True)
class World:
    """The instance that verifiers trust, and another one that they do not."""

    folder: Path
    instance: Instance
    other: Instance
    made: releases.Made
    builders: dict[str, SigningKey]

    @classmethod
    def new(cls, folder: Path) -> World:
        made = releases.observed(folder / "in")
        instance, other = Instance(folder / "instance"), Instance(folder / "other")
        return cls(folder, instance, other, made, releases.builder_keys(made))

    @property
    def root(self) -> TrustedRoot:
        return self.instance.root

    def release(self, out: Path, signer: KeylessSigner | SigningKey | None = None) -> Path:
        """A release, by default a good one of Alice's."""
        who = signer or Forger(self.instance)
        return releases.published(out, self.made, who, self.builders).path

    def good(self, out: Path) -> Path:
        """A copy of one good release."""
        there = self.folder / "good"
        if not there.exists():
            self.release(there)
        shutil.copytree(there, out)
        (folder,) = out.iterdir()
        return folder


Forgery = Callable[[World, Path], Path]
FORGERIES: dict[str, tuple[str, Forgery]] = {}
"""What is wrong, to the code of the reason, and how to make such a release in a new folder."""


def forgery(name: str, code: str) -> Callable[[Forgery], Forgery]:
    def keep(make: Forgery) -> Forgery:
        assert name not in FORGERIES
        FORGERIES[name] = (code, make)
        return make

    return keep


# what a certificate says


def _issued(name: str, code: str, *, other: bool = False, recipe: Recipe = GOOD, **leaf: Any) -> None:
    def make(world: World, out: Path) -> Path:
        if other:
            leaf["fulcio"] = world.other.fulcio
        return world.release(out, Forger(world.instance, recipe=recipe, **leaf))

    forgery(f"a certificate {name}", code)(make)


def _uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier._init_without_validation(text)


def _mail(text: str) -> x509.RFC822Name:
    return x509.RFC822Name._init_without_validation(text)


_LONG_AGO = dt.timedelta(days=2)
_issued(
    "with an entry of a kind that nobody knows",
    "malformed",
    recipe=replace(GOOD, entry="dsse 0.0.3"),
)
_issued("that had expired", "certificate-invalid", start=now() - _LONG_AGO)
_issued(
    "that had expired, without a timestamp",
    "timestamp-missing",
    recipe=replace(GOOD, stamped=False),
    start=now() - _LONG_AGO,
)
_issued("without a timestamp", "timestamp-missing", recipe=replace(GOOD, stamped=False))
_issued("that was not valid yet", "certificate-invalid", start=now() + _LONG_AGO)
_issued("by another authority", "certificate-invalid", other=True)
_issued("without a signed certificate timestamp", "certificate-invalid", sct="none")
_issued("whose timestamp is of another log", "certificate-invalid", sct="forged")
_issued("for another purpose", "certificate-invalid", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
_issued("by another issuer", "untrusted-signer", issuer="https://accounts.example.com")
_issued("by an issuer with a longer name", "untrusted-signer", issuer=f"{ALICE.issuer}.example.com")
_issued("by an issuer with a slash more", "untrusted-signer", issuer=f"{ALICE.issuer}/")
_issued("by two issuers", "certificate-invalid", issuer_v2="https://accounts.example.com")
_issued("for somebody else", "identity-mismatch", subject="mallory@example.org")
_issued("for a longer name", "identity-mismatch", subject="alice@example.org.example.com")
_issued("for a name that ends in hers", "identity-mismatch", subject="malice@example.org")
_issued("for her name in capitals", "identity-mismatch", subject="Alice@example.org")
_issued("for her name as a URI", "certificate-invalid", subject=[_uri("alice@example.org")])
_issued("for a URI as an address", "certificate-invalid", subject=[_mail("https://alice@example.org")])
_issued("for her name in a URI", "identity-mismatch", subject="https://alice@example.org")
_issued("for her name and a line end", "certificate-invalid", subject=[_mail("alice@example.org\n")])
_issued("for her name and a NUL", "certificate-invalid", subject=[_mail("alice@example.org\0.com")])
_issued("for two names", "certificate-invalid", subject=[_mail("alice@example.org"), _mail("m@example.org")])
_issued("for nobody", "certificate-invalid", subject=[])

# who signed what


@forgery("the sbom's bundle by another identity", "identity-mismatch")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    mallory = Forger(world.instance, IdentitySigner(ALICE.issuer, "mallory@example.org"))
    _replace(folder, "sbom-spdx", mallory.bundle(_payload(folder, "sbom-spdx")))
    return folder


@forgery("the sbom's bundle by a key", "untrusted-signer")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    _replace(folder, "sbom-spdx", bundling.sign(_payload(folder, "sbom-spdx"), SigningKey.generate()))
    return folder


@forgery("the whole release by a key", "untrusted-signer")
def _(world: World, out: Path) -> Path:
    return world.release(out, SigningKey.generate())


@forgery("a certificate where the signature is by a key", "signature-invalid")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    by_key = bundling.sign(_payload(folder, "provenance"), SigningKey.generate())
    _replace(folder, "provenance", replace(_bundle(folder, "provenance"), envelope=by_key.envelope))
    return folder


@forgery("a key's hint where the signature is by a certificate", "untrusted-signer")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    hint = KeyHint(SigningKey.generate().public.hint)
    _replace(folder, "provenance", replace(_bundle(folder, "provenance"), signer=hint))
    return folder


# parts of bundles


def _changed(name: str, code: str, **parts: Callable[[World, Bundle, Bundle], object]) -> None:
    """The provenance's bundle, with parts made from it and from its twin, another good one."""

    def make(world: World, out: Path) -> Path:
        folder = world.good(out)
        own = _bundle(folder, "provenance")
        twin = Forger(world.instance).bundle(own.envelope.payload)
        changes: dict[str, Any] = {part: of(world, own, twin) for part, of in parts.items()}
        _replace(folder, "provenance", replace(own, **changes))
        return folder

    forgery(name, code)(make)


def _signature(of: Bundle) -> bytes:
    return of.envelope.signatures[0].sig


def _again(world: World, own: Bundle, twin: Bundle) -> Certificates:
    """A newer certificate for the key and the identity of the old one."""
    assert isinstance(own.signer, Certificates)
    key = x509.load_der_x509_certificate(own.signer.leaf).public_key()
    found = world.instance.fulcio.issue(key, subject=ALICE.subject, issuer=ALICE.issuer)
    from authorities import der

    return Certificates(der(found))


_changed("the twin's certificate", "signature-invalid", signer=lambda world, own, twin: twin.signer)
_changed("a newer certificate for the same key", "not-in-log", signer=_again)
_changed("the twin's log entry", "not-in-log", entries=lambda world, own, twin: twin.entries)
_changed("no log entry", "not-in-log", entries=lambda world, own, twin: ())
_changed("the twin's timestamp", "timestamp-invalid", timestamps=lambda world, own, twin: twin.timestamps)
_changed("no timestamp", "timestamp-missing", timestamps=lambda world, own, twin: ())
_changed(
    "a timestamp by another authority",
    "timestamp-invalid",
    timestamps=lambda world, own, twin: (world.other.tsa.stamp(_signature(own)),),
)
_changed(
    "a good timestamp and another authority's",
    "timestamp-invalid",
    timestamps=lambda world, own, twin: (*own.timestamps, world.other.tsa.stamp(_signature(own))),
)
_changed(
    "a timestamp of the payload",
    "timestamp-invalid",
    timestamps=lambda world, own, twin: (world.instance.tsa.stamp(own.envelope.payload),),
)


@forgery("an entry of another log", "not-in-log")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    own = _bundle(folder, "provenance")
    spec = json.loads(own.entries[0].body)["spec"]
    document = json.loads(own.render())
    document["verificationMaterial"]["tlogEntries"] = [
        world.other.rekor2.entry("hashedrekord", "0.0.2", spec)
    ]
    _replace(folder, "provenance", own_bundle.parse(json.dumps(document).encode(), "a forgery"))
    return folder


@forgery("an entry of another log, by the trusted log's name", "log-proof-invalid")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    own = _bundle(folder, "provenance")
    spec = json.loads(own.entries[0].body)["spec"]
    document = json.loads(own.render())
    forged = world.other.rekor2.entry("hashedrekord", "0.0.2", spec)
    forged["logId"] = {"keyId": b64(own.entries[0].log_id)}
    document["verificationMaterial"]["tlogEntries"] = [forged]
    _replace(folder, "provenance", own_bundle.parse(json.dumps(document).encode(), "a forgery"))
    return folder


def _document(name: str, code: str, change: Callable[[Document], bytes | None]) -> None:
    """The provenance's bundle, its JSON changed."""

    def make(world: World, out: Path) -> Path:
        folder = world.good(out)
        path = folder / "attestations" / "provenance.sigstore.json"
        document = json.loads(path.read_bytes())
        path.write_bytes(change(document) or render_document(document))
        releases.reindex(folder)
        return folder

    forgery(name, code)(make)


def _both_signers(document: Document) -> None:
    document["verificationMaterial"]["publicKey"] = {"hint": "x"}


def _keyid(document: Document) -> None:
    del document["dsseEnvelope"]["signatures"][0]["keyid"]


def _unsigned(document: Document) -> None:
    document["dsseEnvelope"]["signatures"] = []


def _payload_changed(document: Document) -> None:
    payload = b64decode(document["dsseEnvelope"]["payload"])
    document["dsseEnvelope"]["payload"] = b64(payload.replace(b"pigz", b"pugz", 1))


_document("a certificate and a key's hint", "malformed", _both_signers)
_document("a key id left out", "malformed", _keyid)
_document("a space more", "malformed", lambda document: render_document(document) + b" ")
_document("no signature", "unsigned", _unsigned)
_document("another statement under the signature", "signature-invalid", _payload_changed)


@forgery("a flipped bit in the certificate", "certificate-invalid")
def _(world: World, out: Path) -> Path:
    """Its own signature, which the log entry has as well: all the rest holds."""
    folder = world.good(out)
    signer = Forger(world.instance)
    own = signer.bundle(_payload(folder, "provenance"))
    assert isinstance(own.signer, Certificates)
    leaf = own.signer.leaf[:-1] + bytes([own.signer.leaf[-1] ^ 1])
    spec = json.loads(own.entries[0].body)["spec"]
    spec["hashedRekordV002"]["signature"]["verifier"]["x509Certificate"]["rawBytes"] = b64(leaf)
    document = json.loads(own.render())
    material = document["verificationMaterial"]
    material["certificate"]["rawBytes"] = b64(leaf)
    material["tlogEntries"] = [world.instance.rekor2.entry("hashedrekord", "0.0.2", spec)]
    _replace(folder, "provenance", own_bundle.parse(json.dumps(document).encode(), "a forgery"))
    return folder


# the layout and its key


@forgery("another key beside the layout", "signature-invalid")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    (folder / LAYOUT_KEY).write_text(SigningKey.generate().public.pem)
    releases.reindex(folder)
    return folder


@forgery("the layout signed anew, with the key beside it", "digest-mismatch")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    key = SigningKey.generate()
    payload = b64decode(json.loads((folder / LAYOUT).read_bytes())["payload"])
    envelope = dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=key.public.keyid)
    (folder / LAYOUT).write_bytes(render(envelope.document()))
    (folder / LAYOUT_KEY).write_text(key.public.pem)
    releases.reindex(folder)
    return folder


@forgery("no key beside the layout", "file-missing")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    (folder / LAYOUT_KEY).unlink()
    releases.reindex(folder, drop=LAYOUT_KEY)
    return folder


@forgery("the key beside the layout with a line more", "malformed")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    with (folder / LAYOUT_KEY).open("a") as stream:
        stream.write("\n")
    releases.reindex(folder)
    return folder


@forgery("no provenance", "statement-missing")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    name = "attestations/provenance.sigstore.json"
    (folder / name).unlink()
    releases.reindex(folder, drop=name)
    return folder


@forgery("another release's provenance of the same identity", "subject-mismatch")
def _(world: World, out: Path) -> Path:
    folder = world.good(out)
    made = releases.observed(out / "another", content=b"another program")
    other = releases.published(out / "other", made, Forger(world.instance), world.builders).path
    for name in NAMES:
        _replace(folder, name, _bundle(other, name))
    for path in (LAYOUT, LAYOUT_KEY):
        shutil.copy(other / path, folder / path)
    releases.reindex(folder)
    return folder


def _path(folder: Path, name: str) -> Path:
    return folder / "attestations" / f"{name}.sigstore.json"


def _bundle(folder: Path, name: str) -> Bundle:
    return own_bundle.parse(_path(folder, name).read_bytes(), name)


def _payload(folder: Path, name: str) -> bytes:
    return _bundle(folder, name).envelope.payload


def _replace(folder: Path, name: str, by: Bundle) -> None:
    _path(folder, name).write_bytes(by.render())
    releases.reindex(folder)
