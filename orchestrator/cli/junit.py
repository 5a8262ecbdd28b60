"""Rebuilds as JUnit XML, which CI hosts show as tests: a suite, a case a release.

The form is that of the Jenkins xUnit plugin's `junit-10.xsd`, which forges read.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from orchestrator.cli.text import harmless, in_lines
from orchestrator.cli.told import name_of, told
from orchestrator.run.reproduced import (
    Rebuilt,
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
        case = SubElement(suite, "testcase", {"name": _clean(name_of(each)), "classname": "tally.rebuild"})
        if not is_yes(each):
            kind = "failure" if is_no(each) else "error"
            verdict, lines = told(each)
            word = verdict.upper().replace("-", " ")  # as the terminal has it
            said = {
                "message": _clean(harmless(": ".join([word, *lines[:1]]))),
                "type": verdict,
            }
            SubElement(case, kind, said).text = _clean(in_lines(lines))
    indent(suites)
    data: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _clean(text: str) -> str:
    return text.translate(_UNPRINTABLE)
