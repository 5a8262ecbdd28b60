"""Tarballs of npm beside each other, and that packing alone is never taken for a rebuild."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import cast

from deb_making import FILES, tar

from orchestrator.agreement.agreement import Agreed
from orchestrator.cli import graded
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import ExitCode
from orchestrator.run.graded import Graded
from orchestrator.run.reproduced import exit_code
from orchestrator.served.deb_comparison import compare_tarballs
from orchestrator.served.grade import Aspect, Different, Grade, Identical, SameContents


def test_tarballs() -> None:
    one = gzip.compress(tar(FILES), mtime=0)
    assert compare_tarballs(one, one) == Identical()
    other = compare_tarballs(gzip.compress(tar(FILES), 1, mtime=0), one)
    assert isinstance(other, SameContents)
    assert [each.aspect for each in other.remarks] == [Aspect.COMPRESSION]
    changed = compare_tarballs(gzip.compress(tar({**FILES, "usr/one": b"x"}), mtime=0), one)
    assert isinstance(changed, Different)


def test_packing_alone_decides_nothing() -> None:
    grades: list[Grade] = [Identical(), SameContents(()), Different(())]
    for grade in grades:
        digest, place = Sha256("0" * 64), Path("/none")
        agreed = cast("Agreed", None)
        found = Graded("npm:a@1", agreed, grade, "a.tgz", digest, digest, (), (), place, None, alone=True)
        assert not found.identical
        assert exit_code((found,)) is ExitCode.UNDECIDED
        verdict, lines = graded.told(found)
        assert verdict == "undecided"
        assert lines[0].startswith("packing what is served once more gives ")


def test_scripts_that_were_not_run_decide_nothing_but_where_every_byte_is_the_same() -> None:
    digest, place = Sha256("0" * 64), Path("/none")
    agreed = cast("Agreed", None)
    unrun = ("its package.json has a script prepack, which was not run",)
    codes = []
    for grade in (Identical(), SameContents(()), Different(())):
        found = Graded("npm:a@1", agreed, grade, "a.tgz", digest, digest, (), (), place, None, unrun=unrun)
        codes.append(exit_code((found,)))
        verdict, lines = graded.told(found)
        if isinstance(grade, Identical):
            assert (verdict, lines) == ("identical", [])
        else:
            assert verdict == "undecided"
            assert lines[0].startswith("packing its source without its scripts gives ")
            assert lines[1] == unrun[0]
    assert codes == [ExitCode.YES, ExitCode.UNDECIDED, ExitCode.UNDECIDED]
