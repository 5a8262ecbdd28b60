"""`tally build` of GNU hello against two raw `nix-store --realise --check` of the same derivations.

Same two stores, same time, same Nix settings. Everything the build needs is in the stores before.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from measure import TALLY, Figure, alternately, realise_raw, run, state

RECIPE = "recipes/hello.toml"
BUILDERS = ("a", "b")


def figures(rounds: int = 5) -> list[Figure]:
    """Median of `rounds` builds, each next to one of the baseline."""
    with tempfile.TemporaryDirectory() as folder:
        run([*TALLY, "keys", "generate", Path(folder, "release")])
        key = Path(folder, "release.key")
        run([*TALLY, "build", RECIPE, "--no-sign"])  # so that both stores hold everything
        planned = json.loads(run([*TALLY, "plan", RECIPE, "--json"]))["recipes"]["hello"]
        derivations = [planned["derivation"], planned["artifact"]["derivation"]]
        stores = [state() / "stores" / builder for builder in BUILDERS]
        count = iter(range(1000))

        def build() -> None:
            run([*TALLY, "build", RECIPE, "--key", key, "--out", Path(folder, f"releases-{next(count)}")])

        ours, raw = alternately(rounds, build, lambda: realise_raw(stores, "--check", *derivations))
    limit = max(raw * 1.10, raw + 2)
    return [
        Figure("tally build recipes/hello.toml", ours, raw, "raw Nix", "s", ours <= limit, "1.10x or +2 s")
    ]
