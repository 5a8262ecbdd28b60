"""What a person and a program are told of a served file: three words, never one for another."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from orchestrator.agreement.agreement import Agreed
from orchestrator.cli.cases import of_rebuild
from orchestrator.cli.graded import document, show
from orchestrator.cli.junit import junit
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import ExitCode
from orchestrator.run.graded import Graded
from orchestrator.run.reproduced import exit_code
from orchestrator.served.grade import (
    Aspect,
    Class,
    Different,
    FileDifference,
    Grade,
    Identical,
    Remark,
    SameContents,
)
from orchestrator.served.settings import Setting

REMARK = Remark(Aspect.TIME, "six.py", "1980-01-01 00:00:00", "2024-12-04 17:35:24")
FILE = FileDifference("six\x1b.py", "1 byte", "nothing", note="line ends alone")


def graded(grade: Grade) -> Graded:
    return Graded(
        release="pypi:six==1.17.0",
        agreed=Agreed((), {}, {}),
        grade=grade,
        file="six-1.17.0-py3-none-any.whl",
        sha256=Sha256.of(b"served"),
        made=Sha256.of(b"served" if isinstance(grade, Identical) else b"made"),
        settings=(Setting("umask", "002", "modes", True),),
        notes=("it was withdrawn",),
        recipe=Path("six.toml"),
        kept=None if isinstance(grade, Identical) else Path("/kept"),
    )


@pytest.mark.parametrize(
    ("grade", "word", "verdict", "code"),
    [
        (Identical(), "IDENTICAL", "identical", ExitCode.YES),
        (SameContents((REMARK,), ("six.py",)), "SAME CONTENTS", "same-contents", ExitCode.NO),
        (Different((FILE,)), "DIFFERENT", "different", ExitCode.NO),
        (Different((FILE,), kind=Class.BUILD_ID), "DIFFERENT", "different", ExitCode.NO),
    ],
)
def test_every_grade_has_its_word_and_code(
    grade: Grade, word: str, verdict: str, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    found = graded(grade)
    show(found, quiet=False)
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == f"{word}  pypi:six==1.17.0  six-1.17.0-py3-none-any.whl"
    served, made = Sha256.of(b"served").hex, Sha256.of(b"made").hex
    digests = [f"  served    {served}", f"  made      {made}"]
    assert out.splitlines()[1:] == ([f"  sha256    {served}"] if word == "IDENTICAL" else digests)
    assert "umask: 002 (modes)" in err
    assert "note: it was withdrawn" in err
    assert "\x1b" not in out + err
    told = document(found)
    assert told["verdict"] == verdict
    assert told["served"] == {"file": "six-1.17.0-py3-none-any.whl", "sha256": Sha256.of(b"served").hex}
    assert exit_code((found,)) is code
    (suite,) = fromstring(junit("rebuild", [of_rebuild(Path(found.release), found)]))
    failed = [each.attrib["type"] for case in suite for each in case]
    assert failed == ([] if code is ExitCode.YES else [verdict])


def test_times_alone_are_told_as_that(capsys: pytest.CaptureFixture[str]) -> None:
    show(graded(SameContents((REMARK,), ("six.py",))), quiet=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "with their published times the whole file is identical: six.py" in err
    show(graded(SameContents((REMARK,))), quiet=True)
    assert "the whole file is identical" not in capsys.readouterr().err
