"""Every code that `tally` prints has one text, which the reference pages are made of."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.agreement.independence import LEVELS
from orchestrator.cli.codes import TABLES, Kind, codes, named, near, tables_in
from orchestrator.cli.explain import explain
from orchestrator.diagnosis.names import Name
from orchestrator.ground.errors import ErrorKind, ExitCode, TallyError
from orchestrator.ledger.entries import Verdict
from orchestrator.policy.verdict import Code


def names(*kinds: Kind) -> list[str]:
    return [each.name for each in codes() if each.kind in kinds]


def test_every_code_is_explained_and_none_is_made_up(repository: Path) -> None:
    assert names(Kind.EXIT) == [str(int(code)) for code in ExitCode]
    assert names(Kind.ERROR) == [str(kind) for kind in ErrorKind]
    assert names(Kind.REASON, Kind.RULE) == [str(code) for code in Code]
    assert names(Kind.CAUSE) == [str(name) for name in Name]
    assert names(Kind.LEVEL) == list(LEVELS)
    assert names(Kind.VERDICT) == [str(verdict) for verdict in Verdict]
    said = set()
    for module in ("told", "graded", "rebuilt"):
        text = (repository / f"orchestrator/cli/{module}.py").read_text()
        said |= set(re.findall(r'"verdict": "([a-z-]+)"', text))
        said |= {word for words in re.findall(r"return \(?(\"[a-z\"  ,ifelsdrnt-]+)", text)
                 for word in re.findall(r'"([a-z-]+)"', words)}  # fmt: skip
    assert said - {"verdict"} == set(names(Kind.REBUILD))


def test_the_reference_pages_are_made_of_the_same_texts(repository: Path) -> None:
    for page in {page for page, _ in TABLES.values()}:
        text = (repository / "docs/reference" / page).read_text()
        assert text == tables_in(page, text), "run `make docs`"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("DIGEST_MISMATCH", "digest-mismatch"),
        ("`too-old`", "too-old"),
        ("agreed  under variation", "agreed under variation"),
        ("[rule-error]", "rule-error"),
    ],
)
def test_a_code_is_found_however_it_is_written(written: str, name: str) -> None:
    assert [each.name for each in named(written)] == [name]


def test_a_code_has_its_meaning_and_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    explain(["sandbox-not-shown"])
    assert capsys.readouterr().out == (
        "sandbox-not-shown: why a policy refuses a release\n"
        "  means       a builder's probe has not shown what `require.sandbox` asks for\n"
        "  what to do  have it built where the sandbox holds\n"
    )
    explain(["1"])
    out = capsys.readouterr().out
    assert "  examples    builds disagree; " in out
    assert "](" not in out
    explain(["undecided"], json=True)
    found = json.loads(capsys.readouterr().out)["codes"]
    assert [each["kind"] for each in found] == ["verdict", "rebuild"]


def test_the_list_has_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    explain()
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 120] == []
    assert not [each.name for each in codes() if f"\n  {each.name} " not in out]
    explain(json=True)
    assert len(json.loads(capsys.readouterr().out)["codes"]) == len(codes())


@pytest.mark.parametrize(
    ("written", "meant"),
    [("digest-missmatch", "`digest-mismatch`"), ("revoked", "`key-revoked`"), ("timestmp", "`timestamp`")],
)
def test_what_is_no_code_lists_near_ones(written: str, meant: str) -> None:
    with pytest.raises(TallyError, match="is no code that tally prints") as error:
        explain([written])
    assert error.value.hint is not None
    assert meant in error.value.hint


@pytest.mark.parametrize("written", ["", "x", "\x1b[2J", "7", "€" * 5000])
def test_what_is_like_no_code_has_the_list_for_a_way_out(written: str) -> None:
    assert near(written) == []
    with pytest.raises(TallyError) as error:
        explain([written])
    assert error.value.hint == "`tally explain` alone lists them all"
    assert len(error.value.message) < 400
