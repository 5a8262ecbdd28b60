"""What a served wheel shows of how it was made, and the recipe that follows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from wheels import sdist_of
from zip_making import Member, zip_of

from orchestrator.ground.errors import TallyError
from orchestrator.served import sdist as sdists
from orchestrator.served.wheel import Shown, show
from orchestrator.served.wheel_recipe import requirements_of
from orchestrator.served.zipfiles import OddZipError, read

METADATA = b"Metadata-Version: 2.1\nName: six\nVersion: 1\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: setuptools (75.6.0)\nTag: py2-none-any\nTag: py3-none-any\n"


def wheel(*more: Member, said: bytes = WHEEL, metadata: bytes = METADATA) -> list[Member]:
    return [
        *more,
        Member("six-1.dist-info/METADATA", metadata),
        Member("six-1.dist-info/WHEEL", said),
        Member("six-1.dist-info/RECORD", b"", mode=0o100664),
    ]


def shown(
    members: list[Member], times: Mapping[str, int] | None = None, shared: tuple[str, ...] = ()
) -> Shown:
    return show(read(zip_of(members)), times or {}, shared)


@pytest.mark.parametrize(
    ("said", "project", "version"),
    [
        ("setuptools (75.6.0)", "setuptools", "75.6.0"),
        ("bdist_wheel (0.37.1)", "wheel", "0.37.1"),
        ("flit 3.9.0", "flit-core", "3.9.0"),
        ("hatchling 1.29.0", "hatchling", "1.29.0"),
        ("poetry-core 2.3.1", "poetry-core", "2.3.1"),
        ("poetry 1.0.10", "poetry-core", "1.0.10"),
        ("pdm-backend (2.5.0)", "pdm-backend", "2.5.0"),
        ("uv 0.8.4", "uv-build", "0.8.4"),
    ],
)
def test_who_wrote_it(said: str, project: str, version: str) -> None:
    found = shown(wheel(said=f"Generator: {said}\n".encode())).generator
    assert found is not None
    assert (found.project, found.version) == (project, version)


def test_nobody_is_said_to_have_written_it() -> None:
    assert shown(wheel(said=b"Wheel-Version: 1.0\n")).generator is None


def test_one_time_for_all_is_an_epoch_unless_it_is_a_backends_own() -> None:
    assert shown(wheel()).epoch == 1715941230
    early = [each._replace(moment=(2020, 2, 2, 0, 0, 0)) for each in wheel()]
    assert shown(early).epoch is None
    assert shown([*wheel(), Member("six.py", b"", (2024, 1, 1, 0, 0, 0))]).epoch is None


def test_umasks_are_read_off_modes_and_never_off_record() -> None:
    assert shown(wheel()).umask == 0o022
    members = wheel(Member("six.py", b"", mode=0o100664), Member("six.pyi", b"", mode=0o100664))
    assert (shown(members).umask, shown(members).unpacked) == (0o002, 0o022)
    times = {"src/six.py": 1, "src/six.pyi": 1}
    assert shown(members, times, ("src/six.pyi",)).unpacked == 0o002
    assert shown(members, times, ("src/six.py",)).unpacked == 0o022


def test_what_is_no_wheel() -> None:
    for members in (
        [Member("six.py", b"")],
        wheel()[:1],
        wheel()[1:2],
        [*wheel(), Member("a.dist-info/WHEEL", b"")],
    ):
        with pytest.raises(OddZipError):
            shown(members)
    vendored = Member("six/_vendor/a-1.dist-info/WHEEL", b"")
    assert shown(wheel(vendored)).generator is not None


def test_older_tools_are_known_by_how_they_write(tmp_path: Path) -> None:
    path = tmp_path / "six-1.tar.gz"
    path.write_bytes(sdist_of("six-1", {"setup.py": b""}))
    sdist = sdists.read(path)

    def wanted(metadata: bytes, said: bytes = WHEEL) -> list[str]:
        return [text for text, _ in requirements_of(sdist, shown(wheel(said=said, metadata=metadata)))]

    assert wanted(METADATA) == ["setuptools"]
    assert wanted(METADATA + b"Requires-Dist: a (>=1) ; extra == 'x'\n") == ["setuptools", "wheel<0.38"]
    assert wanted(METADATA + b"Requires-Dist: a >=1 ; (os_name == 'x')\n") == ["setuptools"]
    assert wanted(METADATA + b"Platform: UNKNOWN\n") == ["setuptools", "setuptools<57"]
    assert wanted(METADATA + b"Platform: UNKNOWN\nLicense-File: COPYING\n") == ["setuptools"]
    assert wanted(METADATA, b"Generator: bdist_wheel (0.37.1)\n") == ["setuptools", "setuptools<70.1"]


def test_an_sdist(tmp_path: Path) -> None:
    path = tmp_path / "six-1.tar.gz"
    project = b'[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    project += b'backend-path = ["."]\n'
    path.write_bytes(sdist_of("six-1", {"pyproject.toml": project, "a/six.py": b""}))
    found = sdists.read(path)
    assert (found.top, found.backend, found.requires) == ("six-1", "flit_core.buildapi", ("flit_core",))
    assert found.backend_path == (".",)
    assert found.times == {"pyproject.toml": 1_700_000_000, "a/six.py": 1_700_000_000}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cannot be read"),
        (b"no archive", "cannot be read"),
        (sdist_of("six-1", {"pyproject.toml": b"[["}), r"pyproject\.toml in six-1\.tar\.gz cannot be read"),
        (sdist_of("six-1", {}), "does not hold one folder"),
        (sdist_of("six-1", {"pyproject.toml": b"[build-system]\nrequires = 5"}), "a list of texts belongs"),
        (sdist_of("six-1", {"pyproject.toml": b"[project]\ndependencies = [1]"}), "a list of texts belongs"),
    ],
    ids=[
        "nothing",
        "no archive",
        "no TOML",
        "no folder",
        "a number",
        "numbers",
    ],  # a gzip header has the time
)
def test_an_sdist_that_is_none(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "six-1.tar.gz"
    path.write_bytes(data)
    with pytest.raises(TallyError, match=says):
        sdists.read(path)
