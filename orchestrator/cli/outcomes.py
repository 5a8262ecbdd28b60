"""What a target came to, for people and for programs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from orchestrator.agreement.agreement import Agreed
from orchestrator.builders.build import Failure
from orchestrator.builders.symptoms import hint_of
from orchestrator.cli import disagreed
from orchestrator.cli.disagreed import logs_of
from orchestrator.cli.text import harmless, say, tell
from orchestrator.diagnosis.culprit import Diagnosis
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import called, name_of
from orchestrator.run.outcome import Compared, Outcome, Refused, Released, Undecided, Unpublished

_LINES_SHOWN = 12


def document(outcome: Outcome) -> Mapping[str, Any]:
    """An outcome as `--json` prints it."""
    match outcome:
        case Released():
            return {
                "target": outcome.target,
                "outcome": "released",
                "release": str(outcome.folder),
                "artifact": str(outcome.artifact),
                "alreadyThere": outcome.already_there,
                "remarks": list(outcome.remarks),
                "agreement": agreement(outcome.agreed),
                **_depth(outcome),
            }
        case Compared():
            return {
                "target": outcome.target,
                "outcome": "agreed",
                "unsigned": outcome.why_unsigned,
                "artifact": str(outcome.artifact),
                "agreement": agreement(outcome.agreed),
                **_depth(outcome),
            }
        case Refused():
            return {
                "target": outcome.target,
                "outcome": "disagreed",
                "kept": str(outcome.kept),
                "rootCauses": list(outcome.disagreed.root_causes),
                "flaky": sorted(outcome.flaky),
                "differing": [
                    {
                        "derivation": one.derivation,
                        "output": one.output,
                        "path": one.path,
                        "inherited": one.inherited,
                        "narSha256": {name: digest.hex for name, digest in one.hashes.items()},
                        "files": [each.document() for each in outcome.differences.get(one.path, ())],
                    }
                    for one in outcome.disagreed.differing
                ],
                "logs": logs_of(outcome),
                **_attestation(outcome),
                **diagnosis(outcome.diagnosis),
            }
        case Undecided():
            return {
                "target": outcome.target,
                "outcome": "incomplete",
                "failures": {
                    name: [
                        {
                            "derivation": failure.derivation,
                            "reason": failure.reason,
                            "lastLines": list(failure.last_lines),
                            "log": str(failure.log) if failure.log else None,
                            **({"folder": str(failure.folder)} if failure.folder else {}),
                        }
                        for failure in failures
                    ]
                    for name, failures in outcome.incomplete.failures.items()
                },
                "hint": _way_out(outcome),
            }
        case Unpublished():
            return {
                "target": outcome.target,
                "outcome": "unpublished",
                "error": outcome.error.message,
                "hint": outcome.error.hint,
                "agreement": None if outcome.agreed is None else agreement(outcome.agreed),
            }
        case _:
            assert_never(outcome)


def agreement(agreed: Agreed) -> Mapping[str, Any]:
    """What builders agreed on, and who they are."""
    return {
        "builders": [report.identity.name for report in agreed.reports],
        "outputs": {
            built.path: {"narSha256": built.nar_hash.hex, "narSize": built.nar_size}
            for made in agreed.outputs.values()
            for built in made.values()
        },
        "converged": [
            {
                "derivation": one.derivation,
                "output": one.output,
                "path": one.path,
                "narSha256": {name: digest.hex for name, digest in one.hashes.items()},
            }
            for one in agreed.converged
        ],
    }


def _attestation(outcome: Refused) -> Mapping[str, Any]:
    if outcome.unattested is not None:
        error = outcome.unattested
        return {"attestation": None, "attestationError": {"error": error.message, "hint": error.hint}}
    return {} if outcome.attestation is None else {"attestation": str(outcome.attestation)}


def diagnosis(found: Diagnosis | TallyError | None) -> Mapping[str, Any]:
    """A diagnosis as `--json` prints it, or why there is none; nothing where none was asked for."""
    if isinstance(found, TallyError):
        return {"diagnosis": None, "diagnosisError": {"error": found.message, "hint": found.hint}}
    return {} if found is None else {"diagnosis": found.document()}


def show(outcome: Outcome, *, quiet: bool) -> None:
    """Tell a person, on standard error; where the result is, unless `quiet`, goes to standard output."""
    match outcome:
        case Released():
            _show_depth(outcome)
            there = "this very release was there already, and stays as it is"
            _show_agreement(outcome.target, outcome.agreed, there if outcome.already_there else "signed")
            for remark in outcome.remarks:
                say(f"  {remark}")
            if outcome.remarks:
                say("hint: move it away and build again for a release of this run's own")
            if not quiet:
                print(harmless(str(outcome.folder)))
        case Compared():
            _show_depth(outcome)
            _show_agreement(outcome.target, outcome.agreed, f"not signed: {outcome.why_unsigned}")
            if not quiet:
                print(harmless(str(outcome.artifact)))
        case Refused():
            disagreed.show(outcome, quiet=quiet)
        case Undecided():
            _show_failures(outcome)
        case Unpublished():
            agree = "not built" if outcome.agreed is None else "the builders agree, but there is no release"
            tell(f"{outcome.target}: {agree}: {outcome.error.message}")
            if outcome.error.hint:
                tell(f"hint: {outcome.error.hint}")
        case _:
            assert_never(outcome)


def _depth(outcome: Released | Compared) -> Mapping[str, Any]:
    return {} if outcome.depth is None else {"depth": outcome.depth.document}


def _show_depth(outcome: Released | Compared) -> None:
    if outcome.depth is not None:
        say(f"{outcome.target}: {outcome.depth.sentence}")


def _show_agreement(target: str, agreed: Agreed, and_then: str) -> None:
    names = " and ".join(report.identity.name for report in agreed.reports)
    say(f"{target}: {names} agree on every bit; {and_then}")
    for output in agreed.converged:
        name = called(output.derivation)
        say(f"{target}: its input {name} came out differently, and nothing above it that was asked for")
    for report in agreed.dissent:
        say(f"{target}: {report.identity.name} made something else, which is recorded as its dissent")


def _show_failures(outcome: Undecided) -> None:
    logged = False
    say(f"{outcome.target}: could not be decided; nothing is signed")
    for some in _alike(outcome):
        (builder, first), where = some[0], dict(some)
        what = f" {name_of(first.derivation)}" if first.derivation else ""
        on = f"builder {builder}" if len(where) == 1 else f"on {' and '.join(where)}"
        tell(f"  {on}{what}: {first.reason}", 4)
        for line in first.last_lines[-_LINES_SHOWN:]:
            say(f"    | {line}")
        for other, each in some[1:]:
            for line in (_tail(each) - _tail(first)).elements():
                say(f"    {other} has | {line}")
        for log in (each.log for _, each in some if each.log):
            say(f"    whole log: {log}")
            logged = True
        for folder in (each.folder for _, each in some if each.folder):
            say(f"    its folder: {folder}; `tally shell RECIPE --failed` goes there")
    if logged:
        say(f"  `tally logs {shlex.quote(outcome.target)}` prints the whole log")
    if hint := _way_out(outcome):
        say(f"hint: {hint}")


def _alike(outcome: Undecided) -> Iterable[list[tuple[str, Failure]]]:
    """Builders' failures, those together that say the same.

    The same: of one derivation, for one reason, after lines of which three quarters are the same, in any
    order, as parallel work prints them.
    """
    found: list[list[tuple[str, Failure]]] = []
    for builder, failures in outcome.incomplete.failures.items():
        for failure in failures:
            for some in found:
                if _is_like(failure, some[0][1]):
                    some.append((builder, failure))
                    break
            else:
                found.append([(builder, failure)])
    return found


def _is_like(one: Failure, other: Failure) -> bool:
    if (one.derivation, one.reason) != (other.derivation, other.reason):
        return False
    lines, others = _tail(one), _tail(other)
    return 4 * (lines & others).total() >= 3 * max(lines.total(), others.total())


def _tail(failure: Failure) -> Counter[str]:
    return Counter(failure.last_lines[-_LINES_SHOWN:])


def _way_out(outcome: Undecided) -> str | None:
    """What to do where every builder failed alike: then it is not the builders."""
    failed = _failed_everywhere(outcome)
    if failed is None:
        return None
    every = [
        each for some in outcome.incomplete.failures.values() for each in some if each.derivation == failed
    ]
    said = [hint_of(each.last_lines) for each in every]
    if said[0] is not None and all(each == said[0] for each in said):
        return said[0]
    return (
        f"{name_of(failed)} failed on every builder: mend the recipe or expression, or what it is built from"
    )


def _failed_everywhere(outcome: Undecided) -> str | None:
    """A derivation that every builder failed to build: then it is not the builders."""
    asked = {report.identity.name for report in outcome.incomplete.reports}
    failed = [{each.derivation for each in some} for some in outcome.incomplete.failures.values()]
    if set(outcome.incomplete.failures) < asked or not failed:
        return None
    return min((each for each in set.intersection(*failed) if each is not None), default=None)
