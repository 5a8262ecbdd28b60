"""Verdicts as SARIF 2.1.0 (OASIS), with what code scanning asks of an upload: rules, results, locations."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orchestrator import __version__
from orchestrator.ground.errors import TallyError
from orchestrator.policy.verdict import HINTS, Code, Failed, Reason, Verdict

if TYPE_CHECKING:
    from orchestrator.cli.judging import Named

_PLACEHOLDER = re.compile(r"\{\d+\}")
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(verdicts: Sequence[tuple[Named, Verdict | TallyError]]) -> dict[str, Any]:
    """One run: a result for each reason, a notification for each target that could not be decided."""
    rules = list(Code)
    undecided = [
        _notification(target, verdict) for target, verdict in verdicts if isinstance(verdict, TallyError)
    ]
    results = [
        _result(target, reason, rules)
        for target, verdict in verdicts
        if isinstance(verdict, Failed)
        for reason in verdict.reasons
    ]
    return document([_rule(code) for code in rules], results, undecided)


def document(
    rules: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    undecided: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A document of one run of this program."""
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Tallystick",
                        "version": __version__,
                        "semanticVersion": __version__,
                        "rules": rules,
                    }
                },
                "invocations": [
                    {"executionSuccessful": not undecided, "toolExecutionNotifications": undecided}
                ],
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _rule(code: Code) -> dict[str, Any]:
    words = str(code).replace("-", " ")
    return {
        "id": str(code),
        "name": "".join(part.capitalize() for part in str(code).split("-")),
        "shortDescription": {"text": words.capitalize()},
        "fullDescription": {"text": f"A release was refused: {words}."},
        "help": {"text": HINTS[code][:1].upper() + HINTS[code][1:] + "."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "supply-chain"], "security-severity": "8.0"},
    }


def _result(target: Named, reason: Reason, rules: list[Code]) -> dict[str, Any]:
    # the sentence alone would make a new alert of every digest
    same = hashlib.sha256(f"{target}\n{reason.code}\n{reason.rule}".encode("utf-8", "surrogateescape"))
    found: dict[str, Any] = {
        "ruleId": str(reason.code),
        "ruleIndex": rules.index(reason.code),
        "level": "error",
        "message": {"text": plain(reason.sentence)},
        "locations": [location(target)],
        "partialFingerprints": {"primaryLocationLineHash": f"{same.hexdigest()[:16]}:1"},
    }
    return found | ({"properties": {"rule": reason.rule}} if reason.rule else {})


def _notification(target: Named, error: TallyError) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": plain(error.message)},
        "locations": [location(target)],
    }


def plain(text: str) -> str:
    """A message that says what it says: no placeholder (3.11.5), no link of others' choice (3.11.6)."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    if _PLACEHOLDER.search(text):
        text = text.replace("{", "{{").replace("}", "}}")
    if "](" in text:
        text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return text


def location(target: Named) -> dict[str, Any]:
    """A relative reference from where the command ran, where that can be said; alerts need a line."""
    if not isinstance(target, Path):
        return _at(quote(str(target), safe="/:#@+?=&%"))
    path = target
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    uri = ("file://" if path.is_absolute() else "") + quote(
        path.as_posix().encode("utf-8", "surrogateescape")
    )
    return _at(uri)


def _at(uri: str) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}
