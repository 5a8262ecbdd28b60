"""What was observed in a run, as the evidence needs it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.agreement.agreement import Agreed
from orchestrator.evidence.facts import Artifact, InputFile, Package, ReleaseFacts
from orchestrator.evidence.source import source_files
from orchestrator.ground.digest import Sha256
from orchestrator.nix.chroot import ChrootStore
from orchestrator.run.plan import Plan, Target
from orchestrator.signing import gate


def facts_of(
    plan: Plan, store: ChrootStore, target: Target, agreed: Agreed, quorum: int, artifact: Path
) -> ReleaseFacts:
    """What was observed of one target, gathered for the evidence.

    `store` is the orchestrator's, `artifact` the file that will be published. Raises TallyError when one of
    them cannot be read.
    """
    recipe, made_from = target.recipe, target.made_from
    sha256, size, _ = gate.measure(artifact)
    builds = [report.builds[path] for report in agreed.reports for path in agreed.outputs]
    sources = {path for drv in target.graph.derivations.values() for path in drv.input_sources}
    return ReleaseFacts(
        package=Package(
            recipe.name,
            recipe.version,
            plan.request["system"],
            recipe.summary,
            recipe.homepage,
            recipe.license,
        ),
        artifact=Artifact(target.evaluated.artifact_file_name, sha256, size),
        target=recipe.name,
        package_derivation=target.evaluated.package,
        artifact_derivation=target.evaluated.artifact,
        graph=target.graph,
        agreed=agreed,
        quorum=quorum,
        input_sources={path: info.nar_hash for path, info in store.information(sources).items()},
        origins=target.origins,
        licences={p.sha256: p.license for p in plan.lock.package if p.license is not None},
        toolchains=target.toolchains,
        recipe=InputFile(target.file.name, Sha256.of(target.made_from.recipes[recipe.name])),
        lock=InputFile(plan.lock_file.name, plan.lock_digest),
        revision=target.revision,
        source=source_files(made_from.recipes, made_from.lock, made_from.request, _scripts(store, sources)),
        started=min(build.started for build in builds),
        finished=max(build.finished for build in builds),
        invocation_id=str(uuid.uuid4()),
    )


def _scripts(store: ChrootStore, paths: Iterable[str]) -> Mapping[str, bytes]:
    """The flat files among these store paths, by name: our build scripts, which derivations use."""
    files = {path.rsplit("/", 1)[-1]: store.physical(path) for path in paths}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}
