"""poetry.lock, beside the pyproject.toml that it was made for."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import Any

import pytest
from python_locks import asked, digest, wheel

from orchestrator.dependencies.dependency import BadLock, Dependency
from orchestrator.dependencies.python import manifest, poetry
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.poetry_versions import allows

PROJECT = """
[tool.poetry]
name = "app"
version = "1"
[tool.poetry.dependencies]
python = "^3.9"
a = "^1.0"
Opt = { version = "*", optional = true }
[tool.poetry.extras]
more = ["opt"]
[tool.poetry.group.dev.dependencies]
t = ">=1"
"""


def package(name: str, version: str, more: str = "", file: str | None = None) -> str:
    file = file or wheel(name, version)
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\noptional = false\npython-versions = ">=3.8"\n'
        f'files = [\n    {{file = "{file}", hash = "sha256:{digest(file)}"}},\n]\n{more}\n'
    )


def lock(*packages: str, project: str = PROJECT, version: str = "2.1", python: str = "^3.9") -> bytes:
    told = tomllib.loads(project)["tool"]["poetry"]
    keys: dict[str, Any] = {
        each: told.get(each) for each in ("dependencies", "source", "extras", "dev-dependencies")
    }
    if "group" in told:
        keys["group"] = told["group"]
    content = hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()
    return (
        "".join(packages) + f'[metadata]\nlock-version = "{version}"\npython-versions = "{python}"\n'
        f'content-hash = "{content}"\n'
    ).encode()


def read(data: bytes, by: Asked | None = None, project: str = PROJECT) -> dict[str, Dependency]:
    told = manifest.read(project.encode(), "pyproject.toml")
    return {each.name: each for each in poetry.read(data, "poetry.lock", by or asked(), told).dependencies}


A = package(
    "a", "1.5", '[package.dependencies]\nb = {version = ">=1", markers = "python_version >= \\"3.9\\""}\n'
)
B2 = package(
    "b",
    "2.0",
    '[package.dependencies]\na = "*"\nw = {version = "*", markers = "sys_platform == \'win32\'"}\n',
)
OPT, T = package("opt", "3"), package("t", "1", '[package.dependencies]\nb = "^2"\n')


def test_what_pyproject_asks_for_is_taken_by_groups_and_extras() -> None:
    data = lock(A, B2, OPT, T)
    found = read(data)
    assert sorted(found) == ["a", "b"]
    assert (found["a"].direct, found["a"].needs, found["a"].line) == (True, ("b@2.0",), 1)
    assert (found["b"].direct, found["b"].needs, found["b"].shipped) == (False, ("a@1.5",), True)
    assert found["a"].urls == ("mirror://pypi/a/a-1.5-py3-none-any.whl",)
    assert sorted(read(data, asked(extras=("more",)))) == ["a", "b", "opt"]
    assert {name: each.shipped for name, each in read(data, asked("dev")).items()} == {
        "a": True,
        "b": True,
        "t": False,
    }
    for by, message in ((asked("docs"), "has no group docs"), (asked(extras=("x",)), "has no extra x")):
        with pytest.raises(BadLock, match=message):
            read(data, by)


def test_versions_for_other_pythons_are_left_out() -> None:
    old = package("b", "1.0").replace('python-versions = ">=3.8"', 'python-versions = ">=3.8,<3.10"')
    assert read(lock(A, old, B2))["b"].version == "2.0"
    marked = package("b", "1.0").replace("optional = false", 'markers = "python_version < \\"3.10\\""')
    assert read(lock(A, marked, B2))["b"].version == "2.0"


def test_an_old_lock_has_its_files_elsewhere() -> None:
    files = f'[metadata.files]\na = [\n    {{file = "{wheel("a", "1.5")}", hash = "sha256:{"1" * 64}"}},\n]\n'
    bare = (
        '[[package]]\nname = "a"\nversion = "1.5"\ncategory = "main"\noptional = false\n'
        'python-versions = "*"\n\n'
    )
    found = read(lock(bare, version="1.1") + files.encode())
    assert found["a"].file == wheel("a", "1.5")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lock(A, B2, version="3.0"), r"line \d+: it is of version 3\.0, and 1\.1, 2\.0, 2\.1 are read"),
        (lock(A, B2, python="^3.12"), r"line 26: it requires Python \^3\.12, and the toolchain has 3\.11\.2"),
        (lock(A, B2).replace(b"content-", b"other-"), r"line \d+: it has no content-hash"),
        (lock(A), "line 1: it asks for b, which the lock has not"),
        (
            lock(A, B2, project=PROJECT.replace("^1.0", "^2.0")),
            r"line 27: it was made for another pyproject\.toml",
        ),
        (
            lock(
                package(
                    "a",
                    "1.5",
                    '[package.source]\ntype = "git"\nurl = "https://git.test/a"\nreference = "main"\n',
                )
            ),
            "line 1: a comes from a repository, and no whole commit of it is told: a branch can move",
        ),
        (
            lock(package("a", "1.5", '[package.source]\ntype = "directory"\nurl = "../a"\n')),
            "line 1: a lies outside of the repository",
        ),
        (
            lock(
                package(
                    "a", "1.5", '[package.source]\ntype = "legacy"\nurl = "https://me:secret@index.test"\n'
                )
            ),
            "line 1: an address with a user, a password or a token",
        ),
        (
            lock(A.replace("sha256:", "md5:"), B2),
            "line 1: a-1.5-py3-none-any.whl of a has no sha256 or sha512",
        ),
        (lock(A.replace("    {file", "    # {file"), B2), "line 1: a 1.5 has no file with a digest"),
        (
            lock(package("a", "1.5", file=wheel("a", "1.5", "cp311-cp311-win32"))),
            "line 1: no file of a 1.5 is for",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(BadLock, match=f"^poetry.lock, {message}") as caught:
        read(data)
    assert "secret" not in str(caught.value)


def test_an_index_of_ones_own_is_told_by_its_address() -> None:
    data = lock(package("a", "1.5", '[package.source]\ntype = "legacy"\nurl = "https://index.test/simple"\n'))
    assert read(data)["a"].registry == "https://index.test/simple"


@pytest.mark.parametrize(
    ("constraint", "version", "allowed"),
    [
        ("^1.2.3", "1.9", True),
        ("^1.2.3", "2.0", False),
        ("^0.2.3", "0.3", False),
        ("^0.0.3", "0.0.4", False),
        ("~1.2", "1.3", False),
        ("~1", "1.9", True),
        ("~=1.2", "1.9", True),
        ("1.2.*", "1.2.9", True),
        ("1.2", "1.2.0", True),
        (">=1, <2 || >=3", "3.1", True),
        (">=1,<2 || >=3", "2.5", False),
        ("*", "0", True),
    ],
)
def test_versions_are_compared_as_poetry_does(constraint: str, version: str, allowed: bool) -> None:
    assert allows(constraint, version) is allowed


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match="no version that Poetry writes"):
        allows("about 3", "3")
