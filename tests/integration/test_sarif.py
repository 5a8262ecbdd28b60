"""`--sarif` by the whole schema of SARIF 2.1.0, and by those of its rules that no schema says."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clients
import pytest
import releases

from orchestrator.cli.sarif import sarif
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.verdict import Code, Failed, Passed, Reason, Verdict

if TYPE_CHECKING:
    from tests.conftest import Tally

CONTROL = "".join(map(chr, [*range(32), 127, *range(0x80, 0xA0), 0x200B, 0x202E, 0x2028, 0xFEFF, 0xFFFE]))
HUGE = "x" * 1_000_000
PASSED = Passed("a", "0" * 64, ("a", "b"), "same-host", (), ())


@pytest.fixture(scope="module")
def schema(session_state: Path) -> Path:
    try:
        return clients.sarif_schema(session_state)
    except TallyError as error:
        pytest.skip(f"SARIF's schema cannot be had here: {error.message}")


def failed(*sentences: str, code: Code = Code.MALFORMED, rule: str | None = None) -> Failed:
    return Failed(tuple(Reason(code, sentence, rule) for sentence in sentences))


VERDICTS: dict[str, Sequence[tuple[Path, Verdict | TallyError]]] = {
    "nothing": [],
    "a yes": [(Path("releases/it"), PASSED)],
    "every code": [(Path("it"), Failed(tuple(Reason(code, "why", "a rule") for code in Code)))],
    "undecided": [(Path("it"), TallyError("it is not there", hint="look again"))],
    "all three": [(Path("a"), PASSED), (Path("b"), failed("no")), (Path("c"), TallyError("what"))],
    "control characters": [
        (Path(f"it{CONTROL[1:]}"), failed(CONTROL, rule=CONTROL)),
        (Path("x"), TallyError(CONTROL, hint=CONTROL)),
    ],
    "half letters": [(Path("it\udcff"), failed("\ud800 \udcff")), (Path("\udcff"), TallyError("\udcff"))],
    "huge": [(Path(HUGE), failed(HUGE, rule=HUGE)), (Path("it"), TallyError(HUGE))],
    "many": [(Path(f"releases/{n}"), failed(*(f"reason {m}" for m in range(20)))) for n in range(500)],
    "odd places": [
        (Path(place), failed("no"))
        for place in ("/", ".", "..", "/a b", "a?b#c", "a:b", "http://x", "//x", "é", "a\\b", "C:\\x")
    ],
    "somebody's own words": [(Path("it"), failed("{0} {{x}} [a](b) <b>", rule="rule x"))],
}  # fmt: skip
REFERENCE = re.compile(r"(?:file:///|[A-Za-z0-9._~/%-])[A-Za-z0-9._~/%-]*")
"""What we write of RFC 3986: no scheme but file, no query, nothing that is not escaped."""


def look(document: dict[str, Any]) -> None:
    """The rules of the specification that the schema does not hold."""
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules), "3.19.23: each rule is there once"
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"], "3.27.6"
        assert result["message"]["text"].strip(), "3.11.2: a message says something"
    (invocation,) = run["invocations"]
    notifications = invocation["toolExecutionNotifications"]
    assert invocation["executionSuccessful"] == (not notifications), "3.20.14"
    for place in (location for each in (*run["results"], *notifications) for location in each["locations"]):
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert REFERENCE.fullmatch(uri), f"3.4.3: {uri[:80]!r} is no reference"
    for each in notifications:
        assert each["message"]["text"].strip()


@pytest.mark.parametrize("name", VERDICTS)
def test_it_is_valid(schema: Path, name: str) -> None:
    text = json.dumps(sarif(VERDICTS[name]), ensure_ascii=False)
    text.encode("utf-8")  # RFC 8259, 8.1
    document = json.loads(text)
    assert clients.ask_sarif_schema(schema, [document]) == [[]]
    look(document)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the file {0} of {'a': 1}", "the file {{0}} of {{'a': 1}}"),
        ("a member {'a': 1} more", "a member {'a': 1} more"),
        ("see [here](https://evil.example)", "see \\[here\\](https://evil.example)"),
        ("a list [1, 2] of \\n", "a list [1, 2] of \\n"),
    ],
)
def test_a_message_has_no_placeholder_and_no_link(said: str, shown: str) -> None:
    (result,) = sarif([(Path("it"), failed(said))])["runs"][0]["results"]
    assert result["message"]["text"] == shown


def test_the_schema_finds_what_is_wrong(schema: Path) -> None:
    """Else it would say nothing of what is right."""
    good = sarif(VERDICTS["all three"])
    wrong = []
    for change in (
        '"version": "2.1.0"',
        '"level": "error"',
        '"startLine": 1',
        '"text": "no"',
        '"ruleIndex": 2',
    ):
        text = json.dumps(good)
        assert change in text
        wrong.append(json.loads(text.replace(change, f"{change.partition(':')[0]}: -7")))
    assert all(clients.ask_sarif_schema(schema, wrong))


def test_what_the_command_prints(schema: Path, tally: Tally, tmp_path: Path) -> None:
    made, key = releases.observed(tmp_path / "in"), SigningKey.generate()
    folder = releases.published(tmp_path / "out", made, key, releases.builder_keys(made)).path
    _, pub = key.write(tmp_path / "key")
    _, other = SigningKey.generate().write(tmp_path / "other")
    runs = [
        tally("verify", folder, "--key", pub, "--sarif").succeeded(),
        tally("verify", folder, "--key", other, "--sarif").failed(1),
        tally("verify", folder, "no\nwhere\x1b[2J", "--key", pub, "--sarif").failed(2),
    ]
    documents = [json.loads(ran.out) for ran in runs]
    assert clients.ask_sarif_schema(schema, documents) == [[], [], []]
    for document in documents:
        look(document)
