"""Rebuilds as JUnit XML, which CI hosts show as tests: a suite, a case a release.

The form is that of the Jenkins xUnit plugin's `junit-10.xsd`, which forges read.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from orchestrator.cli.graded import told as told_of_graded
from orchestrator.cli.text import in_lines
from orchestrator.run.graded import Graded
from orchestrator.run.outcome import Refused, Undecided
from orchestrator.run.reproduced import (
    Changed,
    Differs,
    Rebuilt,
    Reproduced,
    Same,
    Unmade,
    Unverified,
    is_no,
    is_yes,
)

_UNPRINTABLE = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF])
"""What XML 1.0 cannot hold, however it is written."""


def junit(found: Sequence[Rebuilt]) -> bytes:
    """The document: a failure is a no, an error what could not be decided."""
    noes = sum(map(is_no, found))
    errors = sum(not is_yes(each) for each in found) - noes
    counts = {"tests": str(len(found)), "failures": str(noes), "errors": str(errors)}
    suites = Element("testsuites", {"name": "tally rebuild", **counts})
    suite = SubElement(suites, "testsuite", {"name": "tally rebuild", **counts})
    for each in found:
        name = each.target if isinstance(each, Refused | Undecided) else each.release
        case = SubElement(suite, "testcase", {"name": _clean(name), "classname": "tally.rebuild"})
        if not is_yes(each):
            kind, verdict, told = _told(each)
            SubElement(case, kind, {"message": _clean(told.split("\n")[0]), "type": verdict}).text = _clean(
                told
            )
    indent(suites)
    data: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _told(found: Rebuilt) -> tuple[str, str, str]:
    """The element that it is, the verdict, and what is told of it."""
    match found:
        case Reproduced():
            why = "" if found.unattached is None else found.unattached.message
            return "error", "unattached", f"it came out the same, and that could not be attached: {why}"
        case Differs():
            paths = [f"{each.path}: another NAR than the release's" for each in found.differing]
            return "failure", "differs", in_lines([*paths, f"kept in {found.kept}"])
        case Same():
            return "failure", "same", f"{found.target} makes the release's artifact; another was expected"
        case Changed():
            said = [f"{found.target} makes sha256 {found.sha256.hex}, not {found.released.hex}"]
            return "failure", "different", in_lines([*said, f"kept in {found.kept}"])
        case Refused():
            paths = [f"{each.path}: builders made different things" for each in found.disagreed.differing]
            return "failure", "differs", in_lines([*paths, f"kept in {found.kept}"])
        case Graded():
            verdict, lines = told_of_graded(found)
            return "failure", verdict, in_lines(lines)
        case Unverified():
            return "failure", "unverified", in_lines(f"{r.code}: {r.sentence}" for r in found.verdict.reasons)
        case Unmade():
            hint = [f"hint: {found.error.hint}"] if found.error.hint else []
            return "error", "undecided", "\n".join([found.error.message, *hint])
        case Undecided():
            reasons = [
                f"{builder}: {failure.reason}"
                for builder, failures in found.incomplete.failures.items()
                for failure in failures
            ]
            return "error", "undecided", "\n".join(reasons)


def _clean(text: str) -> str:
    return text.translate(_UNPRINTABLE)
