"""What two packages have in common is told apart from what their containers have: nothing is ignored."""

from __future__ import annotations

import lzma
import tarfile
from collections.abc import Callable

import pytest
from deb_making import CONTROL, FILES, deb, member, tar

from orchestrator.served.arfiles import OddPackageError
from orchestrator.served.deb_comparison import compare
from orchestrator.served.grade import Aspect, Different, Identical, SameContents


def test_the_same_bytes_are_identical() -> None:
    assert compare(deb(), deb()) == Identical()


@pytest.mark.parametrize(
    ("made", "aspects"),
    [
        (deb(time=1), {Aspect.TIME}),
        (deb(tar(FILES, time=1)), {Aspect.TIME}),
        (deb(tar(FILES, modes={"usr/one": 0o755})), {Aspect.MODE}),
        (deb(tar(FILES, order=["usr/", "usr/two", "usr/one", "usr/link"])), {Aspect.ORDER}),
        (deb(ending=".gz"), {Aspect.COMPRESSION}),
        (deb(ending=""), {Aspect.COMPRESSION}),
        (deb(preset=0), {Aspect.COMPRESSION}),
        (deb(tar(FILES, form=tarfile.USTAR_FORMAT)), {Aspect.LAYOUT}),
        (deb(tar(FILES) + bytes(10240)), {Aspect.LAYOUT}),
        (deb(tar(FILES, time=1), ending=".gz"), {Aspect.TIME, Aspect.COMPRESSION}),
    ],
)
def test_the_container_alone(made: bytes, aspects: set[Aspect]) -> None:
    grade = compare(made, deb())
    assert isinstance(grade, SameContents)
    assert {each.aspect for each in grade.remarks} == aspects
    assert all(each.made != each.served for each in grade.remarks)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (deb(tar({**FILES, "usr/one": b"First\n"})), "data/usr/one"),
        (deb(tar({**FILES, "usr/more": b""})), "data/usr/more"),
        (deb(tar({**FILES, "usr/link": "two"})), "data/usr/link"),
        (deb(tar({**FILES, "usr/two": "one"})), "data/usr/two"),
        (deb(tar(FILES, owner="games")), "data/usr"),
        (deb(tar(FILES, modes={"usr/one": 0o4644})), "data/usr/one"),
        (deb(control=tar({**CONTROL, "postinst": b"#!/bin/sh\n"})), "control/postinst"),
        (deb(further=member("_gpgorigin", b"")), "_gpgorigin"),
    ],
)
def test_what_is_inside(made: bytes, name: str) -> None:
    for one, other in ((made, deb()), (deb(), made)):
        grade = compare(one, other)
        assert isinstance(grade, Different)
        assert name in [each.name for each in grade.files]


def hidden_behind(data: bytes) -> bytes:
    return data.rstrip(b"\0") + bytes(2048) + tar({"usr/hidden": b"x"})


ODD: list[Callable[[], bytes]] = [
    lambda: b"",
    lambda: b"!<arch>\n" + b"x" * 60,
    lambda: deb()[:-7],
    lambda: deb() + b"\n\n",
    lambda: deb(further=member("data.tar", tar(FILES))),
    lambda: deb(further=member("debian-binary", b"2.0\n")),
    lambda: deb(hidden_behind(tar(FILES))),
    lambda: deb(tar(FILES)[:512] + tar(FILES)),
    lambda: deb(b"no tar" * 200),
    lambda: deb() + member("data.tar.xz", lzma.compress(tar(FILES))),
    lambda: b"!<arch>\n" + member("data.tar.xz", lzma.compress(tar(FILES)) + b"behind"),
    lambda: b"!<arch>\n" + member("data.tar.xz", lzma.compress(tar(FILES))[:-9]),
    lambda: b"!<arch>\n" + member("data.tar.lz", b"x"),
]


@pytest.mark.parametrize("odd", ODD)
def test_a_package_that_can_be_read_in_two_ways_is_none(odd: Callable[[], bytes]) -> None:
    with pytest.raises(OddPackageError):
        compare(deb(), odd())
    assert isinstance(compare(odd(), deb()), Different)


def test_names_show_their_control_characters() -> None:
    grade = compare(deb(tar({"\x1b[2J": b""})), deb())
    assert isinstance(grade, Different)
    assert "\x1b" not in "".join(each.describe() for each in grade.files)
