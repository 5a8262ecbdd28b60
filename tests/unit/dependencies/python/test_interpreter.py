"""The toolchain's Python: its version, its markers, and the wheels that fit it."""

from __future__ import annotations

import pytest
from packaging.tags import Tag
from python_locks import BOOKWORM, wheel

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.python import files
from orchestrator.dependencies.python.files import File
from orchestrator.dependencies.python.interpreter import Interpreter, environment, of_debian, ranks
from orchestrator.dependencies.python.walk import fits, holds
from orchestrator.ground.digest import Sha256


def test_it_is_that_of_the_locked_packages() -> None:
    locked = {"libc6": "2.36-9+deb12u14", "python3": "3.11.2-1+b1", "python3.11": "3.11.2-6+deb12u8"}
    assert of_debian(locked, "x86_64-linux") == BOOKWORM
    newer = {"libc6": "2.41-12", "python3": "3.13.5-1", "python3.13-minimal": "3.13.7~rc1-2"}
    assert of_debian(newer, "aarch64-linux") == Interpreter("3.13.7rc1", 41, "aarch64")
    assert of_debian({"libc6": "2.36-9"}, "x86_64-linux") is None


def test_nothing_of_this_machine_is_in_its_markers() -> None:
    foreign = Interpreter("3.13.5", 41, "aarch64")
    assert environment(foreign)["platform_machine"] == "aarch64"
    assert holds("python_version == '3.13' and sys_platform == 'linux'", foreign)
    assert not holds("python_full_version < '3.13.5'", foreign)
    assert not holds("extra == 'x'", foreign)
    assert holds("extra == 'x'", foreign, ("y", "x"))
    assert fits(">=3.11,<3.12", BOOKWORM)
    assert not fits(">=3.12", BOOKWORM)
    with pytest.raises(ValueError, match="cannot be read"):
        holds("python_version ==", foreign)


def test_tags_are_in_the_order_of_pip() -> None:
    known = ranks(BOOKWORM)
    order = [
        "cp311-cp311-manylinux_2_36_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux2014_x86_64",
        "cp311-cp311-linux_x86_64",
        "cp311-abi3-manylinux_2_28_x86_64",
        "cp39-abi3-manylinux_2_28_x86_64",
        "py3-none-manylinux2014_x86_64",
        "py3-none-any",
    ]
    found = [known[Tag(*each.split("-"))] for each in order]
    assert found == sorted(found)
    for alien in ("cp311-cp311-manylinux_2_37_x86_64", "cp311-cp311-musllinux_1_2_x86_64", "cp312-cp312-any"):
        assert Tag(*alien.split("-")) not in known
    assert Tag("cp313", "cp313", "manylinux_2_17_aarch64") in ranks(Interpreter("3.13.5", 41, "aarch64"))
    assert Tag("cp313", "cp313", "manylinux_2_12_aarch64") not in ranks(Interpreter("3.13.5", 41, "aarch64"))


def best(*names: str) -> str:
    offered = [File(name, Sha256.of(name.encode()), ()) for name in names]
    return files.best(offered, BOOKWORM, "thing", "1.0", "a.lock", 7).name


def test_the_best_wheel_is_taken_else_an_sdist() -> None:
    pure, native = wheel("thing", "1.0"), wheel("thing", "1.0", "cp311-cp311-manylinux_2_17_x86_64")
    windows = wheel("thing", "1.0", "cp311-cp311-win_amd64")
    assert best("thing-1.0.tar.gz", pure, windows, native) == native
    assert best("thing-1.0.tar.gz", pure, windows) == pure
    assert best(windows, "thing-1.0.zip", "thing-1.0.tar.gz") == "thing-1.0.tar.gz"
    assert best("thing-1.0-1-py3-none-any.whl", pure, "thing-1.0-2-py3-none-any.whl") == (
        "thing-1.0-2-py3-none-any.whl"
    )
    assert best("thing-1.0-py2.7.egg", "thing-1.0.win32.exe", pure) == pure


def test_a_package_for_other_platforms_alone_is_told_with_its_line() -> None:
    with pytest.raises(
        BadLock, match=r"a\.lock, line 7: no file of thing 1\.0 is for Python 3\.11\.2 on x86_64"
    ):
        best(wheel("thing", "1.0", "cp311-cp311-win_amd64"))


@pytest.mark.parametrize(
    "file",
    [
        "other-1.0-py3-none-any.whl",
        "thing-1.1-py3-none-any.whl",
        "thing-1.0.rpm.txt",
        "../thing-1.0.tar.gz",
        "",
    ],
)
def test_a_file_of_another_package_is_refused(file: str) -> None:
    with pytest.raises(BadLock, match="is no file of thing 1"):
        best(file)
