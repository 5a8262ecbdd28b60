"""`tally plan`: what would be built, from what, and what is missing for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from orchestrator.run.plan import Step, Target


def plan(
    recipes: Annotated[
        list[Path], typer.Argument(metavar="RECIPE...", help="Recipe files.", show_default=False)
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Show the derivations that recipes become, their build-time closure, and what of it is missing."""
    from orchestrator.builders.configuration import load
    from orchestrator.cli.recipes import named
    from orchestrator.cli.text import print_json
    from orchestrator.ground.state import State
    from orchestrator.run import plan as story
    from orchestrator.run.workshop import opened

    files = named(recipes)
    with opened(State.of_environment(), load(Path.cwd())) as workshop:
        # a dirty tree is no reason not to look at the plan: only building refuses it
        plan = story.make(workshop, files, allow_dirty=True)
        targets, closures = plan.targets, story.closures(workshop, plan)
    if json:
        documents = {name: _document(target, closures[name]) for name, target in targets.items()}
        print_json({"recipes": documents})
        return
    for name, target in targets.items():
        _show(name, target, closures[name])


def _document(target: Target, closure: tuple[Step, ...]) -> Mapping[str, Any]:
    one = target.evaluated
    return {
        "derivation": one.package,
        "outputs": dict(one.outputs),
        "artifact": {
            "derivation": one.artifact,
            "path": one.artifact_path,
            "fileName": one.artifact_file_name,
        },
        "closure": [_step(step, target) for step in closure],
    }


def _step(step: Step, target: Target) -> Mapping[str, Any]:
    derivation = step.derivation
    said: dict[str, Any] = {
        "derivation": derivation.path,
        "kind": step.kind,
        "outputs": dict(derivation.outputs),
        "present": dict(step.present),
    }
    if derivation.fixed is not None:
        said["fetched"] = step.fetched
        said["digest"] = _digest(step)
        origin = target.origins.get(derivation.fixed.path)
        said["urls"] = list(origin.urls) if origin is not None else []
    return said


def _digest(step: Step) -> Mapping[str, str]:
    """The digest under the name of what it is a digest of."""
    from orchestrator.ground.digest import Sha256

    assert step.derivation.fixed is not None
    digest = step.derivation.fixed.sha256
    return {"sha256" if isinstance(digest, Sha256) else "narSha256": digest.hex}


def _show(name: str, target: Target, closure: tuple[Step, ...]) -> None:
    from orchestrator.cli.text import in_lines

    one = target.evaluated
    lines = [
        name,
        f"  derivation  {one.package}",
        f"  artifact    {one.artifact_file_name}  ({one.artifact})",
    ]
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
