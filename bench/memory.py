"""The memory of `tally` itself, with an artifact of 2 GB: built, compared, signed and verified."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from measure import TALLY, Figure, peak_memory, run, state

SIZE = 2_000_000_000
LIMIT = 150  # MB

RECIPE = """\
name = "huge"
version = "1"
summary = "A file of 2 GB"
homepage = "https://example.org/huge"
license = "CC0-1.0"

[toolchain]
from = "debian"
packages = ["gcc", "make", "libc6-dev"]

[build]
script = '''
mkdir -p $out
head -c {size} /dev/zero > $out/huge.bin
'''

[artifact]
format = "file"
path = "huge.bin"
"""


def figures(size: int = SIZE) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        recipe = Path(folder, "recipes", "huge.toml")
        recipe.parent.mkdir()
        recipe.write_text(RECIPE.format(size=size))
        run([*TALLY, "keys", "generate", Path(folder, "release")])
        run([*TALLY, "lock", recipe.parent])
        build = [*TALLY, "build", recipe, "--key", Path(folder, "release.key"), "--out", Path(folder, "out")]
        building = peak_memory(build)
        verifying = peak_memory(
            [
                *TALLY,
                "verify",
                Path(folder, "out", "huge-1-x86_64-linux"),
                "--key",
                Path(folder, "release.pub"),
            ]
        )
        small = peak_memory([*TALLY, "plan", recipe])
        remove_outputs(json.loads(run([*TALLY, "plan", recipe, "--json"]))["recipes"]["huge"])
    name = f"{size / 1e9:.0f} GB"
    return [
        Figure(f"tally build, {name}", building, small, "tally plan", "MB", building <= LIMIT, f"{LIMIT} MB"),
        Figure(
            f"tally verify, {name}", verifying, small, "tally plan", "MB", verifying <= LIMIT, f"{LIMIT} MB"
        ),
    ]


def remove_outputs(planned: dict[str, dict[str, str]]) -> None:
    """Take the large files out of the builders' stores again."""
    paths = [planned["artifact"]["path"], *planned["outputs"].values()]
    for builder in ("a", "b"):
        run(["nix-store", "--store", state() / "stores" / builder, "--delete", *paths])
