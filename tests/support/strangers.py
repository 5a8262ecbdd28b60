"""Programs that we did not write, as their users have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from clients import GO_ONCE
from debians import unpacked
from indexes import index
from once import one_at_a_time
from waiting import HANGS
from warm import WARM

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.request import package_output
from orchestrator.recipe.wanted import wanted_from
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

_IN_TOTO_VERIFY = """
import sys
from in_toto.in_toto_verify import main
sys.argv[0] = "in-toto-verify"
sys.exit(main())
"""
"""What the program of that name is."""


def of_this_environment(name: str) -> Path:
    """A program that was installed beside the interpreter, e.g. `in-toto-verify`."""
    return Path(sys.executable).parent / name


@one_at_a_time
def cosign(state: Path) -> Path:
    """cosign 3: Debian sid's, unpacked into the tests' state folder; its version here is too old or absent.

    Raises TallyError when it cannot be had.
    """
    return _program(state, "cosign", "sid")


@one_at_a_time
def umoci(state: Path) -> Path:
    """umoci, which unpacks images by their specification. Raises TallyError when it cannot be had."""
    return _program(state, "umoci", "bookworm")


def _program(state: Path, name: str, suite: str) -> Path:
    """A program of Debian's that needs no more than libc, unpacked into the tests' state folder."""
    folder = state / "strangers" / name
    program = folder / "usr" / "bin" / name
    if not program.exists():
        sources = Sources(state / "strangers" / "sources", Mirrors())
        deb = sources.fetch(wanted_from(package_output(index(suite).candidate(name))))
        draft = folder.with_name(f"{name}.{os.getpid()}")
        subprocess.run(["dpkg-deb", "--extract", deb, draft], check=True, capture_output=True)
        try:
            draft.rename(folder)
        except OSError as error:
            raise TallyError(f"cannot put {name} at {folder}: {error}") from error
    return program


class Skopeo:
    """skopeo of Debian bookworm with the libraries that it needs, run by their own loader."""

    _LIBRARIES = (
        *("libassuan0", "libdevmapper1.02.1", "libgpg-error0", "libgpgme11"),
        *("libpcre2-8-0", "libselinux1", "libudev1"),
    )

    def __init__(self, state: Path) -> None:
        """Fetches it unless it is there. Raises TallyError when it cannot be had."""
        self._program = unpacked(state, "skopeo", "usr/bin/skopeo", "bookworm", self._LIBRARIES)

    def config(self, archive: Path, reference: str) -> dict[str, Any]:
        """The `config` of an image in an archive, as skopeo reads it."""
        code, said = self._run("inspect", "--config", f"oci-archive:{archive}:{reference}")
        assert code == 0, said
        found: dict[str, Any] = json.loads(said)["config"]
        return found

    def copy(self, archive: Path, reference: str, folder: Path) -> tuple[int, str]:
        """Copy an image to a folder of its own, every blob checked: exit code, and what it said."""
        return self._run(
            "--insecure-policy", "copy", "--quiet", f"oci-archive:{archive}:{reference}", f"dir:{folder}"
        )

    def fetch(self, reference: str, folder: Path) -> tuple[int, str]:
        """Copy an image or artifact from a registry on loopback to a folder: exit code, and what it said."""
        words = ("--insecure-policy", "copy", "--quiet", "--src-tls-verify=false")
        return self._run(*words, f"docker://{reference}", f"dir:{folder}")

    def _run(self, *arguments: str) -> tuple[int, str]:
        environment = {"HOME": str(self._program.folder), "TMPDIR": gettempdir()}
        return _ran([*self._program.command, *arguments], None, environment)


def skopeo(state: Path) -> Skopeo | None:
    """None, said on stderr, where it cannot be had: the rest of a test stands without it."""
    try:
        return Skopeo(state)
    except TallyError as error:
        sys.stderr.write(f"notice: skopeo cannot be had here: {error.message}\n")
        return None


TYPES = {
    "provenance": "slsaprovenance1",
    "reproduction": "https://in-toto.io/attestation/scai/v0.3",
    "sbom-spdx": "https://spdx.dev/Document/v2.3",
    "sbom-spdx3": "https://spdx.dev/Document",
    "sbom-cyclonedx": "https://cyclonedx.org/bom",
}
"""Our bundles, and what cosign calls the statements in them."""


def in_toto_verify(folder: Path, pub: Path) -> tuple[int, str]:
    """in-toto-verify, run in a release folder: exit code, and what it said. It begins warm."""
    words = ["--layout", "links/root.layout", "--verification-keys", str(pub), "--link-dir", "links"]
    done = WARM.run(words, folder, os.environ, None, HANGS, code=_IN_TOTO_VERIFY)
    if done is not None:
        return done.code, done.out + done.err
    return _ran([of_this_environment("in-toto-verify"), *words], folder)


def accept(release: Path, pub: Path, other: Path, state: Path) -> None:
    """Asserts that in-toto-verify and cosign, where it can be had, take a release by this key alone."""
    assert in_toto_verify(release, pub) == (0, "")
    assert in_toto_verify(release, other)[0] != 0
    try:
        program = cosign(state)
    except TallyError as error:
        sys.stderr.write(f"notice: cosign cannot be had here: {error.message}\n")
        return
    artifact = release / json.loads((release / "release.json").read_bytes())["artifact"]["path"]
    root = release / "trusted_root.json"
    for name, kind in TYPES.items():
        bundle = release / "attestations" / f"{name}.sigstore.json"
        code, said = cosign_verify(program, pub, bundle, kind, artifact, root)
        assert code == 0, said
        assert cosign_verify(program, other, bundle, kind, artifact, root)[0] != 0


def pyspdxtools(*arguments: str | Path) -> tuple[int, str]:
    """pyspdxtools: exit code, and what it said."""
    return _ran([of_this_environment("pyspdxtools"), *arguments], None)


def cosign_attestation(program: Path, pub: Path, kind: str, reference: str, folder: Path) -> tuple[int, str]:
    """`cosign verify-attestation` of what a registry on loopback has: exit code, and what it said."""
    command: list[str | Path] = [program, "verify-attestation", "--key", pub, "--type", kind]
    return _ran([*command, "--insecure-ignore-tlog", "--allow-http-registry", reference], folder)


def cosign_attestation_by(
    program: Path, who: tuple[str, str], root: Path, kind: str, reference: str, folder: Path
) -> tuple[int, str]:
    """The same by an identity and its issuer, with a trusted root, its log and its timestamps."""
    command: list[str | Path] = [program, "verify-attestation", "--type", kind, "--trusted-root", root]
    by = ["--certificate-identity", who[0], "--certificate-oidc-issuer", who[1]]
    return _ran([*command, *by, "--allow-http-registry", reference], folder)


def cosign_verify(
    program: Path, pub: Path, bundle: Path, kind: str, artifact: Path, trusted_root: Path | None = None
) -> tuple[int, str]:
    """cosign without a network: exit code, and what it said.

    Without a trusted root it is told to do without a log.
    """
    nowhere = "http://127.0.0.1:9"
    log = ["--trusted-root", trusted_root] if trusted_root else ["--insecure-ignore-tlog"]
    command = [program, "verify-blob-attestation", "--key", pub, "--bundle", bundle, *log]
    environment = {"HOME": str(pub.parent), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere}
    return _ran([*command, "--type", kind, artifact], None, environment)


def _ran(
    command: Sequence[str | Path], folder: Path | None, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    whole = {**(os.environ if environment is None else environment), **GO_ONCE}
    done = subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr
