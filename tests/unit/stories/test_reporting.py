"""What `tally report` says where there is nothing to tell of, or no folder to tell it in."""

from __future__ import annotations

from pathlib import Path

import pytest
import reports

from orchestrator.cli.report import report as command
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.stories.reporting import report


def test_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="no ledger yet"):
        report(State(tmp_path / "state"), tmp_path / "site", "Builds", files=True)
    assert not (tmp_path / "site").exists(), "a site that tells of nothing is none"


def test_of_named_targets_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state, site = State(tmp_path / "state"), tmp_path / "site"
    reports.write_run(state, 0, [reports.simple(name) for name in ("hello", "secret-one", "secret-two")])
    monkeypatch.setenv("TALLY_STATE", str(state.root))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "hello.toml").touch()
    command(out=site)
    assert "hint: 2 packages in it come from no recipe in the folder recipes/ here" in capsys.readouterr().err
    command(out=site, targets=["recipes/hello.toml"])
    err = capsys.readouterr().err
    assert err.startswith("1 package, 100.0% agree; ")
    assert err.endswith("; 2 other targets left out\n")
    told = [path.read_bytes() for path in site.rglob("*") if path.is_file()]
    assert not any(b"secret" in each for each in told), "also of what a report before had"
    assert not list(site.rglob("*secret*"))
    with pytest.raises(TallyError, match="is called 'hallo'") as error:
        command(out=site, targets=["hello", "hallo"])
    assert "did you mean 'hello'?" in str(error.value.hint)


def test_a_ledger_that_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(TallyError):
        report(State(tmp_path), tmp_path / "site", "Builds", files=True)


def test_what_was_kept_and_is_gone(tmp_path: Path) -> None:
    """`tally clean` may have taken logs and results: the verdict stays, and what diverged first."""
    state = State(tmp_path / "state")
    reports.write_run(state, 0, [reports.chain("pigz")])
    for name in ("logs", "disagreements"):
        (state.root / name).rename(tmp_path / name)
    done = report(state, tmp_path / "site", "Builds", files=True)
    (package,) = done.report.packages
    assert (package.verdict.value, package.culprits, package.logs) == ("differs", (), ())
    assert len(package.first_diverging) == 1


def test_a_diagnosis_beside_what_was_kept(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    one = reports.chain("pigz")
    reports.write_run(state, 0, [one])
    (kept,) = state.disagreements.iterdir()
    assert one.culprit is not None
    (kept / "diagnosis.json").write_text(DIAGNOSIS.replace("DERIVATION", one.culprit.path))
    (package,) = report(state, tmp_path / "site", "Builds", files=True).report.packages
    (culprit,) = package.culprits
    assert culprit.causes[0].proof is not None
    assert culprit.causes[0].proof.knob == "clock"
    page = (tmp_path / "site" / package.page).read_text()
    assert "<strong>proven</strong> by turning clock" in page
    assert (tmp_path / "site/cause-timestamp-1.html").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"culprits": 1}', '{"culprits": [1]}', '{"culprits": [{}]}']
)
def test_a_diagnosis_that_is_none_is_passed_over(tmp_path: Path, text: str) -> None:
    state = State(tmp_path / "state")
    reports.write_run(state, 0, [reports.chain("pigz")])
    (kept,) = state.disagreements.iterdir()
    (kept / "diagnosis.json").write_text(text)
    (package,) = report(state, tmp_path / "site", "Builds", files=True).report.packages
    assert package.culprits[0].causes[0].proof is None, "the bytes are looked at instead"


DIAGNOSIS = """
{"target": "pigz", "untried": [], "more": 0, "culprits": [{
  "derivation": "DERIVATION", "output": "out", "path": "/nix/store/x", "between": ["a", "b"],
  "file": "share/date", "inside": [{"kind": "gzip", "name": ""}], "aspect": "content", "offset": 20,
  "where": "line 1", "values": ["0", "7"], "cause": "timestamp", "mirrors": false,
  "causes": [{"name": "timestamp", "confidence": 0.95, "because": ["it looks like a timestamp"],
    "proof": {"knob": "clock", "came": "it differs", "went": ""}, "cure": "SOURCE_DATE_EPOCH", "lines": []}]
}]}
"""
