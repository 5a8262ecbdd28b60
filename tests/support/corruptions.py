"""Ways in which a key-signed release can be bad, whoever made it so: what clients are asked about."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import disagreements
import releases

from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.layout import LAYOUT
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import Sha256
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.signing import bundling

BUNDLES = ("provenance", "reproduction", "sbom-spdx")


@dataclass(frozen=True)
class World:
    """A good release, another one by the same keys, one by somebody else's, a disagreement."""

    good: Path
    twin: Path
    strange: Path
    disagreement: bytes
    key: SigningKey
    stranger: SigningKey
    builders: dict[str, SigningKey]
    log: EmbeddedLog
    artifact: str

    @classmethod
    def new(cls, folder: Path) -> World:
        made = releases.observed(folder / "in")
        other = releases.observed(folder / "other", content=gzip.compress(b"an older program", mtime=0))
        key, stranger, builders = SigningKey.generate(), SigningKey.generate(), releases.builder_keys(made)
        log = releases.log_in(folder / "log")
        return cls(
            releases.published(folder / "good", made, key, builders, log).path,
            releases.published(folder / "twin", other, key, builders, log).path,
            releases.published(folder / "strange", made, stranger, releases.builder_keys(made), log).path,
            disagreements.signed(disagreements.observed(made), key, builders, log).bundle,
            key,
            stranger,
            builders,
            log,
            made.facts.artifact.file_name,
        )

    def copy(self, folder: Path) -> Path:
        shutil.copytree(self.good, folder)
        return folder


Harm = Callable[[Path, World], object]
CORRUPTIONS: dict[str, Harm] = {}


def corrupted(name: str, world: World, folder: Path) -> Path:
    """A copy of the good release after it, with an index that fits where there can be one."""
    world.copy(folder)
    CORRUPTIONS[name](folder, world)
    document = json.loads((folder / "release.json").read_bytes())
    for each in document["files"]:
        if not (folder / each["path"]).exists() and each["path"] != world.artifact:
            releases.reindex(folder, drop=each["path"])
            return folder
    if (folder / world.artifact).exists():
        releases.reindex(folder)
    return folder


def corruption(name: str) -> Callable[[Harm], Harm]:
    def registered(function: Harm) -> Harm:
        CORRUPTIONS[name] = function
        return function

    return registered


def of_bundle(
    name: str, which: str = "provenance"
) -> Callable[[Callable[[dict[str, Any], World], object]], None]:
    """One that changes a bundle's JSON, or gives other bytes for it."""

    def registered(function: Callable[[dict[str, Any], World], object]) -> None:
        def harm(folder: Path, world: World) -> None:
            path = folder / "attestations" / f"{which}.sigstore.json"
            document = json.loads(path.read_bytes())
            found = function(document, world)
            path.write_bytes(found if isinstance(found, bytes) else render_document(document))

        CORRUPTIONS[name] = harm

    return registered


def _entry(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["verificationMaterial"]["tlogEntries"][0]
    return found


def _of(release: Path, name: str = "provenance") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "attestations" / f"{name}.sigstore.json").read_bytes())
    return found


def _flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


# the artifact


@corruption("the artifact has another byte")
def _(folder: Path, world: World) -> None:
    data = bytearray((folder / world.artifact).read_bytes())
    data[-1] ^= 1
    (folder / world.artifact).write_bytes(data)


@corruption("the artifact is another release's")
def _(folder: Path, world: World) -> None:
    shutil.copy(world.twin / world.artifact, folder)


@corruption("the artifact is not there")
def _(folder: Path, world: World) -> None:
    (folder / world.artifact).unlink()


# bundles


@of_bundle("the statement has another letter")
def _(document: dict[str, Any], world: World) -> None:
    payload = base64.b64decode(document["dsseEnvelope"]["payload"]).replace(b'"pigz"', b'"zgip"')
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()


@of_bundle("the statement is of another media type")
def _(document: dict[str, Any], world: World) -> None:
    document["dsseEnvelope"]["payloadType"] = "application/json"


@of_bundle("a signature has another bit")
def _(document: dict[str, Any], world: World) -> None:
    signature = document["dsseEnvelope"]["signatures"][0]
    signature["sig"] = _flipped(signature["sig"])


@of_bundle("a bundle has no signature")
def _(document: dict[str, Any], world: World) -> None:
    document["dsseEnvelope"]["signatures"] = []


@of_bundle("a bundle has two signatures")
def _(document: dict[str, Any], world: World) -> None:
    document["dsseEnvelope"]["signatures"] *= 2


@of_bundle("a bundle has another release's signature")
def _(document: dict[str, Any], world: World) -> None:
    document["dsseEnvelope"]["signatures"] = _of(world.twin)["dsseEnvelope"]["signatures"]


@of_bundle("a bundle is by somebody else")
def _(document: dict[str, Any], world: World) -> bytes:
    return render_document(_of(world.strange))


@of_bundle("a bundle is by somebody else, with our key's hint")
def _(document: dict[str, Any], world: World) -> bytes:
    theirs = _of(world.strange)
    theirs["verificationMaterial"]["publicKey"] = document["verificationMaterial"]["publicKey"]
    return render_document(theirs)


@of_bundle("a bundle is another release's")
def _(document: dict[str, Any], world: World) -> bytes:
    return render_document(_of(world.twin))


@of_bundle("a bundle is another statement's")
def _(document: dict[str, Any], world: World) -> bytes:
    return render_document(_of(world.good, "sbom-spdx"))


@of_bundle("a bundle is a disagreement", "reproduction")
def _(document: dict[str, Any], world: World) -> bytes:
    return world.disagreement


@of_bundle("a bundle is of a version that is not there yet")
def _(document: dict[str, Any], world: World) -> None:
    document["mediaType"] = "application/vnd.dev.sigstore.bundle.v9.9+json"


@of_bundle("a bundle says nothing of its signer")
def _(document: dict[str, Any], world: World) -> None:
    del document["verificationMaterial"]["publicKey"]


@of_bundle("a bundle holds no statement")
def _(document: dict[str, Any], world: World) -> None:
    del document["dsseEnvelope"]


@of_bundle("a bundle is cut short")
def _(document: dict[str, Any], world: World) -> bytes:
    return render_document(document)[:-9]


# the log


@of_bundle("a bundle is in no log")
def _(document: dict[str, Any], world: World) -> None:
    document["verificationMaterial"]["tlogEntries"] = []


@of_bundle("an entry is another release's")
def _(document: dict[str, Any], world: World) -> None:
    document["verificationMaterial"]["tlogEntries"] = _of(world.twin)["verificationMaterial"]["tlogEntries"]


@of_bundle("an entry's proof has another bit")
def _(document: dict[str, Any], world: World) -> None:
    hashes = _entry(document)["inclusionProof"]["hashes"]
    hashes[0] = _flipped(hashes[0])


@of_bundle("an entry's proof has a hash less")
def _(document: dict[str, Any], world: World) -> None:
    _entry(document)["inclusionProof"]["hashes"].pop()


@of_bundle("an entry has no proof")
def _(document: dict[str, Any], world: World) -> None:
    del _entry(document)["inclusionProof"]


@of_bundle("an entry's proof has no hash at all")
def _(document: dict[str, Any], world: World) -> None:
    _entry(document)["inclusionProof"]["hashes"] = []


@of_bundle("an entry has a promise")
def _(document: dict[str, Any], world: World) -> None:
    _entry(document)["inclusionPromise"] = {"signedEntryTimestamp": "AAAA"}


@of_bundle("an entry is of nothing")
def _(document: dict[str, Any], world: World) -> None:
    _entry(document)["canonicalizedBody"] = base64.b64encode(b"{}").decode()


@of_bundle("an entry is at another place")
def _(document: dict[str, Any], world: World) -> None:
    entry = _entry(document)
    entry["logIndex"] = str(int(entry["logIndex"]) + 1)
    entry["inclusionProof"]["logIndex"] = entry["logIndex"]


@of_bundle("a checkpoint is of another tree")
def _(document: dict[str, Any], world: World) -> None:
    checkpoint = _entry(document)["inclusionProof"]["checkpoint"]
    theirs = _entry(_of(world.twin))["inclusionProof"]["checkpoint"]["envelope"]
    lines, other = checkpoint["envelope"].split("\n"), theirs.split("\n")
    checkpoint["envelope"] = "\n".join([*lines[:2], other[2], *lines[3:]])


@of_bundle("an entry has no checkpoint")
def _(document: dict[str, Any], world: World) -> None:
    del _entry(document)["inclusionProof"]["checkpoint"]


@of_bundle("a checkpoint is another log's")
def _(document: dict[str, Any], world: World) -> None:
    checkpoint = _entry(document)["inclusionProof"]["checkpoint"]
    checkpoint["envelope"] = checkpoint["envelope"].replace(".example\n", ".test\n", 1)


@of_bundle("a checkpoint is by another name")
def _(document: dict[str, Any], world: World) -> None:
    checkpoint = _entry(document)["inclusionProof"]["checkpoint"]
    checkpoint["envelope"] = checkpoint["envelope"].replace("— ", "— x", 1)


@of_bundle("a checkpoint is by nobody")
def _(document: dict[str, Any], world: World) -> None:
    checkpoint = _entry(document)["inclusionProof"]["checkpoint"]
    text, signature = checkpoint["envelope"].rstrip("\n").rsplit(" ", 1)
    checkpoint["envelope"] = f"{text} {_flipped(signature)}\n"


@of_bundle("an entry is of a log that is not known")
def _(document: dict[str, Any], world: World) -> None:
    _entry(document)["logId"] = {"keyId": base64.b64encode(bytes(32)).decode()}


# links and layout


def _links(folder: Path) -> list[Path]:
    return sorted(folder.glob("links/*.link"))


def _builder(path: Path, world: World) -> SigningKey:
    (signature,) = json.loads(path.read_bytes())["signatures"]
    return next(key for key in world.builders.values() if key.public.keyid == signature["keyid"])


def _sign_again(
    path: Path, key: SigningKey, change: Callable[[bytes], bytes], keyid: str | None = None
) -> None:
    payload = change(dsse.parse(json.loads(path.read_bytes()), path.name).payload)
    signed = dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=keyid or key.public.keyid)
    path.write_bytes(render(signed.document()))


@corruption("a link is not there")
def _(folder: Path, world: World) -> None:
    _links(folder)[0].unlink()


@corruption("a link has another letter")
def _(folder: Path, world: World) -> None:
    document = json.loads(_links(folder)[0].read_bytes())
    payload = base64.b64decode(document["payload"]).replace(b'"command":["', b'"command":["x')
    document["payload"] = base64.b64encode(payload).decode()
    _links(folder)[0].write_bytes(render(document))


@corruption("a link is another builder's")
def _(folder: Path, world: World) -> None:
    one, other = _links(folder)
    one.write_bytes(other.read_bytes())


@corruption("a link is another release's")
def _(folder: Path, world: World) -> None:
    path = _links(folder)[0]
    shutil.copy(world.twin / "links" / path.name, path)


@corruption("links are another release's")
def _(folder: Path, world: World) -> None:
    for path in _links(folder):
        shutil.copy(world.twin / "links" / path.name, path)


@corruption("a link is by somebody else, by a builder's name")
def _(folder: Path, world: World) -> None:
    path = _links(folder)[0]
    _sign_again(path, world.stranger, lambda payload: payload, _builder(path, world).public.keyid)


@corruption("a builder made something else")
def _(folder: Path, world: World) -> None:
    path = _links(folder)[1]
    digest = Sha256.of_file(folder / world.artifact).hex.encode()
    _sign_again(path, _builder(path, world), lambda payload: payload.replace(digest, b"0" * 64))


@corruption("a builder used something else")
def _(folder: Path, world: World) -> None:
    path = _links(folder)[1]

    def change(payload: bytes) -> bytes:
        link = json.loads(payload)
        link["materials"].popitem()
        return render(link)

    _sign_again(path, _builder(path, world), change)


@corruption("a link is cut short")
def _(folder: Path, world: World) -> None:
    path = _links(folder)[0]
    path.write_bytes(path.read_bytes()[:-9])


@corruption("a link has no signature")
def _(folder: Path, world: World) -> None:
    path = _links(folder)[0]
    path.write_bytes(render({**json.loads(path.read_bytes()), "signatures": []}))


@corruption("the layout asks for one builder, and its signature stays")
def _(folder: Path, world: World) -> None:
    path = folder / LAYOUT
    document = json.loads(path.read_bytes())
    payload = base64.b64decode(document["payload"]).replace(b'"threshold":2', b'"threshold":1')
    document["payload"] = base64.b64encode(payload).decode()
    path.write_bytes(render(document))


@corruption("the layout is somebody else's")
def _(folder: Path, world: World) -> None:
    shutil.copy(world.strange / LAYOUT, folder / LAYOUT)


@corruption("the layout is by somebody else, by our key's name")
def _(folder: Path, world: World) -> None:
    _sign_again(folder / LAYOUT, world.stranger, lambda payload: payload, world.key.public.keyid)


@corruption("the layout has ended")
def _(folder: Path, world: World) -> None:
    def ended(payload: bytes) -> bytes:
        return render({**json.loads(payload), "expires": f"{releases.NOW - timedelta(1):%Y-%m-%dT%H:%M:%SZ}"})

    _sign_again(folder / LAYOUT, world.key, ended)


@corruption("the layout asks for three builders")
def _(folder: Path, world: World) -> None:
    _sign_again(folder / LAYOUT, world.key, lambda it: it.replace(b'"threshold":2', b'"threshold":3'))


@corruption("the layout names another key for a builder")
def _(folder: Path, world: World) -> None:
    def other(payload: bytes) -> bytes:
        layout = json.loads(payload)
        keyid = min(layout["keys"])
        layout["keys"][keyid]["keyval"]["public"] = world.stranger.public.pem
        return render(layout)

    _sign_again(folder / LAYOUT, world.key, other)


@corruption("the layout has no signature")
def _(folder: Path, world: World) -> None:
    path = folder / LAYOUT
    path.write_bytes(render({**json.loads(path.read_bytes()), "signatures": []}))


@corruption("the layout is not there")
def _(folder: Path, world: World) -> None:
    (folder / LAYOUT).unlink()


@corruption("the trusted root in the folder is another log's")
def _(folder: Path, world: World) -> None:
    other = replace(world.log.instance, spki=world.stranger.public.spki)
    document = json.loads((folder / TRUSTED_ROOT).read_bytes())
    document["tlogs"] = [other.document()]
    (folder / TRUSTED_ROOT).write_bytes(render_document(document))


@corruption("everything was signed again by somebody else")
def _(folder: Path, world: World) -> None:
    for path in (*folder.glob("attestations/*.json"), folder / LAYOUT):
        document = json.loads(path.read_bytes())
        if path.name == "root.layout":
            _sign_again(path, world.stranger, lambda payload: payload)
        else:
            payload = base64.b64decode(document["dsseEnvelope"]["payload"])
            signed = bundling.logged(
                [bundling.sign(payload, world.stranger)], world.stranger.public, world.log
            )
            path.write_bytes(signed[0].render())
