"""What a rebuild came to as reports have it: a word for programs, and lines for people."""

from __future__ import annotations

from typing import assert_never

from orchestrator.cli import graded
from orchestrator.nix import derivation
from orchestrator.run.graded import Graded
from orchestrator.run.outcome import Refused, Undecided
from orchestrator.run.reproduced import (
    Changed,
    Differs,
    Rebuilt,
    Remade,
    Remembered,
    Reproduced,
    Same,
    Unmade,
    Unverified,
)


def told(found: Rebuilt) -> tuple[str, list[str]]:
    """The verdict, and what is told of it, a line each; nothing of a plain yes."""
    match found:
        case Reproduced():
            if found.unattached is None:
                return "reproduced", []
            why = found.unattached.message
            return "unattached", [f"it came out the same, and that could not be attached: {why}"]
        case Differs():
            paths = [f"{each.path}: another NAR than the release's" for each in found.differing]
            first = [f"first to diverge: {derivation.name_of(path)}" for path in found.first.certain]
            return "differs", [*first, *paths, f"kept in {found.kept}"]
        case Same():
            return "same", [f"{found.target} makes the release's artifact; another was expected"]
        case Changed():
            said = f"{found.target} makes sha256 {found.sha256.hex}, not {found.released.hex}"
            return "different", [said, f"kept in {found.kept}"]
        case Refused():
            paths = [f"{each.path}: builders made different things" for each in found.disagreed.differing]
            return "differs", [*paths, f"kept in {found.kept}"]
        case Graded() | Remade():
            return _compared(found)
        case Unverified():
            return "unverified", [f"{each.code}: {each.sentence}" for each in found.verdict.reasons]
        case Unmade():
            hint = [f"hint: {found.error.hint}"] if found.error.hint else []
            return "undecided", [*found.error.message.split("\n"), *hint]
        case Undecided():
            reasons = [
                f"{builder}: {failure.reason}"
                for builder, failures in found.incomplete.failures.items()
                for failure in failures
            ]
            return "undecided", "\n".join(reasons).split("\n")
        case Remembered():
            return found.verdict, list(found.told)
        case _:
            assert_never(found)


def _compared(found: Graded | Remade) -> tuple[str, list[str]]:
    if isinstance(found, Graded):
        return graded.told(found)
    differing = [
        f"{each.path}: NAR {each.made}, where its provenance has sha256:{each.said}"
        for each in found.outputs
        if not each.same
    ]
    return ("differs" if differing else "reproduced"), differing
