"""Sigstore's clients, unmodified, asked about a bundle: cosign, sigstore-js, sigstore-python."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from once import one_at_a_time

from orchestrator.bundles.certificates import Identity
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import PublicKey

HERE = Path(__file__).resolve().parent
PACKAGES = ("@sigstore/bundle@5.0.1", "@sigstore/verify@4.1.3")
AXE_PACKAGES = ("axe-core@4.14.1",)
SARIF_PACKAGES = ("@microsoft/jest-sarif@1.0.0-beta.0",)
NOWHERE = "http://127.0.0.1:9"
GO_ONCE = {"GOGC": "off"}
"""For a program in Go that ends after one answer: it needs no collector of garbage, a third of its time."""


@dataclass(frozen=True)
class Asked:
    """A bundle and what is asked of it. Each client gives None for yes, and else what it said."""

    bundle: bytes
    root: Path
    artifact: Path
    signer: PublicKey | Identity
    enveloped: bool
    logged: bool = True
    kind: str = "slsaprovenance1"
    """What cosign calls the statement's type."""

    def file(self, folder: Path) -> Path:
        path = folder / "asked.sigstore.json"
        path.write_bytes(self.bundle)
        return path


def sigstore_js(state: Path) -> Path:
    """The folder that npm put sigstore-js into. Raises TallyError when it cannot be had."""
    return _from_npm(state, "sigstore-js", PACKAGES, "@sigstore/verify")


def sarif_schema(state: Path) -> Path:
    """The folder that npm put SARIF's schema into. Raises TallyError when it cannot be had."""
    return _from_npm(state, "sarif-schema", SARIF_PACKAGES, "@microsoft/jest-sarif")


def axe(state: Path) -> Path:
    """axe-core's script, as npm has it. Raises TallyError when it cannot be had."""
    return _from_npm(state, "axe", AXE_PACKAGES, "axe-core") / "node_modules/axe-core/axe.min.js"


@one_at_a_time
def _from_npm(state: Path, name: str, packages: Sequence[str], wanted: str) -> Path:
    folder = state / "strangers" / name
    if not (folder / "node_modules" / wanted).is_dir():
        making = folder.with_name(f"{name}.{os.getpid()}")
        making.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(making)]
        try:
            subprocess.run([*words, *packages], check=True, capture_output=True, text=True, timeout=300)
            making.rename(folder)
        except (OSError, subprocess.SubprocessError) as error:
            raise TallyError(f"npm does not give {name}: {error}") from error
    return folder


def ask_sarif_schema(folder: Path, documents: Sequence[object]) -> list[list[str]]:
    """What SARIF's schema has against each document."""
    found: list[list[str]] = _node(folder, "sarif_schema.mjs", documents)
    return found


def _node(folder: Path, script: str, cases: object) -> Any:
    """What a script prints, run in that folder; cases and answers are JSON."""
    done = subprocess.run(
        ["node", HERE / script],
        cwd=folder,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@cache
def _judging(folder: Path) -> subprocess.Popen[str]:
    """sigstore-js, which answers for as long as we run: Node takes longer to start than to judge."""
    command: list[str | Path] = ["node", HERE / "sigstore_js.mjs"]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)  # it ends at the end of what is asked
    return process


def ask_js(folder: Path, questions: Sequence[Asked]) -> list[str | None]:
    """What sigstore-js says to each."""
    cases = []
    for asked in questions:
        case: dict[str, object] = {
            "bundle": asked.bundle.decode("utf-8", "surrogateescape"),
            "root": asked.root.read_text(),
            "artifact": str(asked.artifact),
            "tlogThreshold": int(asked.logged),
            "timestampThreshold": int(isinstance(asked.signer, Identity)),
        }
        if isinstance(asked.signer, PublicKey):
            case["spki"] = b64encode(asked.signer.spki).decode()
        else:
            case |= {"identity": asked.signer.subject, "issuer": asked.signer.issuer}
        cases.append(case)
    process = _judging(folder)
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{json.dumps(cases)}\n")
    process.stdin.flush()
    found: list[str | None] = json.loads(process.stdout.readline())
    return found


def ask_cosign(program: Path, asked: Asked, folder: Path) -> str | None:
    """cosign without a network."""
    kind = ["verify-blob-attestation", "--type", asked.kind] if asked.enveloped else ["verify-blob"]
    if isinstance(asked.signer, PublicKey):
        pem = folder / "asked.pub"
        pem.write_text(asked.signer.pem)
        signer: list[str | Path] = ["--key", pem]
    else:
        signer = [
            "--certificate-identity",
            asked.signer.subject,
            "--certificate-oidc-issuer",
            asked.signer.issuer,
        ]
    ignoring = [] if asked.logged else ["--insecure-ignore-tlog"]
    command: list[str | Path] = [
        program,
        *kind,
        *signer,
        "--bundle",
        asked.file(folder),
        "--trusted-root",
        asked.root,
        *ignoring,
    ]
    environment = {"HOME": str(folder), "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE, **GO_ONCE}
    done = subprocess.run([*command, asked.artifact], env=environment, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr


def ask_python_of_parts(asked: Asked) -> str | None:
    """sigstore-python's own parts, put together as its verifier does, which takes no keys: None for yes.

    Its bundle, the place in the log of every entry, the envelope's signature, the statement, its subject.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    from sigstore import dsse
    from sigstore._internal.trust import KeyringPurpose
    from sigstore.hashes import Hashed
    from sigstore.models import TransparencyLogEntry, TrustedRoot
    from sigstore_models.bundle.v1 import Bundle

    assert isinstance(asked.signer, PublicKey)
    key = load_der_public_key(asked.signer.spki)
    assert isinstance(key, EllipticCurvePublicKey)
    try:
        bundle = Bundle.from_json(asked.bundle)
        keyring = TrustedRoot.from_file(str(asked.root)).rekor_keyring(KeyringPurpose.VERIFY)
        entries = bundle.verification_material.tlog_entries
        if not entries or bundle.dsse_envelope is None:
            return "no log entry, or no envelope"
        for entry in entries:
            TransparencyLogEntry(entry)._verify(keyring)
        envelope = dsse.Envelope(bundle.dsse_envelope)
        if bundle.dsse_envelope.payload_type != dsse.Envelope._TYPE:
            return "another payload type"
        statement = dsse.Statement(dsse._verify(key, envelope))
        digest = bytes.fromhex(Sha256.of_file(asked.artifact).hex)
        if not statement._matches_digest(Hashed.model_validate({"algorithm": "SHA2_256", "digest": digest})):
            return "another artifact"
    except Exception as error:  # noqa: BLE001  a no, however it comes about
        return f"{type(error).__name__}: {error}"
    return None


def ask_python(asked: Asked) -> str | None:
    """sigstore-python, which takes certificates alone. None for yes."""
    from sigstore.hashes import Hashed
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier, policy

    if isinstance(asked.signer, PublicKey):
        raise TypeError("sigstore-python takes no keys")
    identity = policy.Identity(identity=asked.signer.subject, issuer=asked.signer.issuer)
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(asked.root)))
    try:
        bundle = Bundle.from_json(asked.bundle)
        if asked.enveloped:
            verifier.verify_dsse(bundle, identity)
        else:
            digest = bytes.fromhex(Sha256.of_file(asked.artifact).hex)
            verifier.verify_artifact(
                Hashed.model_validate({"algorithm": "SHA2_256", "digest": digest}), bundle, identity
            )
    except Exception as error:  # noqa: BLE001  a no, however it comes about
        return f"{type(error).__name__}: {error}"
    return None
