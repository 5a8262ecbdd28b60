"""Sigstore's clients, unmodified, asked about a bundle: cosign, sigstore-js, sigstore-python."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.digest import Sha256
from orchestrator.errors import TallyError
from orchestrator.signing.bundles.certificates import Identity
from orchestrator.signing.keys import PublicKey

HERE = Path(__file__).resolve().parent
PACKAGES = ("@sigstore/bundle@5.0.1", "@sigstore/verify@4.1.3")
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Asked:
    """A bundle and what is asked of it. Each client gives None for yes, and else what it said."""

    bundle: bytes
    root: Path
    artifact: Path
    signer: PublicKey | Identity
    enveloped: bool
    logged: bool = True

    def file(self, folder: Path) -> Path:
        path = folder / "asked.sigstore.json"
        path.write_bytes(self.bundle)
        return path


def sigstore_js(state: Path) -> Path:
    """The folder that npm put sigstore-js into. Raises TallyError when it cannot be had."""
    folder = state / "strangers" / "sigstore-js"
    if not (folder / "node_modules" / "@sigstore" / "verify").is_dir():
        making = folder.with_name(f"sigstore-js.{os.getpid()}")
        making.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            "npm",
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            making,
            *PACKAGES,
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
            making.rename(folder)
        except (OSError, subprocess.SubprocessError) as error:
            raise TallyError(f"npm does not give sigstore-js: {error}") from error
    return folder


def ask_js(folder: Path, questions: Sequence[Asked]) -> list[str | None]:
    """All at once: Node takes longer to start than to judge."""
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
    done = subprocess.run(
        ["node", HERE / "sigstore_js.mjs"],
        cwd=folder,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str | None] = json.loads(done.stdout)
    return found


def ask_cosign(program: Path, asked: Asked, folder: Path) -> str | None:
    """cosign without a network."""
    kind = ["verify-blob-attestation", "--type", "slsaprovenance1"] if asked.enveloped else ["verify-blob"]
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
    environment = {"HOME": str(folder), "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
    done = subprocess.run([*command, asked.artifact], env=environment, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr


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
