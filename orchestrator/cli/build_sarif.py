"""Builds as SARIF 2.1.0: a result for each derivation that diverged first, a notification for what failed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from orchestrator.cli.cases import Kind, of_build
from orchestrator.cli.sarif import document, location, plain
from orchestrator.nix.derivation import called, name_of
from orchestrator.run.outcome import Outcome, Refused

_RULES: Final = {
    "differs": "Builders made different things of one derivation, from inputs that are the same.",
    "flaky": "A builder did not make again what it had made itself.",
}
_SHOWN = 10


def sarif(outcomes: Sequence[Outcome]) -> Mapping[str, Any]:
    """One run, with a place for each target. What could not be decided is no result."""
    results: list[Mapping[str, Any]] = []
    undecided: list[Mapping[str, Any]] = []
    for outcome in outcomes:
        if isinstance(outcome, Refused):
            results += _results(outcome)
        elif (case := of_build(outcome)).kind is not Kind.PASSED:
            text = plain("\n".join((f"{case.name}: {case.verdict}", *case.lines)))
            undecided.append(
                {"level": "error", "message": {"text": text}, "locations": [location(_place(case.name))]}
            )
    return document([_rule(rule) for rule in _RULES], results, undecided)


def _results(outcome: Refused) -> Iterator[Mapping[str, Any]]:
    rules = list(_RULES)
    for derivation in outcome.disagreed.root_causes or tuple(
        dict.fromkeys(each.derivation for each in outcome.disagreed.differing)
    ):
        rule, name = "flaky" if derivation in outcome.flaky else "differs", name_of(derivation)
        # by its name: the digits of its path change with every input
        same = hashlib.sha256(f"{outcome.target}\n{name}\n{rule}".encode("utf-8", "surrogateescape"))
        yield {
            "ruleId": rule,
            "ruleIndex": rules.index(rule),
            "level": "error",
            "message": {"text": plain("\n".join(_lines(outcome, derivation, rule)))},
            "locations": [location(_place(outcome.target))],
            "partialFingerprints": {"primaryLocationLineHash": f"{same.hexdigest()[:16]}:1"},
            "properties": {"target": outcome.target, "derivation": derivation},
        }


def _lines(outcome: Refused, derivation: str, rule: str) -> Iterator[str]:
    name = called(derivation)
    if rule == "flaky":
        yield f"{name} does not come out the same again on {' and '.join(outcome.flaky[derivation])}"
    else:
        yield f"{name} is the first to diverge in {outcome.target}"
    paths = [each.path for each in outcome.disagreed.differing if each.derivation == derivation]
    differences = [each for path in paths for each in outcome.differences.get(path, ())]
    for each in differences[:_SHOWN]:
        yield each.describe()
    if len(differences) > _SHOWN:
        yield f"and {len(differences) - _SHOWN} more"
    yield f"Both sides are kept in {outcome.kept}; `tally diagnose` says why."


def _place(target: str) -> Path:
    """The file that a target is from, as far as its name tells; alerts are shown beside it."""
    recipe = Path("recipes", f"{target}.toml")
    first = Path(target.partition(" ")[0])
    flake = Path(target.partition("#")[0] or ".", "flake.nix")
    for each in (Path(target), recipe, first, flake):
        with suppress(OSError):  # a name that is too long for a file's
            if each.is_file():
                return each
    return Path(target)


def _rule(rule: str) -> Mapping[str, Any]:
    return {
        "id": rule,
        "name": rule.capitalize(),
        "shortDescription": {"text": _RULES[rule]},
        "fullDescription": {"text": _RULES[rule]},
        "help": {
            "text": "Run `tally diagnose` with the target: it says in which file, where in it, and why."
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["reproducibility", "supply-chain"]},
    }
