"""What builders held of a release, and make otherwise now. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.builders.build import Report
from orchestrator.ground.digest import NarHash


def drifted(released: Mapping[str, NarHash], reports: Sequence[Report]) -> Mapping[str, frozenset[str]]:
    """Builder to the store paths that it held as the release has them, and that all make otherwise now.

    Empty also where what they held was another result, or what they make now is not the same everywhere:
    then they disagree, whatever the release has. `released` has store paths.
    """
    held: dict[str, set[str]] = {}
    now: dict[str, set[NarHash]] = {}
    for report in reports:
        for build in report.builds.values():
            for name, built in build.outputs.items():
                second = build.unstable.get(name)
                now.setdefault(built.path, set()).add(built.nar_hash if second is None else second.nar_hash)
                if second is None:
                    continue
                if second.repeated or released.get(built.path) != built.nar_hash:
                    return {}
                held.setdefault(report.identity.name, set()).add(built.path)
    if any(len(made) > 1 for made in now.values()):
        return {}
    return {builder: frozenset(paths) for builder, paths in held.items()}
