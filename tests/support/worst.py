"""What somebody without a trusted key can make a verifier read: large, deep, or many."""

from __future__ import annotations

import functools
import json
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from orchestrator.evidence.canonical import render_document
from orchestrator.ground.digest import Sha256
from orchestrator.log.trusted_root import MEDIA_TYPE, TRUSTED_ROOT
from orchestrator.publishing.index import INDEX

FACE = "\N{GRINNING FACE}"
PROVENANCE = "attestations/provenance.sigstore.json"
LARGE = 32 << 20  # bytes: the most that a bundle may have
FULL = 60 << 20  # nearly the most that a release's documents may have together

Harm = Callable[[Path], object]
"""Of a release's folder; its index is made to fit afterwards."""


def many(value: str, size: int) -> str:
    """A list of as many values as fit."""
    return f"[{','.join([value] * (size // (len(value) + 1)))}]"


def keys(size: int) -> str:
    """An object of as many names as fit. A thousand are written once: there may be millions."""
    thousands, more = divmod(size // 12, 1000)
    thousand = "".join(f'"####{number:03d}":1,' for number in range(1000))
    names = "".join(thousand.replace("####", f"{number:04d}") for number in range(thousands))
    names += "".join(f'"{thousands:04d}{number:03d}":1,' for number in range(more))
    return f"{{{names[:-1]}}}"


def deep(size: int) -> str:
    return "[" * (size // 2) + "]" * (size // 2)


DOCUMENTS: dict[str, Callable[[], str]] = {
    "nothing but spaces": lambda: " " * LARGE,
    "more than is read": lambda: '"' + "x" * FULL + '"',
    "a long text with a face": lambda: f'"{FACE}' + "x" * (LARGE - 9) + '"',
    "a long text with a dash": lambda: f'"\N{EM DASH}{"x" * (LARGE - 9)}"',
    "as many faces as are read": lambda: f'"{FACE * 100_000}{"x" * (LARGE - 500_000)}"',
    "faces alone": lambda: f'"{FACE * (LARGE // 4 - 1)}"',
    "dashes alone": lambda: '"' + "\N{EM DASH}" * (LARGE // 3 - 1) + '"',
    "a row of backslashes": lambda: '"' + "\\" * (LARGE - 100) + FACE + '"',
    "many objects": lambda: many("{}", LARGE),
    "many names": lambda: keys(LARGE),
    "as many names as are read": lambda: keys(12 * 745_000),
    "as many objects as are read": lambda: many('{"a":{}}', 9 * 250_000),
    "deep": lambda: deep(LARGE),
    "as deep as an envelope may be": lambda: deep(19_000),
    "deep objects": lambda: '{"a":' * 4000 + "1" + "}" * 4000,
    "a huge number": lambda: "9" * LARGE,
    "many large numbers": lambda: many("9" * 4000, LARGE),
    "a huge exponent": lambda: f"1e{'9' * 1000}",
    "a face after a long text": lambda: '"' + "x" * (LARGE - 99) + '\\ud83d\\ude00"',
    "escapes": lambda: '"' + "\\u2014" * (LARGE // 6 - 1) + '"',
}
"""JSON that is no document of ours."""


def bundle(**changes: Any) -> dict[str, Any]:
    """A bundle of a stranger's, whole but for its signature."""
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": b64encode(b"{}").decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": b64encode(_der(2**255, 2**255)).decode()}],
        },
        **changes,
    }


def _der(*numbers: int) -> bytes:
    body = b"".join(b"\x02\x21" + each.to_bytes(33) for each in numbers)
    return b"\x30" + bytes([len(body)]) + body


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


def material(**members: Any) -> dict[str, Any]:
    return bundle(verificationMaterial={"publicKey": {"hint": "x"}, "tlogEntries": [], **members})


def envelope(**members: Any) -> dict[str, Any]:
    return bundle(dsseEnvelope={**bundle()["dsseEnvelope"], **members})


def _checkpoint(lines: int) -> str:
    signatures = "".join(
        f"\N{EM DASH} log.example.org {_b64(number.to_bytes(4) + bytes(64))}\n" for number in range(lines)
    )
    return f"log.example.org\n1\n{_b64(bytes(32))}\n\n{signatures}"


def _entry(number: int, body: bytes = b"{}", checkpoint: str = "x") -> dict[str, Any]:
    return {
        "logIndex": str(number),
        "logId": {"keyId": _b64(bytes(32))},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
        "inclusionProof": {
            "logIndex": str(number),
            "rootHash": _b64(bytes(32)),
            "treeSize": str(2**62),
            "hashes": [_b64(bytes(32))] * 60,
            "checkpoint": {"envelope": checkpoint},
        },
        "canonicalizedBody": _b64(body),
    }


def _chain(*certificates: bytes) -> dict[str, Any]:
    raw = [{"rawBytes": _b64(each)} for each in certificates]
    found = bundle(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2")
    found["verificationMaterial"] = {"x509CertificateChain": {"certificates": raw}, "tlogEntries": []}
    return found


def _stamps(*stamps: bytes) -> dict[str, Any]:
    return {"rfc3161Timestamps": [{"signedTimestamp": _b64(each)} for each in stamps]}


_HUGE_LENGTH = b"\x30\x84\xff\xff\xff\xff"
_BODY = 48_000
BUNDLES: dict[str, Callable[[], dict[str, Any]]] = {
    "a long payload, and a face": lambda: {
        **envelope(payload="QUJD" * (LARGE // 4 - 200)),
        "verificationMaterial": {"publicKey": {"hint": FACE}, "tlogEntries": []},
    },
    "a long payload, and a dash": lambda: {
        **envelope(payload="QUJD" * (LARGE // 4 - 200)),
        "verificationMaterial": {"publicKey": {"hint": "\N{EM DASH}"}, "tlogEntries": []},
    },
    "a long type": lambda: envelope(payloadType="x" * (LARGE - 2000)),
    "a long type of dashes": lambda: envelope(payloadType="\N{EM DASH}" * (LARGE // 3 - 2000)),
    "a long signature": lambda: envelope(signatures=[{"sig": "MIIB" * (LARGE // 4 - 200)}]),
    "a signature of a huge length": lambda: envelope(signatures=[{"sig": _b64(_HUGE_LENGTH)}]),
    "many signatures": lambda: envelope(signatures=[{"sig": "QUJD", "keyid": ""}] * 2000),
    "a long hint": lambda: material(publicKey={"hint": "x" * (LARGE - 2000)}),
    "many entries": lambda: material(tlogEntries=[_entry(number) for number in range(900)]),
    "entries with long bodies": lambda: material(
        tlogEntries=[_entry(number, keys(_BODY).encode()) for number in range(32)]
    ),
    "a body of many megabytes": lambda: material(tlogEntries=[_entry(1, keys(20 << 20).encode())]),
    "a long checkpoint": lambda: material(tlogEntries=[_entry(1, checkpoint="x" * (LARGE - 3000))]),
    "checkpoints of many signatures": lambda: material(
        tlogEntries=[_entry(number, str(number).encode(), _checkpoint(100)) for number in range(32)]
    ),
    "many timestamps": lambda: material(
        timestampVerificationData=_stamps(*(bytes([number]) * 500_000 for number in range(32)))
    ),
    "timestamps of huge lengths": lambda: material(
        timestampVerificationData=_stamps(*(_HUGE_LENGTH + bytes([number]) for number in range(32)))
    ),
    "a timestamp of empty values": lambda: material(
        timestampVerificationData=_stamps(b"\x30\x83\xa0\x00\x00" + b"\x05\x00" * 0x500000)
    ),
    "a certificate of many megabytes": lambda: material(certificate={"rawBytes": "MIIB" * (6 << 20)}),
    "a long chain": lambda: _chain(*(bytes([number]) * 700_000 for number in range(32))),
    "a certificate of a huge length": lambda: _chain(_HUGE_LENGTH),
}
"""Strangers' bundles."""


def bundle_of(name: str) -> bytes:
    """A file that is taken for a bundle."""
    if name in DOCUMENTS:
        return DOCUMENTS[name]().encode()
    return json.dumps(BUNDLES[name](), ensure_ascii=False).encode()


def _written(name: str, text: Callable[[], str]) -> Harm:
    return lambda folder: (folder / name).write_text(text())


def _changed(change: Callable[[dict[str, Any]], object]) -> Harm:
    """The provenance's bundle, written as releases are."""

    def harm(folder: Path) -> None:
        document = json.loads((folder / PROVENANCE).read_bytes())
        change(document)
        (folder / PROVENANCE).write_bytes(render_document(document))

    return harm


def _copies(name: str, like: str, count: int) -> Harm:
    """A file many times, under names after which it would be read."""

    def harm(folder: Path) -> None:
        data = (folder / name).read_bytes()
        for number in range(count):
            (folder / like.format(number)).write_bytes(data)

    return harm


def fit(folder: Path) -> None:
    """List every file that is there, as an attacker would."""
    path = folder / INDEX
    document = json.loads(path.read_bytes())
    files = {
        each.relative_to(folder).as_posix(): each
        for each in folder.rglob("*")
        if each.is_file() and each != path
    }
    listed = [
        {"path": name, "sha256": Sha256.of_file(each).hex, "size": each.stat().st_size}
        for name, each in sorted(files.items())
    ]
    path.write_bytes(render_document({**document, "files": listed}))


def _beside(count: int, size: int) -> Harm:
    """Bundles that are not part of the release."""

    def harm(folder: Path) -> None:
        for number in range(count):
            (folder / f"more-{number}.sigstore.json").write_bytes(b"{" + b" " * size)

    return harm


def _nested(folder: Path) -> None:
    """Folders in folders, nearly as deep as the kernel lets names be."""
    subprocess.run(["mkdir", "-p", folder / "/".join(["d"] * 1900)], check=True)


def _log_id(folder: Path) -> str:
    found: str = json.loads((folder / TRUSTED_ROOT).read_bytes())["tlogs"][0]["logId"]["keyId"]
    return found


def _entries_of_its_log(body: bytes, count: int, checkpoint: str) -> Harm:
    def harm(folder: Path) -> None:
        def change(document: dict[str, Any]) -> None:
            for number in range(1000, 1000 + count):
                made = _entry(number, body + str(number).encode(), checkpoint)
                document["verificationMaterial"]["tlogEntries"].append(
                    {**made, "logId": {"keyId": _log_id(folder)}}
                )

        _changed(change)(folder)

    return harm


def _root(**members: Any) -> Callable[[], str]:
    return lambda: json.dumps({"mediaType": MEDIA_TYPE, **members})


_AUTHORITY = {"uri": "x", "certChain": {"certificates": [{"rawBytes": _b64(b"x" * 900)}] * 3}}
ROOTS: dict[str, Callable[[], str]] = {
    **DOCUMENTS,
    "many authorities": _root(timestampAuthorities=[_AUTHORITY] * 2000),
    "long chains": _root(
        certificateAuthorities=[{"certChain": {"certificates": [{"rawBytes": "QUJD"}] * 9000}}]
    ),
    "a large certificate": _root(
        certificateAuthorities=[{"certChain": {"certificates": [{"rawBytes": "QUJD" * (1 << 20)}]}}]
    ),
}


def _text_of(made: Callable[[], dict[str, Any]], *, ascii_alone: bool) -> str:
    return json.dumps(made(), ensure_ascii=ascii_alone)


def _faced() -> str:
    return json.dumps(BUNDLES["a long payload, and a face"](), ensure_ascii=False)


def _harms() -> Iterator[tuple[str, Harm]]:
    for name in (PROVENANCE, "release.json", TRUSTED_ROOT, "links/root.layout"):
        for how, document in (ROOTS if name == TRUSTED_ROOT else DOCUMENTS).items():
            yield f"{name}: {how}", _written(name, document)
    for how, made in BUNDLES.items():
        text = functools.partial(_text_of, made, ascii_alone="many" in how)
        yield f"a bundle with {how}", _written(PROVENANCE, text)
    yield "provenance many times", _copies(PROVENANCE, "attestations/{}.sigstore.json", 10_000)
    yield "a layout many times", _copies("links/root.layout", "links/build.{:08x}.link", 10_000)
    yield "many small files", _copies("links/root.layout", "{}.txt", 15_000)
    yield (
        "entries of its own log",
        _entries_of_its_log(keys(_BODY).encode(), 31, _checkpoint(100)),
    )
    yield (
        "timestamps",
        _changed(
            lambda document: document["verificationMaterial"].update(
                timestampVerificationData=_stamps(*(bytes([number]) * 100_000 for number in range(1, 33)))
            )
        ),
    )
    yield (
        "a long text with a face, and another file",
        lambda folder: (
            _written(PROVENANCE, _faced)(folder),
            (folder / "sbom/more.json").write_bytes(b" " * (FULL - LARGE)),
        ),
    )


HARMS = dict(_harms())
"""Of what a release lists."""
UNLISTED: dict[str, Harm] = {
    "many bundles beside it": _beside(20_000, 10),
    "large bundles beside it": _beside(90, 1_000_000),
    "as many bundles beside it as are read": _beside(99, 160_000),
    "folders in folders": _nested,
}
"""What is put beside it."""
CODES = {
    "timestamps": {0, 1},  # by nobody whom its root knows, and so as if they were not there
    "as many bundles beside it as are read": {0},
    "folders in folders": {0},
}
"""Exit codes other than 1."""
