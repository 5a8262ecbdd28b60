"""Compare what builders made of the same derivations. Pure: reports in, an agreement out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.agreement import culprits
from orchestrator.agreement.agreement import Agreed, Agreement, Disagreed, Incomplete
from orchestrator.agreement.independence import SAME_HOST, SEPARATE_HOSTS, Level, Party, one_store, votes
from orchestrator.builders.build import Failure, Identity, Report
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import Derivation, DerivationGraph, name_of

FEWEST_BUILDERS = 2
"""One build agrees with nothing."""


def compare(
    graph: DerivationGraph,
    requested: Sequence[str],
    reports: Sequence[Report],
    quorum: int,
    *,
    vote: Level = SAME_HOST,
    record_dissent: bool = False,
) -> Agreement:
    """What the builders' reports on the `requested` derivations (`.drv` paths in `graph`) come to.

    Incomplete while the builders that built everything have fewer than `quorum` votes, and never fewer than
    two. Otherwise they are compared, and one that differs is enough for Disagreed; unless, with
    `record_dissent`, the quorum is met by builders of one mind and by no others. A builder that failed has no
    vote, and builders that `vote` does not tell apart have one.

    An input that differs counts where something that was asked for differs too, or refers to it, or was never
    made with the other result. Else it is told: its difference ended below.

    Raises:
        TallyError: when nothing was asked, nobody answered, or one builder answered as two.
    """
    if not requested:
        raise TallyError("there is nothing to compare: no derivation was asked for")
    ordered = tuple(sorted(reports, key=lambda report: report.identity.name))
    _refuse_twins(ordered)
    failures = {report.identity.name: _lacks(graph, requested, report, ordered) for report in ordered}
    complete = tuple(report for report in ordered if not failures[report.identity.name])
    needed = max(FEWEST_BUILDERS, quorum)
    if _votes(complete, vote) < needed:
        return Incomplete(ordered, _reasons(failures, complete, needed, vote))

    found = culprits.divergence(graph, complete)
    agreeing, converged = complete, found.outputs
    asked = {path for drv in requested for path in graph[drv].outputs.values()}
    if not asked.isdisjoint(found.spoiled | found.untried):
        agreeing = _of_one_mind(complete, requested, needed, vote) if record_dissent else ()
        converged = ()
    if not agreeing:
        causes = dict.fromkeys(output.derivation for output in found.outputs if not output.inherited)
        return Disagreed(complete, found.outputs, tuple(causes))
    first, unlike = agreeing[0], {output.path for output in converged}
    return Agreed(
        reports=agreeing,
        outputs={drv: dict(first.builds[drv].outputs) for drv in requested},
        inputs={path: built for path, built in first.inputs.items() if path not in unlike},
        vote=vote,
        dissent=tuple(report for report in complete if report not in agreeing),
        converged=converged,
    )


def _refuse_twins(reports: Sequence[Report]) -> None:
    """A builder that votes twice agrees with itself, which says nothing."""
    if not reports:
        raise TallyError(
            "there is nothing to compare: no builder answered", hint="`tally builder list` shows them"
        )
    seen: list[Identity] = []
    for identity in (report.identity for report in reports):
        for other in seen:
            if other.name == identity.name:
                raise TallyError(
                    f"builder {identity.name} answered twice", hint="give each builder a name of its own"
                )
            if one_store(other, identity):
                raise TallyError(
                    f"builders {other.name} and {identity.name} are one store: "
                    f"{other.store}, {identity.store}",
                    hint="two builds in one store are not independent: give each builder its own",
                )
        seen.append(identity)


def _lacks(
    graph: DerivationGraph, requested: Sequence[str], report: Report, reports: Sequence[Report]
) -> tuple[Failure, ...]:
    """Why a report cannot be compared; empty for one that can."""
    if report.failures:
        return tuple(
            dict.fromkeys(report.failures)
        )  # one failed input fails everything that stands on it alike
    found = [] if report.sandbox is not None else [_failure(None, "its sandbox was not proven")]
    found.extend(_failure(drv, reason) for drv in requested if (reason := _lacks_build(graph[drv], report)))
    if not found:
        found.extend(_lacks_inputs(graph, requested, report, reports))
    return tuple(found)


def _lacks_build(derivation: Derivation, report: Report) -> str | None:
    build = report.builds.get(derivation.path)
    if build is None:
        return f"it did not build {derivation.name}"
    if build.derivation != derivation.path:
        return f"it gave the build of {name_of(build.derivation)} for that of {derivation.name}"
    made = {name: output.path for name, output in build.outputs.items()}
    if missing := sorted(set(derivation.outputs) - set(made)):
        return f"it did not make the output {', '.join(missing)} of {derivation.name}"
    if made != dict(derivation.outputs):
        return f"it made other outputs of {derivation.name} than the derivation has"
    return None


def _lacks_inputs(
    graph: DerivationGraph, requested: Sequence[str], report: Report, reports: Sequence[Report]
) -> Iterator[Failure]:
    """Inputs that another complete builder built and this one did not, so that they cannot be compared."""
    for path in sorted(report.inputs):
        if path not in graph.by_output or report.inputs[path].path != path:
            yield _failure(None, f"it reports the input {path}, which is not below what was asked for")
    others = [other for other in reports if not other.failures and set(requested) <= set(other.builds)]
    wanted = {path for other in others for path in other.inputs if path in graph.by_output}
    for path in sorted(wanted - set(report.inputs)):
        drv = graph.by_output[path].path
        yield _failure(drv, f"it did not build the input {path}, which another builder did")


def _failure(derivation: str | None, reason: str) -> Failure:
    return Failure(derivation=derivation, reason=reason, last_lines=(), log=None)


def _votes(reports: Sequence[Report], vote: Level) -> int:
    return votes([Party.of(report.identity) for report in reports], vote)


def _of_one_mind(
    reports: Sequence[Report], requested: Sequence[str], needed: int, vote: Level
) -> tuple[Report, ...]:
    """Those that made the same and have the votes; empty when there are none, or others have them too."""
    minds: dict[object, list[Report]] = {}
    for report in reports:
        if not any(build.unstable for build in report.builds.values()):
            outputs = [
                (drv, name, built)
                for drv in sorted(requested)
                for name, built in sorted(report.builds[drv].outputs.items())
            ]
            minds.setdefault((tuple(outputs), tuple(sorted(report.inputs.items()))), []).append(report)
    found = [mind for mind in minds.values() if _votes(mind, vote) >= needed]
    return tuple(found[0]) if len(found) == 1 else ()


def _reasons(
    failures: Mapping[str, tuple[Failure, ...]], complete: Sequence[Report], needed: int, vote: Level
) -> Mapping[str, tuple[Failure, ...]]:
    if found := {name: why for name, why in failures.items() if why}:
        return found
    reason = f"it built everything, but {needed} builders must agree and only {len(complete)} did build"
    if len(complete) >= needed:
        whose = "host" if vote == SEPARATE_HOSTS else "operator"
        reason = (
            f"it built everything, but builders on one {whose} have one vote: {len(complete)} builders have "
            f"{_votes(complete, vote)}, and {needed} must agree\n"
            f"hint: add a builder of another {whose}, or set `independence` in tally.toml"
        )
    return {name: (_failure(None, reason),) for name in failures}
