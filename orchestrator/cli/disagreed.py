"""A disagreement as people read it: what differs, why, and where to look next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from orchestrator.agreement.keeping import result_in
from orchestrator.cli import diagnosed
from orchestrator.cli.text import harmless, say, tell
from orchestrator.diagnosis.culprit import Diagnosis
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.nix.derivation import name_of
from orchestrator.run.outcome import Refused

_FILES_SHOWN = 20
_CURES = (
    "usual cures: SOURCE_DATE_EPOCH in place of the time of day; sorted lists of files; fixed seeds and no "
    "generated ids; `make -j1` where targets race; no look at CPUs, kernel or memory"
)


def logs_of(outcome: Refused) -> Mapping[str, list[str]]:
    """Builder to the files of its logs."""
    return {
        report.identity.name: [str(build.log) for build in report.builds.values()]
        for report in outcome.disagreed.reports
    }


def show(outcome: Refused, *, quiet: bool) -> None:
    """Tell a person, on standard error; where evidence of it is, unless `quiet`, goes to standard output."""
    signed = "nothing is signed" if outcome.attestation is None else "that alone is signed"
    say(f"{outcome.target}: the builders DISAGREE; {signed}")
    for one in outcome.disagreed.differing:
        inherited = "  (an input of it differs too)" if one.inherited else ""
        say(f"  output {one.output} of {name_of(one.derivation)}{inherited}")
        for name, digest in one.hashes.items():
            say(f"    {name}: NAR {digest}")
        for _, pair in groupby(outcome.differences.get(one.path, ()), lambda each: each.between):
            files = list(pair)
            for each in files[:_FILES_SHOWN]:
                say(f"    {each.describe(name_of(one.path))}")
            if (more := len(files) - _FILES_SHOWN) > 0:
                say(f"    … and {counted(more, 'more file')}")
    flaky = outcome.flaky
    for cause in outcome.disagreed.root_causes:
        again = f" (flaky: {' and '.join(flaky[cause])} did not make it again)" if cause in flaky else ""
        say(f"  first to diverge: {name_of(cause)}{again}")
    for builder, logs in logs_of(outcome).items():
        for log in logs:
            say(f"  log of {builder}: {log}")
    if outcome.unattested is not None:
        tell(f"  the disagreement could not be attested: {outcome.unattested.message}", 4)
        if outcome.unattested.hint:
            tell(f"  hint: {outcome.unattested.hint}", 4)
    say(f"hint: all results are kept side by side in {outcome.kept}")
    _show_why(outcome)
    if outcome.attestation is not None and not quiet:
        print(harmless(str(outcome.attestation)))


def show_why(found: Diagnosis | TallyError | None, kept: Path) -> bool:
    """What the diagnosis says, or how to come to one; whether there is one."""
    if isinstance(found, Diagnosis):
        for line in diagnosed.lines(found):
            say(line)
        return True
    if found is not None:
        tell(f"  it could not be diagnosed: {found.message}", 4)
    say(f"hint: `tally diagnose {shlex.quote(kept.name)}` finds out why")
    return False


def _show_why(outcome: Refused) -> None:
    if show_why(outcome.diagnosis, outcome.kept):
        return
    if (command := _next_command(outcome)) is not None:
        say(f"hint: look yourself with `{command}`")
    if outcome.diagnosis is None:
        say(f"hint: {_CURES}")


def _next_command(outcome: Refused) -> str | None:
    """What shows how the two results differ that diverged first; None where none differ in a file."""
    roots = outcome.disagreed.root_causes
    for one in sorted(outcome.disagreed.differing, key=lambda each: each.derivation not in roots):
        for each in outcome.differences.get(one.path, ()):
            sides = [result_in(outcome.kept, side, one.path) for side in each.between]
            if all(os.path.lexists(side) for side in sides):
                return shlex.join(["diff", "-r", *map(str, sides)])
    return None
