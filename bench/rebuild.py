"""`tally rebuild` of a release of GNU hello against `tally build` of it, signed: the same builds and stores.

Everything that either needs is in the stores before.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import TALLY, Figure, alternately, run

RECIPE = "recipes/hello.toml"


def figures(rounds: int = 5) -> list[Figure]:
    """Median of `rounds` rebuilds, each next to one build."""
    with tempfile.TemporaryDirectory() as folder:
        run([*TALLY, "keys", "generate", Path(folder, "release")])
        key, public = Path(folder, "release.key"), Path(folder, "release.pub")
        count = iter(range(1000))

        def build() -> Path:
            out = Path(folder, f"releases-{next(count)}")
            run([*TALLY, "build", RECIPE, "--key", key, "--out", out])
            return out

        (release,) = build().iterdir()
        again, first = alternately(
            rounds, lambda: run([*TALLY, "rebuild", release, "--publisher", public]), build
        )
    name = "tally build"
    return [
        Figure(
            "tally rebuild of hello's release", again, first, name, "s", again <= first + 1, "the build + 1 s"
        )
    ]
