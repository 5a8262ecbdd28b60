"""Cases as JUnit XML, which CI hosts show as tests: a suite, a case a target or release.

The form is that of the Jenkins xUnit plugin's `junit-10.xsd`, which forges read.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from orchestrator.cli.cases import Case, Kind
from orchestrator.cli.text import harmless, in_lines

_UNPRINTABLE = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF])
"""What XML 1.0 cannot hold, however it is written."""


def junit(command: str, cases: Sequence[Case]) -> bytes:
    """The document of one `command`, as `rebuild`: a failure is a no, an error what could not be decided."""
    kinds = [case.kind for case in cases]
    counts = {
        "tests": str(len(cases)),
        "failures": str(kinds.count(Kind.FAILURE)),
        "errors": str(kinds.count(Kind.ERROR)),
    }
    suites = Element("testsuites", {"name": f"tally {command}", **counts})
    suite = SubElement(suites, "testsuite", {"name": f"tally {command}", **counts})
    for case in cases:
        shown = SubElement(suite, "testcase", {"name": _clean(case.name), "classname": f"tally.{command}"})
        if case.kind is not Kind.PASSED:
            word = case.verdict.upper().replace("-", " ")  # as the terminal has it
            said = {
                "message": _clean(harmless(": ".join([word, *case.lines[:1]]))),
                "type": case.verdict,
            }
            SubElement(shown, case.kind, said).text = _clean(in_lines(case.lines))
    indent(suites)
    data: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _clean(text: str) -> str:
    return text.translate(_UNPRINTABLE)
