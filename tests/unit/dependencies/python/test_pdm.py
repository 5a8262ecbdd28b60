"""pdm.lock, beside its pyproject.toml."""

from __future__ import annotations

import pytest
from python_locks import asked, digest, wheel

from orchestrator.dependencies.dependency import BadLock, Dependency
from orchestrator.dependencies.python import manifest, pdm
from orchestrator.dependencies.python.asked import Asked

PROJECT = """
[project]
name = "app"
requires-python = ">=3.9"
dependencies = ["a[x]>=1"]
[project.optional-dependencies]
more = ["c"]
[dependency-groups]
test = ["app[more]", { include-group = "base" }]
base = ["t"]
[tool.pdm.dev-dependencies]
old = ["t"]
"""


def package(name: str, version: str, needs: str = "", more: str = "", file: str | None = None) -> str:
    file = file or wheel(name, version)
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n{more}'
        f"dependencies = [{needs}]\n"
        f'files = [\n    {{file = "{file}", hash = "sha256:{digest(file)}"}},\n]\n\n'
    )


def lock(*packages: str, version: str = "4.5.0", python: str = ">=3.9") -> bytes:
    return (
        f'[metadata]\ngroups = ["default", "more", "test", "base", "old"]\nlock_version = "{version}"\n'
        f'content_hash = "sha256:1"\n\n[[metadata.targets]]\nrequires_python = "{python}"\n\n'
        + "".join(packages)
    ).encode()


def read(data: bytes, by: Asked | None = None) -> dict[str, Dependency]:
    told = manifest.read(PROJECT.encode(), "pyproject.toml")
    return {each.name: each for each in pdm.read(data, "pdm.lock", by or asked(), told).dependencies}


A = package("a", "1.0", "\"w; sys_platform == 'win32'\"") + package(
    "a", "1.0", '"a==1.0", "b"', 'extras = ["x"]\n'
)
ALL = lock(A, package("b", "1", '"a"'), package("c", "1"), package("t", "1"))


def test_what_pyproject_asks_for_is_taken_by_groups_and_extras() -> None:
    found = read(ALL)
    assert sorted(found) == ["a", "b"]
    assert (found["a"].direct, found["a"].needs, found["b"].needs) == (True, ("b@1",), ("a@1.0",))
    assert sorted(read(ALL, asked(extras=("more",)))) == ["a", "b", "c"]
    tested = read(ALL, asked("test"))
    assert {name: each.shipped for name, each in tested.items()} == {
        "a": True,
        "b": True,
        "c": False,
        "t": False,
    }
    assert sorted(read(ALL, asked("old"))) == ["a", "b", "t"]


@pytest.mark.parametrize(
    ("data", "by", "message"),
    [
        (lock(version="3.1"), asked(), r"line 3: it is of version 3\.1, and 4\.4 and 4\.5 are read"),
        (ALL, asked("docs"), r"line 2: it has no group docs"),
        (ALL, asked(extras=("test",)), "pyproject.toml has no extra test"),
        (
            lock(A, python=">=3.12"),
            asked(),
            r"line 7: it is for Python >=3\.9, and the toolchain has 3\.11\.2",
        ),
        (
            lock(package("b", "1")),
            asked(),
            r"line 4: it was made for another .* asks for a, which is not in the lock",
        ),
        (lock(package("a", "0.9")), asked(), "line 4: .* asks for a>=1, and the lock has 0.9"),
        (lock(A), asked(), "line 17: it asks for b, which the lock has not"),
        (
            lock(package("a", "1.0", more='git = "https://git.test/a"\nref = "main"\n')),
            asked(),
            "line 9: a comes from a repository, and no whole commit of it is told: a branch can move",
        ),
        (
            lock(package("a", "1.0", more='path = "../a"\n')),
            asked(),
            "line 9: a lies outside of the repository",
        ),
        (
            lock(A.replace("sha256:", "md5:"), package("b", "1")),
            asked(),
            "line 9: .* has no sha256 or sha512",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_line(data: bytes, by: Asked, message: str) -> None:
    with pytest.raises(BadLock, match=f"^pdm.lock.*{message}"):
        read(data, by)
