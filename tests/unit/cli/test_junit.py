"""JUnit XML of builds and rebuilds, read by a reader that is not ours."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import fromstring

from orchestrator.agreement.agreement import Agreed, DifferingOutput, Disagreed, Incomplete
from orchestrator.agreement.apart import Apart
from orchestrator.builders.build import Failure
from orchestrator.cli.cases import of_build, of_rebuild
from orchestrator.cli.junit import junit
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.policy.verdict import Code, Failed, Reason
from orchestrator.publishing.reference import Static
from orchestrator.run.outcome import Compared, Outcome, Refused, Undecided, Unpublished
from orchestrator.run.reproduced import Differs, Rebuilt, Reproduced, Unmade, Unverified

AGREED = Agreed((), {}, {})
APART = Apart((), frozenset(), frozenset(), 0, ())
OUTPUT = DifferingOutput("/nix/store/x.drv", "out", "/nix/store/x", {"a": NarHash.of(b"a")}, inherited=False)


def test_every_verdict_is_a_case() -> None:
    failure = Failure(None, "no space\nleft", last_lines=(), log=None)
    found: list[Rebuilt] = [
        Reproduced("same", AGREED, "same.tar.gz", Sha256.of(b""), verified=True),
        Differs("other", AGREED, (OUTPUT,), APART, Path("/kept"), {}, verified=True),
        Unverified(
            "forged", Failed((Reason(Code.DIGEST_MISMATCH, 'it is <not> & "so"\x1b[2J'),)), buildable=True
        ),
        Unmade("lost", TallyError("nothing\x00 there \ud800", hint="look")),
        Refused("unstable", Disagreed((), (OUTPUT,), ()), Path("/kept"), {}),
        Undecided("broken", Incomplete((), {"a": (failure,)})),
    ]
    names = ("same", "other", "forged", "lost", "unstable", "broken")
    cases_of = [of_rebuild(Path(name), each) for name, each in zip(names, found, strict=True)]
    document = fromstring(junit("rebuild", cases_of))
    assert document.attrib == {"name": "tally rebuild", "tests": "6", "failures": "3", "errors": "2"}
    (suite,) = document
    cases = {case.attrib["name"]: [(each.tag, each.attrib["type"]) for each in case] for case in suite}
    assert cases == {
        "same": [],
        "other": [("failure", "differs")],
        "forged": [("failure", "unverified")],
        "lost": [("error", "undecided")],
        "unstable": [("failure", "differs")],
        "broken": [("error", "undecided")],
    }
    messages = {case.attrib["name"]: case[0].attrib["message"] for case in suite if len(case)}
    assert messages["other"] == "DIFFERS: /nix/store/x: another NAR than the release's"
    assert messages["lost"].startswith("UNDECIDED: nothing")
    texts = {case.attrib["name"]: case[0].text or "" for case in suite if len(case)}
    assert texts["forged"] == 'digest-mismatch: it is <not> & "so"\\x1b[2J'
    assert texts["lost"] == "nothing\\x00 there \\ud800\nhint: look"
    assert texts["broken"] == "a: no space\nleft"
    assert texts["other"] == "/nix/store/x: another NAR than the release's\nkept in /kept"


def test_a_release_at_two_places_is_two_cases_whatever_they_come_to() -> None:
    places = [Static("https://a.example/", "it"), Static("https://b.example/", "it")]
    made = Reproduced("it", AGREED, "it.tar.gz", Sha256.of(b""), verified=True)
    for found in (made, Unmade("https://b.example/#it", TallyError("nothing there"))):
        cases = [of_rebuild(places[0], made), of_rebuild(places[1], found)]
        (suite,) = fromstring(junit("rebuild", cases))
        names = [(case.attrib["classname"], case.attrib["name"]) for case in suite]
        assert names == [("tally.rebuild", f"https://{place}.example/#it") for place in "ab"]


def test_a_build_that_failed_is_an_error_and_no_disagreement() -> None:
    failed = Failure("/nix/store/x.drv", "exit code 1", last_lines=("gcc: not found",), log=None)
    lost = Failure("/nix/store/x.drv", "no route to host", last_lines=(), log=None, infrastructure=True)
    outcomes: list[Outcome] = [
        Compared("same", AGREED, Path("/x"), "--no-sign was given"),
        Refused("unstable", Disagreed((), (OUTPUT,), ("/nix/store/x.drv",)), Path("/kept"), {}),
        Undecided("broken", Incomplete((), {"a": (failed,)})),
        Undecided("lost", Incomplete((), {"a": (lost,)})),
        Unpublished("there", None, TallyError("another release is there", hint="move it")),
    ]
    document = fromstring(junit("build", [of_build(each) for each in outcomes]))
    assert document.attrib == {"name": "tally build", "tests": "5", "failures": "1", "errors": "3"}
    types = {case.attrib["name"]: [each.attrib["type"] for each in case] for case in document[0]}
    assert types == {
        "same": [],
        "unstable": ["differs"],
        "broken": ["failed"],
        "lost": ["undecided"],
        "there": ["unpublished"],
    }
