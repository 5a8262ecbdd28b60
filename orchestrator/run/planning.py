"""From what the user asked for, of whatever kind, to one plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.run import derivations, expressions, flakes, recipes
from orchestrator.run.asked import Asked, DerivationPath, FileAttribute, FlakeAttribute, RecipeFile, StorePath
from orchestrator.run.order import How
from orchestrator.run.plan import Plan, joined
from orchestrator.run.workshop import Workshop

DEFAULT = How()


def make(
    workshop: Workshop,
    asked: Sequence[Asked],
    how: How = DEFAULT,
    *,
    allow_dirty: bool = False,
    released: bool = True,
) -> Plan:
    """Everything asked for, as derivations in the orchestrator's store. Raises TallyError.

    Not `released`: two of them may have one name.
    """
    return joined(_parts(workshop, asked, how, allow_dirty), released=released)


def _parts(workshop: Workshop, asked: Sequence[Asked], how: How, allow_dirty: bool) -> Iterator[Plan]:
    files = [each.path for each in asked if isinstance(each, RecipeFile)]
    if files:
        yield recipes.planned(workshop, files, allow_dirty=allow_dirty, system=how.system)
    wanted: list[derivations.Wanted] = []
    if given := [each for each in asked if isinstance(each, DerivationPath)]:
        made = derivations.taken(workshop, [each.path for each in given], how.store)
        wanted += [one.with_output(each.output) for one, each in zip(made, given, strict=True)]
    if outputs := [each.path for each in asked if isinstance(each, StorePath)]:
        wanted += derivations.derived(workshop, outputs, how.store)
    if installables := [each for each in asked if isinstance(each, FlakeAttribute)]:
        wanted += flakes.evaluated(workshop, installables, how.system)
    if attributes := [each for each in asked if isinstance(each, FileAttribute)]:
        wanted += expressions.evaluated(workshop, attributes, how)
    if wanted:
        yield derivations.planned(workshop, wanted, how.artifact, system=how.system)
