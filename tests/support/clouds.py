"""The libraries of clouds, and servers that can stand for them, in an environment of their own.

They are forty packages, and securesystemslib imports those that it finds whenever it is imported: so the
tests' own environment is without them, as most users' is.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import sysconfig
import threading
import venv
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from once import one_at_a_time
from warm import Warm

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import Ran

PACKAGES = (
    "azure-identity==1.27.0",
    "azure-keyvault-keys==4.11.3",
    "boto3==1.44.5",
    "flask-cors==6.0.5",
    "google-cloud-kms==3.18.0",
    "hvac==2.4.0",
    "moto[kms,s3]==5.2.5",
)
"""Of moto's server, what these services need: `moto[server]` would bring half of all files, for others."""
NOWHERE = "http://127.0.0.1:9"
AWS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "eu-west-1"}
TOKEN = "a token of the tests"
_LOST = {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1", "NO_GCE_CHECK": "true"}
_MOTO = """
import sys
if "digests" in sys.argv:
    import threading
    from cryptography.hazmat.primitives.asymmetric import ec, utils as prehashing
    from cryptography.hazmat.primitives.hashes import SHA256
    from moto.kms import responses, utils

    asked, answer, sign_message = threading.local(), responses.KmsResponse.sign, utils.ECDSAPrivateKey.sign

    def sign(self):
        asked.kind = self._get_param("MessageType")
        return answer(self)

    def sign_what_was_asked(self, message, algorithm):
        if asked.kind != "DIGEST" or algorithm != "ECDSA_SHA_256":
            return sign_message(self, message, algorithm)
        return self.private_key.sign(message, ec.ECDSA(prehashing.Prehashed(SHA256())))

    responses.KmsResponse.sign = sign
    utils.ECDSAPrivateKey.sign = sign_what_was_asked
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
server.stop()
"""


@dataclass(frozen=True)
class Cloud:
    """`tally` by an interpreter that has the clouds' libraries, with one cloud in reach."""

    interpreter: Path
    repository: Path
    environment: Mapping[str, str]

    def run(self, *words: str | Path, folder: Path) -> Ran:
        """A process of that interpreter's own, from its start."""
        from tests.conftest import Ran

        done = subprocess.run(
            [self.interpreter, *words],
            cwd=folder,
            env=self._whole(folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return Ran(tuple(map(str, words)), done.returncode, done.stdout, done.stderr)

    def tally(self, *words: str | Path, folder: Path) -> Ran:
        """`tally`, which begins warm: to import these libraries takes seconds."""
        return self._warm(words, folder, None) or self.run("-m", "orchestrator.cli", *words, folder=folder)

    def code(self, code: str, folder: Path) -> Ran:
        """A program of a user of these libraries, which begins warm, too."""
        return self._warm(("-c",), folder, code) or self.run("-c", code, folder=folder)

    def _warm(self, words: Sequence[str | Path], folder: Path, code: str | None) -> Ran | None:
        from tests.conftest import Ran

        said = tuple(map(str, words))
        warm = _warm_with(self.interpreter, self.repository)
        ran = warm.run(said, folder, self._whole(folder), None, 600, code=code)
        return None if ran is None else Ran(said, ran.code, ran.out, ran.err)

    def _whole(self, folder: Path) -> dict[str, str]:
        return {**_surroundings(self.repository), "HOME": str(folder), **self.environment}

    def refuses(self, address: str, folder: Path) -> str:
        """The whole of what is said: two lines, whatever the cloud's library would log."""
        said = self.tally("keys", "show", address, folder=folder).failed(2).err
        message, hint = said.splitlines()
        assert message.startswith("tally: error: ")
        assert hint.startswith("hint: ")
        return message


@cache
def _warm_with(interpreter: Path, repository: Path) -> Warm:
    """The process that this test process forks its runs from."""
    warm = Warm(interpreter, _surroundings(repository))
    atexit.register(warm.close)
    return warm


def _surroundings(repository: Path) -> dict[str, str]:
    return {**os.environ, **_LOST, **beside_ours(repository)}


@one_at_a_time
def python(state: Path) -> Path:
    """An interpreter that has them. Raises TallyError when pip does not give them."""
    folder = state / "strangers" / "clouds"
    if not (folder / "made").exists():
        making = folder.with_name(f"clouds.{os.getpid()}")
        try:
            venv.create(making, with_pip=False)
            pip = [sys.executable, "-m", "pip", "--python", str(making / "bin/python")]
            # what is imported is compiled then: most of their thousands of modules never are
            install = ["install", "--quiet", "--no-compile", "--disable-pip-version-check", *PACKAGES]
            subprocess.run([*pip, *install], check=True, capture_output=True, text=True, timeout=600)
            (making / "made").touch()
            making.rename(folder)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or error
            raise TallyError(f"pip does not give the clouds' libraries: {said}") from error
    return folder / "bin" / "python"


def beside_ours(repository: Path) -> dict[str, str]:
    """What makes that interpreter find the checkout under test, and what it needs."""
    return {"PYTHONPATH": f"{repository}:{sysconfig.get_path('purelib')}"}


@contextmanager
def moto(interpreter: Path, *, digests: bool = True) -> Iterator[str]:
    """The address of a server on loopback that answers as AWS does, with keys that really sign.

    As it comes, moto 5 hashes digests again (its pull request 10202), where AWS signs them as they are.
    `digests` adds that, for P-256; without it this is a service that signs something else than asked.
    """
    with subprocess.Popen(
        [interpreter, "-c", _MOTO, *(["digests"] if digests else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


class _Transit(BaseHTTPRequestHandler):
    """What a signer asks Vault's transit engine, answered as Vault's API documentation has it.

    https://developer.hashicorp.com/vault/api-docs/secret/transit: Vault itself cannot be had from a registry.
    """

    keys: ClassVar[dict[str, Ed25519PrivateKey]] = {}
    """By version."""

    def do_GET(self) -> None:
        known = {
            version: {"public_key": _b64(key.public_key().public_bytes_raw())}
            for version, key in self.keys.items()
        }
        self._answer({"keys": known} if self.path == "/v1/transit/keys/release" else None)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        version = str(asked.get("key_version"))
        signature = self.keys[version].sign(b64decode(asked["input"]))
        self._answer({"signature": f"vault:v{version}:{_b64(signature)}"})

    do_PUT = do_POST  # noqa: N815  the name is http.server's

    def _answer(self, data: object) -> None:
        if self.headers["X-Vault-Token"] != TOKEN:
            code, said = 403, {"errors": ["permission denied"]}
        else:
            code, said = (404, {"errors": []}) if data is None else (200, {"data": data})  # type: ignore[dict-item]
        body = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: tests are quiet."""


def _b64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


@contextmanager
def vault() -> Iterator[tuple[str, dict[str, Ed25519PrivateKey]]]:
    """The address of a stand-in for Vault on loopback, and its key `release`, by version."""
    keys = {version: Ed25519PrivateKey.generate() for version in ("9", "10")}
    handler = type("Handler", (_Transit,), {"keys": keys})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
