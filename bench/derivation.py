"""`tally build` of a `.drv` against two raw `nix-store --realise --check` of the same derivations.

Same two stores, same time, same Nix settings. Everything the build needs is in the stores before.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from measure import ROOT, TALLY, Figure, alternately, realise_raw, run, state

BUILDERS = ("a", "b")


def figures(rounds: int = 5) -> list[Figure]:
    """Median of `rounds` builds, each next to one of the baseline."""
    sys.path += [str(ROOT), str(ROOT / "tests" / "support")]
    from targets import laid_out, nix

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tally.toml").touch()
        run([*TALLY, "keys", "generate", folder / "release"])
        elsewhere = folder / "elsewhere"
        packages = laid_out(folder / "packages")
        drv = nix(elsewhere, "nix-instantiate", str(packages / "default.nix"), "-A", "hello")
        words = [drv, "--store", elsewhere]
        run([*TALLY, "build", *words, "--no-sign"], folder=folder)  # so that both stores hold everything
        planned = json.loads(run([*TALLY, "plan", *words, "--json"], folder=folder))
        [target] = planned["derivations"].values()
        derivations = [target["derivation"], target["artifact"]["derivation"]]
        stores = [state() / "stores" / builder for builder in BUILDERS]
        count = iter(range(1000))

        def build() -> None:
            out = folder / f"releases-{next(count)}"
            run([*TALLY, "build", *words, "--key", folder / "release.key", "--out", out], folder=folder)

        ours, raw = alternately(rounds, build, lambda: realise_raw(stores, "--check", *derivations))
    limit = max(raw * 1.10, raw + 2)
    return [Figure("tally build X.drv, signed", ours, raw, "raw Nix", "s", ours <= limit, "1.10x or +2 s")]
