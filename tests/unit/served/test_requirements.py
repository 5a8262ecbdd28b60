"""Build requirements as an index had them at a moment: the newest that fit, and theirs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from wheels import OwnIndex

from orchestrator.ground.errors import TallyError
from orchestrator.served.pypi import fetched
from orchestrator.served.requirements import Resolver
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pyindex import Index

Asking = Callable[[], Index]
MOMENT = datetime(2024, 6, 1, tzinfo=UTC)


def resolved(
    asking: Asking, folder: Path, *wanted: str, tool: str | None = None, before: datetime | None = MOMENT
) -> list[str]:
    sources = Sources(folder, Mirrors({}))
    resolver = Resolver(asking(), before, lambda file: fetched(file, sources))
    pins = resolver.resolve(
        [(each, "pyproject.toml") for each in wanted], Requirement(tool) if tool else None
    )
    return [f"{pin.project} {pin.version}" for pin in pins]


def test_the_newest_that_was_there(own: OwnIndex, asking: Asking, tmp_path: Path) -> None:
    own.wheel("flit-core", "3.9", uploaded="2024-01-01")
    own.wheel("flit-core", "3.10", uploaded="2024-05-01")
    own.wheel("flit-core", "3.12", uploaded="2024-07-01")
    own.wheel("flit-core", "3.11rc1", uploaded="2024-05-20")
    assert resolved(asking, tmp_path, "flit_core>=3.2") == ["flit-core 3.10"]
    assert resolved(asking, tmp_path, "flit_core>=3.2", before=None) == ["flit-core 3.12"]
    assert resolved(asking, tmp_path, "flit_core<3.10") == ["flit-core 3.9"]


def test_what_wrote_the_wheel_is_a_fact(own: OwnIndex, asking: Asking, tmp_path: Path) -> None:
    own.wheel("setuptools", "70.0")
    own.wheel("setuptools", "75.0")
    assert resolved(asking, tmp_path, "setuptools>=75", tool="setuptools==70.0") == ["setuptools 70.0"]


def test_theirs_come_with_them(own: OwnIndex, asking: Asking, tmp_path: Path) -> None:
    own.wheel("hatchling", "1.0", "packaging<24", "tomli; python_version < '3.11'", "pluggy")
    own.wheel("hatch-vcs", "1.0", "packaging>=23", "hatchling")
    own.wheel("packaging", "22.0")
    own.wheel("packaging", "23.1")
    own.wheel("packaging", "24.0")
    own.wheel("pluggy", "1.5")
    found = resolved(asking, tmp_path, "hatch-vcs", "hatchling")
    assert found == ["hatch-vcs 1.0", "hatchling 1.0", "packaging 23.1", "pluggy 1.5"]


def test_extras(own: OwnIndex, asking: Asking, tmp_path: Path) -> None:
    own.wheel("setuptools-scm", "8.0", "packaging", "tomli; extra == 'toml'")
    own.wheel("packaging", "23.1")
    own.wheel("tomli", "2.0")
    assert resolved(asking, tmp_path, "setuptools_scm") == ["packaging 23.1", "setuptools-scm 8.0"]
    found = resolved(asking, tmp_path, "setuptools_scm[toml]")
    assert found == ["packaging 23.1", "setuptools-scm 8.0", "tomli 2.0"]


def test_which_wheel(own: OwnIndex, asking: Asking, tmp_path: Path) -> None:
    own.wheel("cython", "3.0", tag="cp311-cp311-win_amd64")
    own.wheel("cython", "3.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    own.wheel("cython", "2.0", tag="cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64")
    own.wheel("cython", "2.5", yanked="bad")
    own.wheel("cython", "2.6", **{"requires-python": ">=3.12"})
    assert resolved(asking, tmp_path, "cython") == ["cython 2.0"]
    assert resolved(asking, tmp_path, "cython==2.5") == ["cython 2.5"]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("nothing-there", "no Python index has a project called nothing-there"),
        ("flit-core>=9", r"no index has a wheel of flit-core>=9 for Python 3\.11 as of 2024-06-01"),
        ("sdist-alone", "no index has a wheel of sdist-alone"),
        ("x @ https://example.org/x.whl", "from an address of its own"),
        ("no requirement", "which cannot be read"),
        ("odd-wheel", "cannot be read as a wheel"),
    ],
)
def test_what_cannot_be_had(own: OwnIndex, asking: Asking, tmp_path: Path, wanted: str, says: str) -> None:
    own.wheel("flit-core", "3.9")
    own.add("sdist-alone", "sdist_alone-1.0.tar.gz", b"sdist")
    own.add("odd-wheel", "odd_wheel-1.0-py3-none-any.whl", b"no zip")
    with pytest.raises(TallyError, match=says):
        resolved(asking, tmp_path, wanted)


def test_no_wheel_is_a_tool_of_itself(own: OwnIndex, asking: Asking, tmp_path: Path) -> None:
    own.wheel("pluggy", "1.5", uploaded="2024-01-01")
    own.wheel("pluggy", "1.6", uploaded="2024-05-01")
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert resolved(asking, tmp_path, "pluggy", before=moment) == ["pluggy 1.5"]


def test_what_a_version_wanted_that_is_not_taken_is_wanted_no_more(
    own: OwnIndex, asking: Asking, tmp_path: Path
) -> None:
    own.wheel("alpha", "2.0", "extra-of-two", "beta<2")
    own.wheel("alpha", "1.0", "beta")
    own.wheel("extra-of-two", "1.0")
    own.wheel("beta", "1.0")
    own.wheel("beta", "2.0")
    own.wheel("gamma", "1.0", "alpha<2")
    found = resolved(asking, tmp_path, "alpha", "gamma")
    assert "extra-of-two 1.0" not in found
    assert "alpha 1.0" in found


def test_what_contradicts_itself_ends(own: OwnIndex, asking: Asking, tmp_path: Path) -> None:
    own.wheel("alpha", "1.0", "beta>=2")
    own.wheel("alpha", "2.0", "beta<2")
    own.wheel("beta", "1.0", "alpha<2")
    own.wheel("beta", "2.0", "alpha>=2")
    with pytest.raises(TallyError):
        resolved(asking, tmp_path, "alpha")


@pytest.mark.parametrize(
    "said", [{"requires-python": 5}, {"hashes": None}, {"hashes": []}, {"url": "http://["}]
)
def test_an_index_that_says_something_else(
    own: OwnIndex, asking: Asking, tmp_path: Path, said: dict[str, Any]
) -> None:
    own.add("alpha", "alpha-1.0-py3-none-any.whl", b"no wheel", **said)
    with pytest.raises(TallyError):
        resolved(asking, tmp_path, "alpha")
