"""What is refused before hours are spent on building it: no release could come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.builders.configuration import Configuration
from orchestrator.ground.errors import TallyError
from orchestrator.publishing import directory
from orchestrator.run.outcome import Unpublished
from orchestrator.run.plan import Plan, Target
from orchestrator.run.signatories import Signatories
from orchestrator.signing.keyless import KeylessSigner
from orchestrator.stories import voting

Say = Callable[[str], None]


def refused_beforehand(
    out: Path,
    plan: Plan,
    signatories: Signatories | None,
    *,
    require_commit: bool = False,
    closure: voting.Asked | None = None,
) -> Mapping[str, Unpublished]:
    """The targets of which no release can come, whatever is built: refused before hours are spent on them.

    One is there already and is another's, or too few operators can carry it. Another's: it is signed by
    another key, made by other derivations or, where a commit is required, from another one. Raises TallyError
    where no more than that one was asked for.
    """
    if signatories is None or plan.dirty:
        return {}
    found = {}
    for name, target in plan.targets.items():
        try:
            refuse_other_release(out, target, signatories)
            if require_commit:
                refuse_other_commit(out, target)
            if closure is not None:
                closure.refuse_hopeless(name, target.graph)
        except TallyError as error:
            if len(plan.targets) == 1:
                raise
            found[name] = Unpublished(name, None, error)
    return found


def refuse_other_release(out: Path, target: Target, signatories: Signatories) -> None:
    """Raises TallyError for a release of this target that is there and could not be kept."""
    name, evaluated = target.release_name, target.evaluated
    if not isinstance(signatories.key, KeylessSigner):  # whose certificate is yet to come
        directory.refuse_by_another_key(out, name, signatories.key.public)
    directory.refuse_of_other_derivations(out, name, evaluated.package, evaluated.artifact, target.build_type)


def refuse_other_commit(out: Path, target: Target) -> None:
    """Raises TallyError for a release of this target that names another commit than this run's."""
    revision = target.revision
    if revision is not None and not revision.uncommitted:  # else the run itself is refused
        directory.refuse_of_another_commit(out, target.release_name, revision)


def tell_of_commit(plan: Plan, configuration: Configuration, say: Say) -> None:
    """Say what the provenance cannot: the commit of recipes and lock, or that they are as it has them.

    Raises TallyError where tally.toml asks for both.
    """
    if (lacking := plan.lacking_commit) is None:
        return
    if configuration.require_commit:
        raise TallyError(
            f"{lacking}, and tally.toml has `require-commit = true`",
            hint=f"{plan.to_have_a_commit}; with --no-sign it is built as it is, and nothing is signed",
        )
    say(f"{lacking}. A policy with `require.commit` refuses what is released of it")
