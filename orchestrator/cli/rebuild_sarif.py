"""Rebuilds as SARIF 2.1.0: a result for each no, a notification for each that could not be decided."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.sarif import document, location, plain
from orchestrator.cli.told import told
from orchestrator.run.reproduced import Rebuilt, is_no, is_yes
from orchestrator.served.named import Named

if TYPE_CHECKING:
    from orchestrator.cli.asked import Target

_RULES: Final = {
    "differs": "What is published is not what its own contents make.",
    "unverified": "A published release does not verify.",
    "same": "A change that was to make another artifact leaves it the same.",
    "different": "What is published is not what its source makes.",
    "same-contents": "What is published has the contents that its source makes in another container.",
}


def sarif(found: Sequence[tuple[Target | Named, Rebuilt]]) -> Mapping[str, Any]:
    """One run, with a place for each release."""
    rules, results, undecided = list(_RULES), [], []
    for target, each in found:
        verdict, lines = told(each)
        text = plain("\n".join(lines) or verdict)
        if is_no(each):
            same = hashlib.sha256(f"{target}\n{verdict}".encode("utf-8", "surrogateescape")).hexdigest()
            results.append(
                {
                    "ruleId": verdict,
                    "ruleIndex": rules.index(verdict),
                    "level": "error",
                    "message": {"text": text},
                    "locations": [_location(target)],
                    "partialFingerprints": {"primaryLocationLineHash": f"{same[:16]}:1"},
                }
            )
        elif not is_yes(each):
            undecided.append({"level": "error", "message": {"text": text}, "locations": [_location(target)]})
    return document([_rule(rule) for rule in rules], results, undecided)


def _rule(rule: str) -> dict[str, Any]:
    return {
        "id": rule,
        "name": "".join(part.capitalize() for part in rule.split("-")),
        "shortDescription": {"text": _RULES[rule]},
        "fullDescription": {"text": _RULES[rule]},
        "help": {"text": "The message says what differs, and where both sides are kept."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "supply-chain"], "security-severity": "8.0"},
    }


def _location(target: Target | Named) -> dict[str, Any]:
    return location(Path(str(target)) if isinstance(target, Named) else target)
