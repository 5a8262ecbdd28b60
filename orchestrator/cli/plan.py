"""`tally plan`: what would be built, from what, and what is missing for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.making_options import Evidence, RebuildInputs, RebuildNamed, System
from orchestrator.cli.target_options import (
    Arg,
    ArgStr,
    ArtifactFormat,
    Include,
    ListFile,
    NixFile,
    StoreAddress,
    Targets,
)

if TYPE_CHECKING:
    from orchestrator.nix.derivation import Derivation
    from orchestrator.run.believing import Decision
    from orchestrator.run.plan import Step, Target
    from orchestrator.stories.voting import Foretold


def plan(
    targets: Targets = None,
    file: NixFile = None,
    list_file: ListFile = None,
    arg: Arg = None,
    argstr: ArgStr = None,
    include: Include = None,
    artifact: ArtifactFormat = None,
    store: StoreAddress = None,
    rebuild_inputs: RebuildInputs = 0,
    rebuild: RebuildNamed = None,
    system: System = None,
    evidence: Evidence = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Show the derivations that targets become, their build-time closure, and what of it is missing.

    Where inputs may be believed, caches are asked which they have; nothing is taken from them.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.caches.choosing import Reach
    from orchestrator.cli.targets import asked_of, how_of, refuse_idle, systems_of
    from orchestrator.cli.text import print_json, say
    from orchestrator.ground.state import State
    from orchestrator.run import believing, planning
    from orchestrator.run.plan import MadeFrom, closures
    from orchestrator.run.workshop import opened
    from orchestrator.stories.voting import asked_of as asked_of_operators

    asked = asked_of(targets or [], file, list_file)
    how = how_of(arg or [], argstr or [], include or [], store, artifact)
    refuse_idle(asked, how, artifact)
    how = replace(how, system=systems_of([system] if system else [])[0])
    state, configuration = State.of_environment(), load(Path.cwd())
    closure = asked_of_operators(state, configuration, evidence or ())
    with opened(state, configuration) as workshop:
        # a dirty tree is no reason not to look at the plan: only building refuses it
        made = planning.make(workshop, asked, how, allow_dirty=True)
        steps = closures(workshop, made)
        reach = Reach(rebuild_inputs, tuple(rebuild or ()))
        decision = believing.decided(workshop, made, reach, say)
        emulating = workshop.emulating(made.system)
    if emulating:
        whose = ", ".join(emulating)
        say(f"{whose} emulate{'s' if len(emulating) == 1 else ''} {made.system}, which is slow")
    foretold = {
        name: closure.foretold(name, target.graph) for name, target in made.targets.items() if closure
    }
    if json:
        documents: dict[str, dict[str, Any]] = {"recipes": {}, "derivations": {}}
        for name, target in made.targets.items():
            kind = "recipes" if isinstance(target.made_from, MadeFrom) else "derivations"
            documents[kind][name] = {
                **_document(target, steps[name], decision),
                **({"votes": _votes(foretold[name])} if closure else {}),
            }
        print_json({kind: each for kind, each in documents.items() if each})
        return
    for name, target in made.targets.items():
        _show(name, target, steps[name], decision, foretold.get(name))


def _document(target: Target, closure: tuple[Step, ...], decision: Decision) -> Mapping[str, Any]:
    one = target.evaluated
    steps = [_step(step, target, decision) for step in closure]
    share = decision.choice.beliefs.of(target.graph)
    inputs: dict[str, Any] = {}
    if share:
        depth = share.depth(target.graph)
        inputs["inputs"] = {
            "derivations": depth.derivations,
            "rebuilt": depth.rebuilt,
            "believed": depth.believed,
            "paths": len(share.paths),
            "narSize": sum(each.nar_size for each in share.paths.values()),
            "keys": list(depth.keys),
            "caches": list(depth.caches),
            "taken": [
                {"storePath": path, "key": each.key.name, "cache": each.cache}
                for path, each in sorted(share.paths.items())
            ],
        }
    return {
        "derivation": one.package,
        "outputs": dict(one.outputs),
        "artifact": {
            "derivation": one.artifact,
            "path": one.artifact_path,
            "fileName": one.artifact_file_name,
        },
        **inputs,
        "closure": steps,
    }


def _step(step: Step, target: Target, decision: Decision) -> Mapping[str, Any]:
    derivation = step.derivation
    said: dict[str, Any] = {
        "derivation": derivation.path,
        "kind": step.kind,
        "outputs": dict(derivation.outputs),
        "present": dict(step.present),
    }
    if not _needed(derivation, target, decision):
        said["needed"] = False
    if derivation.fixed is not None:
        said["fetched"] = step.fetched
        said["digest"] = _digest(step)
        origin = target.origins.get(derivation.fixed.path)
        said["urls"] = list(origin.urls) if origin is not None else []
    return said


def _digest(step: Step) -> Mapping[str, str]:
    """The digest under the name of what it is a digest of."""
    from orchestrator.ground.digest import OtherDigest, Sha256

    assert step.derivation.fixed is not None
    digest = step.derivation.fixed.digest
    if isinstance(digest, OtherDigest):
        return {f"nar-{digest.algorithm}" if digest.nar else digest.algorithm: digest.hex}
    return {"sha256" if isinstance(digest, Sha256) else "narSha256": digest.hex}


def _needed(derivation: Derivation, target: Target, decision: Decision) -> bool:
    """Our own fixed outputs go to every builder, whatever is believed."""
    ours = {each.path for each in target.evaluated.fixed}
    return decision.needs(derivation) or not ours.isdisjoint(derivation.outputs.values())


def _votes(found: Foretold) -> Mapping[str, Any]:
    """What is known of operators' votes before a build."""
    return {
        "operators": found.operators,
        "derivations": found.derivations,
        "lacking": [
            {"derivation": each.derivation, "operators": list(each.voters)} for each in found.lacking
        ],
        "hopeless": None if found.hopeless is None else found.hopeless.message,
    }


def _show(
    name: str, target: Target, closure: tuple[Step, ...], decision: Decision, foretold: Foretold | None
) -> None:
    from orchestrator.cli.text import believed, in_lines
    from orchestrator.ground.wording import counted

    one = target.evaluated
    lines = [
        name,
        f"  derivation  {one.package}",
        f"  artifact    {one.artifact_file_name}  ({one.artifact})",
    ]
    if share := decision.choice.beliefs.of(target.graph):
        depth = share.depth(target.graph)
        whose = f"{', '.join(depth.keys)} ({', '.join(depth.caches)})"
        whole = counted(depth.derivations, "derivation")
        lines.append(
            f"  inputs      {depth.rebuilt} of {whole} to be rebuilt; {depth.believed} believed from {whose}"
        )
        lines.append(f"  believed    {believed(share.paths)}")
    if foretold is not None:
        lines.append(f"  operators   {foretold.sentence}")
        if foretold.hopeless is not None:
            lines.append(f"    {foretold.hopeless.message}")
    closure = tuple(step for step in closure if _needed(step.derivation, target, decision))
    for kind, title in (("source", "sources"), ("toolchain", "toolchain packages"), ("built", "built")):
        steps = [step for step in closure if step.kind == kind]
        missing = [step for step in steps if step.missing]
        lines.append(f"  {title}: {len(steps)}, {len(missing)} missing")
        shown = steps if kind != "toolchain" else missing
        lines += [f"    {step.derivation.name}  {_where(step)}" for step in shown]
    print(in_lines(lines))


def _where(step: Step) -> str:
    if not step.present:
        return "to be built on other hosts"
    if not step.missing:
        return "present" if all(step.present.values()) else "fetched"
    if step.kind == "built":
        return f"to be built on {', '.join(step.missing)}"
    return "to be fetched"
