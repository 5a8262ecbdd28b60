"""`tally verify`: one release from a cold start, a thousand in one call, an artifact of 1 GiB; and cosign.

cosign is asked about each bundle of such a release, a process each; where it cannot be had, a notice says so.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import ROOT, TALLY, Figure, alternately, cpu_seconds, peak_memory, run, state

from orchestrator.ground.errors import TallyError

sys.path.insert(0, str(ROOT / "tests" / "support"))

RECIPE = "recipes/hello.toml"
COPIES, MANY = 50, 1000
LARGE = 1 << 30
LIBRARIES = """\
import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
"""
"""What no verification by a key can do without."""
POLICY = """\
[[signer]]
name = "release key"
key = "release.pub"

[builders]
per = "builder"

[require]
maximum-age = "9999w"
sandbox = ["no-network", "no-host-files"]

[sources]
addresses = ["mirror://gnu/**", "mirror://debian/**"]

[[toolchain]]
from = "debian"
suite = "bookworm"

[licences]
denied = ["AGPL-3.0-only"]

[[deny]]
purl = "pkg:deb/debian/xz-utils"
versions = "vers:deb/>=5.6.0|<5.6.2"
reason = "a backdoor"

[[rule]]
name = "linux"
cel = "provenance.buildDefinition.internalParameters.system.endsWith('-linux')"
message = "not for Linux"
"""


def figures(rounds: int = 7) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        folder = Path(name)
        return [*_small(folder, rounds), *_large(folder)]


def _small(folder: Path, rounds: int) -> list[Figure]:
    run([*TALLY, "keys", "generate", folder / "release"])
    run([*TALLY, "build", RECIPE, "--key", folder / "release.key", "--out", folder])
    release = folder / "hello-2.10-x86_64-linux"
    digested = [path for path in release.rglob("*") if path.is_file()]
    policy = folder / "policy.toml"
    policy.write_text(POLICY)
    copies = [folder / "many" / str(number) for number in range(COPIES)]
    for copy in copies:
        shutil.copytree(release, copy)
    listed = folder / "list"
    listed.write_text("".join(f"{copies[number % COPIES]}\n" for number in range(MANY)))
    by_key = ["--key", folder / "release.pub"]
    cold, judged, libraries, sums = alternately(
        3 * rounds,
        lambda: run([*TALLY, "verify", release, *by_key]),
        lambda: run([*TALLY, "verify", release, "--policy", policy]),
        lambda: run([sys.executable, "-c", LIBRARIES]),
        lambda: run(["sha256sum", *digested]),
        by=cpu_seconds,
    )
    ask = _cosign(release, folder / "release.pub")
    many, many_judged, one, theirs = alternately(
        rounds,
        lambda: run([*TALLY, "verify", "--list", listed, *by_key]),
        lambda: run([*TALLY, "verify", "--list", listed, "--policy", policy]),
        lambda: run([*TALLY, "verify", release, *by_key]),
        ask or (lambda: None),
    )
    many_cpu, their_cpu = alternately(
        3,
        lambda: run([*TALLY, "verify", "--list", listed, *by_key]),
        ask or (lambda: None),
        by=cpu_seconds,
    )
    each, each_judged = many / MANY, many_judged / MANY
    return [
        Figure(
            "tally verify --key, cold, CPU", cold, libraries, _IMPORTED, "s", cold <= 1.6 * libraries, "1.6x"
        ),
        Figure("tally verify --key, cold, CPU", cold, sums, "sha256sum of its files", "s", True, "none"),
        Figure("tally verify --policy, cold, CPU", judged, libraries, _IMPORTED, "s", True, "none"),
        Figure(f"each of {MANY}, by key", each, one, "a process for one", "s", True, "none"),
        Figure(f"each of {MANY}, by policy", each_judged, one, "a process for one", "s", True, "none"),
        *(
            [
                Figure(f"each of {MANY}, by key", each, theirs, _COSIGN, "s", each * 20 <= theirs, "0.05x"),
                Figure(f"each of {MANY}, CPU", many_cpu / MANY, their_cpu, _COSIGN, "s", True, "none"),
            ]
            if ask
            else []
        ),
    ]


_IMPORTED = "a process that imports typer and cryptography"
_COSIGN = "a process of cosign for each of its bundles"


def _cosign(release: Path, pub: Path) -> Callable[[], None] | None:
    """A process of cosign for each bundle of a release, in turn; None: cosign cannot be had."""
    import strangers

    try:
        program = strangers.cosign(state())
    except TallyError as error:
        print(f"notice: cosign cannot be had: {error.message}", file=sys.stderr)
        return None
    bundles = {
        release / "attestations" / f"{name}.sigstore.json": kind for name, kind in strangers.TYPES.items()
    }
    artifact = release / json.loads((release / "release.json").read_bytes())["artifact"]["path"]

    def ask() -> None:
        for bundle, kind in bundles.items():
            code, said = strangers.cosign_verify(
                program, pub, bundle, kind, artifact, release / "trusted_root.json"
            )
            if code != 0:
                sys.exit(f"cosign refuses a release: {said}")

    return ask


def _large(folder: Path) -> list[Figure]:
    import releases

    from orchestrator.keys.key import SigningKey

    key = SigningKey.generate()
    _, public = key.write(folder / "large")
    made = releases.observed(folder / "in", content=bytes(LARGE))
    path = releases.published(folder / "out", made, key, releases.builder_keys(made)).path
    artifact = path / json.loads((path / "release.json").read_bytes())["artifact"]["path"]
    verify = [*TALLY, "verify", path, "--key", public]
    taken, sums = alternately(3, lambda: run(verify), lambda: run(["sha256sum", artifact]))
    memory = peak_memory(verify)
    limit = sums * 1.3
    return [
        Figure("tally verify, 1 GiB", taken, sums, "sha256sum", "s", taken <= limit, "1.3x"),
        Figure("tally verify, 1 GiB", memory, memory, "itself", "MB", memory <= 100, "100 MB"),
    ]
