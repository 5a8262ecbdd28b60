"""What a search for vulnerabilities came to: a table for people, SARIF 2.1.0 for code scanning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.cli.sarif import document, location, plain
from orchestrator.cli.text import in_lines, say
from orchestrator.evidence.advisories.matching import Vulnerable
from orchestrator.ground.errors import ExitCode
from orchestrator.ground.wording import counted
from orchestrator.stories.vulnerabilities import Searched

_HEADER = ("id", "component", "version", "fixed in", "summary")
_WIDEST = 60
_DISTRIBUTIONS = ("alpm", "apk", "deb", "rpm")


def code_of(searched: Searched) -> ExitCode:
    """Yes: none was found. What is undecided, not read, or compared with nothing at all, is no yes."""
    looked = searched.looked
    if looked.found:
        return ExitCode.NO
    if looked.undecided or searched.unread or not looked.compared:
        return ExitCode.UNDECIDED
    return ExitCode.YES


def tell(searched: Searched) -> None:
    """On standard error: what was compared, and of what nobody can say whether it is vulnerable."""
    looked = searched.looked
    for sentence in (*searched.unread, *looked.undecided):
        say(f"tally: warning: not decided: {sentence}")
    say(
        f"{counted(len(looked.found), 'match', 'matches')} in {counted(searched.records, 'record')}; "
        f"{counted(looked.compared, 'component')} compared"
        + "".join(f"; {each}" for each in _not_compared(looked.uncompared))
    )


def _not_compared(kinds: Mapping[str, int]) -> Iterator[str]:
    """Why components were compared with nothing, and how many of each type."""
    groups: dict[str, list[str]] = {}
    for kind, count in kinds.items():
        why = "not compared"
        if kind in _DISTRIBUTIONS:
            why = "records of distributions are of source packages, and not compared"
        elif " " not in kind:  # a type, and no word of ours for those without one
            why = "there is no record of their ecosystem"
        groups.setdefault(why, []).append(f"{count} {kind}")
    for why, told in groups.items():
        yield f"{why}: {', '.join(told)}"


def table(searched: Searched) -> str:
    """A line for each component and record; of none nothing."""
    rows = [_row(each) for each in searched.looked.found]
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADER, *rows)
    ]
    return in_lines(lines) + "\n"


def _row(found: Vulnerable) -> tuple[str, ...]:
    names = (found.id, *(each for each in found.aliases if each.startswith("CVE-")))
    summary = found.summary if len(found.summary) <= _WIDEST else f"{found.summary[: _WIDEST - 1]}…"
    return " ".join(names), found.name, found.version, ", ".join(found.fixed) or "-", summary


def sarif(searched: Searched, target: Path) -> dict[str, Any]:
    """One run: a rule for each record, a result for each component that it is of."""
    found = searched.looked.found
    records: dict[str, Vulnerable] = {each.id: each for each in reversed(found)}
    ids = sorted(records)
    notes = [
        {"level": "error", "message": {"text": plain(sentence)}, "locations": [location(target)]}
        for sentence in (*searched.unread, *searched.looked.undecided)
    ]
    rules = [_rule(records[each]) for each in ids]
    return document(rules, [_result(each, ids.index(each.id), target) for each in found], notes)


def _rule(found: Vulnerable) -> Mapping[str, Any]:
    names = ", ".join((found.id, *found.aliases))
    return {
        "id": found.id,
        "shortDescription": {"text": plain(found.summary or found.id)},
        "fullDescription": {"text": plain(f"{names}: {found.summary}" if found.summary else names)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "vulnerability"]},
    }


def _result(found: Vulnerable, rule: int, target: Path) -> Mapping[str, Any]:
    same = hashlib.sha256(f"{target}\n{found.id}\n{found.purl}".encode("utf-8", "surrogateescape"))
    fixed = f"It is mended in {', '.join(found.fixed)}." if found.fixed else "No version is named as mended."
    return {
        "ruleId": found.id,
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": plain(f"{found.name} {found.version} ({found.purl}) is affected. {fixed}")},
        "locations": [location(target)],
        "partialFingerprints": {"primaryLocationLineHash": f"{same.hexdigest()[:16]}:1"},
    }
