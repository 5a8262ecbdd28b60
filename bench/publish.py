"""`tally publish` and `tally verify oci://…` on loopback, against what strangers' clients take for it.

A registry against `oras push` of the release's files, verification against `cosign verify-attestation` of one
attestation, a bucket of seaweedfs's against bare boto3. Where a program cannot be had, a notice says so, and
its figures are left out.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar

from measure import ROOT, TALLY, Figure, alternately, peak_memory, run, state

from orchestrator.ground.errors import TallyError

sys.path.insert(0, str(ROOT / "tests" / "support"))

T = TypeVar("T")
LARGE = 2_000_000_000
_ROUNDS = 3
_BLOCK = 1 << 20


def figures(size: int = LARGE, rounds: int = _ROUNDS) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        folder = Path(name)
        return [*_registry(folder / "registry", size, rounds), *_bucket(folder / "bucket", size, rounds)]


def _registry(folder: Path, size: int, rounds: int) -> Iterator[Figure]:
    import debians
    import strangers

    server, oras = _had(debians.docker_registry), _had(debians.oras)
    if server is None or oras is None:
        return
    key, small = _release(folder / "small", b"the program")
    large_key, large = _release(folder / "large", _random(size))
    number = count()
    with debians.registry(server, folder / "server") as host:

        def publish(release: Path, pub: Path) -> Callable[[], object]:
            return lambda: run([*TALLY, "publish", release, f"oci://{host}/r{next(number)}", "--key", pub])

        def push_to(repository: str, release: Path) -> list[object]:
            files = sorted(str(each.relative_to(release)) for each in release.rglob("*") if each.is_file())
            command = [*oras.command, "push", "--plain-http", "--disable-path-validation"]
            return [*command, f"{host}/{repository}:v", *files]

        def push(release: Path) -> Callable[[], object]:
            return lambda: run(push_to(f"r{next(number)}", release), folder=release)

        artifact = _artifact(large)
        hashed = [sys.executable, "-c", _HASH, artifact]
        get = [sys.executable, "-c", _GET, f"http://{host}/v2/pushed/blobs/sha256:{run(hashed).strip()}"]
        run(push_to("pushed", large), folder=large)
        ours, *parts = alternately(
            rounds, publish(large, large_key), push(large), lambda: run(get), lambda: run(hashed)
        )
        yield _at_most(f"publish to a registry, {size / 1e9:g} GB", ours, parts[0], "oras push", 1.2)
        yield _floor(ours, parts, "oras push")
        memory = peak_memory([*TALLY, "publish", large, f"oci://{host}/memory", "--key", large_key])
        yield Figure("the same", memory, memory, "itself", "MB", memory <= 150, "150 MB")
        ours, theirs = alternately(3 * rounds, publish(small, key), push(small))
        yield Figure("publish to a registry, a small release", ours, theirs, "oras push", "s", True, "none")
        run([*TALLY, "publish", small, f"oci://{host}/small:1", "--key", key.with_suffix(".key")])
        cosign = _had(strangers.cosign)
        if cosign is None:
            return
        verify = [*TALLY, "verify", f"oci://{host}/small:1", "--key", key]
        kind = strangers.TYPES["provenance"]

        def ask() -> None:
            code, said = strangers.cosign_attestation(cosign, key, kind, f"{host}/small:1", folder)
            if code != 0:
                sys.exit(f"cosign refuses a release: {said}")

        ours, theirs = alternately(3 * rounds, lambda: run(verify), ask)
        yield _at_most("tally verify oci://…", ours, theirs, "cosign verify-attestation of one", 1.5)


def _bucket(folder: Path, size: int, rounds: int) -> Iterator[Figure]:
    import clouds
    import seaweed

    interpreter, weed = _had(clouds.python), _had(seaweed.program)
    if interpreter is None or weed is None:
        return
    key, large = _release(folder / "large", _random(size))
    number = count()
    with seaweed.running(weed, folder / "server") as address:
        more = {**clouds.AWS, **clouds.beside_ours(ROOT), "AWS_ENDPOINT_URL": address}
        run([interpreter, "-c", _BARE, "bench"], more=more)
        tally = [interpreter, "-m", "orchestrator.cli", "publish", large]

        def publish() -> list[object]:
            return [*tally, f"s3://bench/{next(number)}", "--key", key, "--allow-mutable"]

        bare = [interpreter, "-c", _BARE, "bench", large]
        artifact = _artifact(large)
        run([*bare, "put"], more=more)
        get = [interpreter, "-c", _BARE_GET, "bench", f"put/{artifact.relative_to(large)}"]
        ours, *parts = alternately(
            rounds,
            lambda: run(publish(), more=more),
            lambda: run([*bare, str(next(number))], more=more),
            lambda: run(get, more=more),
            lambda: run([sys.executable, "-c", _HASH, artifact]),
        )
        yield _at_most(f"publish to a bucket, {size / 1e9:g} GB", ours, parts[0], "bare boto3", 1.2)
        yield _floor(ours, parts, "bare boto3")
        memory = peak_memory(publish(), more=more)
        yield Figure("the same", memory, memory, "itself", "MB", memory <= 150, "150 MB")


_HASH = """
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest())
"""
_GET = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as answer:
    while answer.read(1 << 20):
        pass
"""
_BARE_GET = """
import sys, boto3
body = boto3.client("s3").get_object(Bucket=sys.argv[1], Key=sys.argv[2])["Body"]
while body.read(1 << 20):
    pass
"""
_BARE = """
import pathlib, sys, boto3
client, (bucket, *rest) = boto3.client("s3"), sys.argv[1:]
if not rest:
    client.create_bucket(Bucket=bucket)
else:
    folder = pathlib.Path(rest[0])
    for each in folder.rglob("*"):
        if each.is_file():
            client.upload_file(str(each), bucket, f"{rest[1]}/{each.relative_to(folder)}")
"""


def _at_most(name: str, measured: float, baseline: float, what: str, limit: float) -> Figure:
    return Figure(name, measured, baseline, what, "s", measured <= limit * baseline, f"{limit:g}x")


def _floor(ours: float, parts: Sequence[float], what: str) -> Figure:
    """What nobody saves who hashes before the first byte leaves, and fetches all back after the last."""
    told = (
        f"{name} {each:.3g} s"
        for name, each in zip((what, "a bare download", "a sha256"), parts, strict=True)
    )
    return Figure("the same, against its parts", ours, sum(parts), ", ".join(told), "s", True, "none")


def _artifact(release: Path) -> Path:
    return max((each for each in release.rglob("*") if each.is_file()), key=lambda each: each.stat().st_size)


def _had(make: Callable[[Path], T]) -> T | None:
    try:
        return make(state())
    except TallyError as error:
        print(f"notice: {make.__name__} cannot be had: {error.message}", file=sys.stderr)
        return None


def _random(size: int) -> Iterator[bytes]:
    for at in range(0, size, _BLOCK):
        yield os.urandom(min(_BLOCK, size - at))


def _release(folder: Path, content: bytes | Iterator[bytes]) -> tuple[Path, Path]:
    """The public key that a release is by, and the release, with this artifact in it."""
    import releases

    from orchestrator.keys.key import SigningKey

    key = SigningKey.generate()
    _, public = key.write(folder / "key")
    made = releases.observed(folder / "in", content=content)
    path = releases.published(folder / "out", made, key, releases.builder_keys(made)).path
    shutil.rmtree(folder / "in")
    return public, path
