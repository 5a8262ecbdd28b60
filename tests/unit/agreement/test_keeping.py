"""Both results are kept whole, or nothing is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.agreement.agreement import DifferingOutput, Disagreed
from orchestrator.agreement.difference import differences
from orchestrator.agreement.keeping import SideBySide, keep_side_by_side, result_in
from orchestrator.agreement.trees import Side
from orchestrator.builders.build import Build, Identity, Report, SecondResult
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State

NOON = datetime(2026, 1, 1, 12, 30, 5, tzinfo=UTC)
HELLO = "/nix/store/wfj6czgaxx9a6d842p9npzkzppmqgm89-hello-2.10"
DRV = "/nix/store/1yrm83x23p0fvqsg5dpg7qy2x6kh9kg7-hello-2.10.drv"


@dataclass
class Case:
    """Two builders that made different things in stores of their own."""

    folder: Path
    disagreed: Disagreed

    def locate(self, builder: str) -> Callable[[str], Path]:
        return lambda path: self.folder / "stores" / builder / path.lstrip("/")

    def keep(self) -> SideBySide:
        locate = {name: self.locate(name) for name in ("a", "b", "c")}
        return keep_side_by_side(State(self.folder / "state"), "hello", self.disagreed, locate, now=NOON)

    @property
    def kept_names(self) -> list[str]:
        return sorted(os.listdir(self.folder / "state" / "disagreements"))


def made(folder: Path, text: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/hello").write_text(text)
    (folder / "bin/hello").chmod(0o555)
    (folder / "share").symlink_to("/nix/store/elsewhere")
    (folder / "bin").chmod(0o555)
    folder.chmod(0o555)
    return folder


def report(folder: Path, name: str) -> Report:
    log = folder / f"logs-{name}" / "hello-2.10.log"
    log.parent.mkdir()
    log.write_text(f"log of {name}")
    build = Build(DRV, {}, NOON, NOON, log, {})
    return Report(Identity(name, "local"), None, {DRV: build}, {}, ())


@pytest.fixture
def case(tmp_path: Path) -> Case:
    for name in ("a", "b"):
        made(tmp_path / "stores" / name / HELLO.lstrip("/"), name)
    hashes = {name: NarHash.of(name.encode()) for name in ("a", "b")}
    output = DifferingOutput(DRV, "out", HELLO, hashes, inherited=False)
    return Case(tmp_path, Disagreed((report(tmp_path, "a"), report(tmp_path, "b")), (output,), (DRV,)))


def test_outputs_and_logs_lie_side_by_side(case: Case) -> None:
    kept = case.keep()
    assert kept.folder == case.folder / "state/disagreements/hello-20260101T123005Z"
    for name in ("a", "b"):
        original, copy = case.locate(name)(HELLO), kept.folder / name / "hello-2.10"
        assert list(differences(Side("original", original), Side("kept", copy))) == []
        assert (kept.folder / name / "logs/hello-2.10.log").read_text() == f"log of {name}"
    assert case.kept_names == ["hello-20260101T123005Z"]


def test_the_kept_results_are_those_that_differ(case: Case) -> None:
    kept = case.keep()
    first, second = kept.results(case.disagreed.differing[0])
    assert first == Side("a", kept.folder / "a/hello-2.10")
    assert [one.path for one in differences(first, second)] == ["bin/hello"]


def test_both_results_of_a_builder_that_differs_from_itself_are_kept(case: Case) -> None:
    second = SecondResult(made(case.folder / "second", "another"), NarHash.of(b"another"))
    a, b = case.disagreed.reports
    b = replace(b, builds={DRV: replace(b.builds[DRV], unstable={"out": second})})
    hashes = {"a": NarHash.of(b"a"), "b": second.nar_hash, "b (earlier)": NarHash.of(b"a")}
    output = replace(case.disagreed.differing[0], hashes=hashes)
    kept = Case(case.folder, replace(case.disagreed, reports=(a, b), differing=(output,))).keep()
    assert (kept.folder / "b/hello-2.10/bin/hello").read_text() == "another"
    assert (kept.folder / "b-earlier/hello-2.10/bin/hello").read_text() == "b"
    assert [side.name for side in kept.results(output)] == ["a", "b", "b (earlier)"]


def test_every_result_is_compared_that_has_bytes_of_its_own(tmp_path: Path) -> None:
    bits = {"a": b"1", "b": b"1", "c": b"2", "d": b"3", "e": b"2"}
    hashes = {name: NarHash.of(content) for name, content in bits.items()}
    output = DifferingOutput(DRV, "out", HELLO, hashes, inherited=False)
    kept = SideBySide(tmp_path, {HELLO: tuple(Side(name, tmp_path / name) for name in bits)})
    assert [(one.name, other.name) for one, other in kept.pairs(output)] == [("a", "c"), ("a", "d")]
    alike = replace(output, hashes=dict.fromkeys(bits, hashes["a"]))
    assert [(one.name, other.name) for one, other in kept.pairs(alike)] == [("a", "b")]


def test_outputs_of_one_name_do_not_overwrite_each_other(case: Case) -> None:
    other = HELLO.replace("wfj6", "0000")
    for name in ("a", "b"):
        made(case.locate(name)(other), f"other {name}")
    output = case.disagreed.differing[0]
    both = (output, replace(output, path=other))
    kept = Case(case.folder, replace(case.disagreed, differing=both)).keep()
    texts = {(side.path / "bin/hello").read_text() for one in both for side in kept.results(one)}
    assert texts == {"a", "b", "other a", "other b"}


def test_what_is_kept_can_be_changed_and_removed(case: Case) -> None:
    folders = [path for path in case.keep().folder.rglob("*") if path.is_dir() and not path.is_symlink()]
    assert folders
    assert all(folder.stat().st_mode & 0o700 == 0o700 for folder in folders)


def test_two_disagreements_in_one_second_are_both_kept(case: Case) -> None:
    names = [case.keep().folder.name for _ in range(3)]
    assert names == ["hello-20260101T123005Z", "hello-20260101T123005Z-2", "hello-20260101T123005Z-3"]


def test_what_is_gone_is_an_error_and_nothing_stays(case: Case) -> None:
    case.disagreed.reports[1].builds[DRV].log.unlink()
    with pytest.raises(TallyError, match="is gone"):
        case.keep()
    assert case.kept_names == []


def test_a_folder_that_cannot_be_made_is_an_error(case: Case) -> None:
    (case.folder / "state").write_text("a file")
    with pytest.raises(TallyError, match="state folder"):
        case.keep()


def test_a_result_is_found_by_its_whole_name_where_another_has_the_short_one(tmp_path: Path) -> None:
    path = "/nix/store/wfj6czgaxx9a6d842p9npzkzppmqgm89-logs"
    (tmp_path / "a" / "logs").mkdir(parents=True)
    (tmp_path / "a-earlier").mkdir()
    (tmp_path / "a" / "wfj6czgaxx9a6d842p9npzkzppmqgm89-logs").write_text("result")
    assert result_in(tmp_path, "a", path).read_text() == "result"
    assert result_in(tmp_path, "a (earlier)", path) == tmp_path / "a-earlier" / "logs"
