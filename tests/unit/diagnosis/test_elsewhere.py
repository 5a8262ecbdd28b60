"""What is seen here of a culprit whose other side a release has, or nobody."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from synthetic import derivation

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.agreement.trees import Side
from orchestrator.diagnosis.elsewhere import Found, Release, by_itself
from orchestrator.diagnosis.knobs import Knob, Setting
from orchestrator.diagnosis.laboratory import Failed, Result
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.places.search import places

PACKAGE = derivation("package")
ARTIFACT = derivation("artifact", [PACKAGE])
TURNED = Setting(frozenset({Knob.BUILD_CORES}))


@dataclass
class Lab:
    """A laboratory whose build is a function of what is turned and of how often it was built."""

    content: Callable[[frozenset[Knob], int], str | None]
    scratch: Path
    derivation: str = PACKAGE.path
    graph: DerivationGraph = field(
        default_factory=lambda: DerivationGraph({PACKAGE.path: PACKAGE}, (PACKAGE.path,))
    )
    numbers: Any = field(default_factory=itertools.count)

    def held(self) -> Mapping[str, Path]:
        made = self.build(Setting())
        assert isinstance(made, Result)
        return made.trees

    def build(self, setting: Setting) -> Result | Failed:
        number = next(self.numbers)
        text = self.content(setting.knobs, number)
        if text is None:
            return Failed("no such kernel")
        tree = self.scratch / str(number)
        tree.mkdir()
        (tree / "it").write_text(text)
        return Result({"out": tree}, frozenset({"out"}))


def seen_here(
    tmp_path: Path, content: Callable[[frozenset[Knob], int], str | None]
) -> tuple[list[str], str | None]:
    found, failed = by_itself(cast("Any", Lab(content, tmp_path)), TURNED)
    return [place.file for each in found for place in each.places], failed


def test_what_a_knob_moves_is_seen_by_two_builds_here(tmp_path: Path) -> None:
    assert seen_here(tmp_path, lambda knobs, _: f"cores {len(knobs)}") == (["it"], None)


def test_chance_is_seen_once_though_both_builds_differ(tmp_path: Path) -> None:
    assert seen_here(tmp_path, lambda _, number: f"number {number}") == (["it"], None)


def test_what_comes_out_as_it_did_shows_nothing(tmp_path: Path) -> None:
    assert seen_here(tmp_path, lambda *_: "same") == ([], None)


def test_a_build_that_fails_with_all_turned_is_told(tmp_path: Path) -> None:
    assert seen_here(tmp_path, lambda knobs, _: None if knobs else "same") == ([], "no such kernel")


def undated(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = 0
    return entry


def archive(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir()
    with tarfile.open(folder / "it.tar", "w") as tar:
        for name, text in files.items():
            file = folder / "file"
            file.write_text(text)
            tar.add(file, name, filter=undated)
    return folder / "it.tar"


def released(tmp_path: Path, theirs: Mapping[str, str], ours: Mapping[str, str]) -> Release:
    sides = Side("the release", archive(tmp_path / "x", theirs)), Side("a", archive(tmp_path / "y", ours))
    output = DifferingOutput(ARTIFACT.path, "out", ARTIFACT.outputs["out"], {}, inherited=True)
    return Release.of((Found(output, tuple(places(*sides))),))


def made(tmp_path: Path, *files: str) -> Mapping[str, Path]:
    for name in files:
        file = tmp_path / "made" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("ours")
    return {"out": tmp_path / "made"}


def files(found: tuple[Found, ...]) -> list[tuple[str, str, tuple[object, ...]]]:
    return [(each.output.derivation, place.file, place.inside) for each in found for place in each.places]


def test_what_differs_in_the_archive_is_told_of_the_file_that_was_packed(tmp_path: Path) -> None:
    names = ("it-1.0/bin/it", "it-1.0/other/it")
    release = released(tmp_path, dict.fromkeys(names, "theirs"), dict.fromkeys(names, "ours"))
    shown = release.shows(PACKAGE, made(tmp_path, "bin/it", "it"))
    assert files(shown) == [(PACKAGE.path, "bin/it", ()), (PACKAGE.path, "it", ())], (
        "the longest name ends it"
    )
    assert {place.between for each in shown for place in each.places} == {("the release", "a")}
    assert release.rest == ()


def test_what_no_file_of_the_culprit_is_stays_the_artifacts(tmp_path: Path) -> None:
    release = released(
        tmp_path, {"it/one": "theirs", "it/two": "theirs"}, {"it/one": "ours", "it/two": "ours"}
    )
    assert files(release.shows(PACKAGE, made(tmp_path, "one")))[0][1] == "one"
    assert [(drv, file) for drv, file, _ in files(release.rest)] == [(ARTIFACT.path, ".")]
    assert release.shows(PACKAGE, made(tmp_path, "one")) == (), "each is told once"


def test_a_member_that_leads_out_of_the_tree_is_no_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    names = {"../secret": "theirs"}
    release = released(tmp_path, names, dict.fromkeys(names, "ours"))
    assert release.shows(PACKAGE, made(tmp_path, "one")) == ()
