"""pylock.toml, PEP 751."""

from __future__ import annotations

import pytest
from python_locks import asked, digest, wheel

from orchestrator.dependencies.dependency import BadLock, Dependency
from orchestrator.dependencies.python import manifest, pylock
from orchestrator.dependencies.python.asked import Asked


def package(name: str, version: str, more: str = "", file: str | None = None) -> str:
    file = file or wheel(name, version)
    return (
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{more}wheels = [\n'
        f'    {{ url = "https://files.test/{file}", hashes = {{ sha256 = "{digest(file)}" }} }},\n]\n\n'
    )


def lock(*packages: str, version: str = "1.0", more: str = 'requires-python = ">=3.9"\n') -> bytes:
    return (f'lock-version = "{version}"\ncreated-by = "a test"\n{more}\n' + "".join(packages)).encode()


def read(data: bytes, by: Asked | None = None, project: str | None = None) -> dict[str, Dependency]:
    told = manifest.read(project.encode(), "pyproject.toml") if project else None
    return {each.name: each for each in pylock.read(data, "pylock.toml", by or asked(), told).dependencies}


GROUPS = 'extras = ["fast"]\ndependency-groups = ["dev"]\ndefault-groups = []\n'
ALL = lock(
    package("a", "1", 'dependencies = [{ name = "b" }]\n'),
    package("b", "1"),
    package("d", "1", "marker = \"'dev' in dependency_groups\"\n"),
    package("f", "1", "marker = \"'fast' in extras\"\n"),
    package("w", "1", "marker = \"sys_platform == 'win32'\"\n"),
    '[[packages]]\nname = "app"\ndirectory = { path = ".", editable = true }\n',
    more=GROUPS,
)


def test_what_is_asked_for_is_selected() -> None:
    found = read(ALL)
    assert sorted(found) == ["a", "b"]
    assert (found["a"].direct, found["b"].direct, found["a"].needs) == (True, False, ("b@1",))
    assert found["b"].line == 15
    assert found["a"].urls[-1] == f"https://files.test/{wheel('a', '1')}"
    assert {name: each.shipped for name, each in read(ALL, asked("dev")).items()}["d"] is False
    assert sorted(read(ALL, asked(extras=("fast",)))) == ["a", "b", "f"]
    named = read(ALL, project='[project]\nname = "app"\ndependencies = ["b"]\n')
    assert (named["a"].direct, named["b"].direct) == (False, True)


@pytest.mark.parametrize(
    ("data", "by", "message"),
    [
        (lock(version="2.0"), asked(), "line 1: it is of version 2.0, and version 1.0 is read"),
        (
            lock(package("a", "1"), more='requires-python = ">=3.12"\n'),
            asked(),
            ".*does not satisfy the Python",
        ),
        (ALL, asked("docs"), "line 4: it has no group docs"),
        (ALL, asked(extras=("x",)), "line 3: it has no extra x"),
        (lock(package("A_b", "1")), asked(), "line 5: Name 'A_b' is not normalized"),
        (lock(package("a", "1"), package("a", "2")), asked(), "line 12: Multiple packages with the name 'a'"),
        (
            lock(package("a", "1", file=wheel("a", "1", "cp311-cp311-win32"))),
            asked(),
            "line 5: No wheel found",
        ),
        (lock(package("a", "1").replace("sha256", "md5")), asked(), "line 5: .* has no sha256 or sha512"),
        (
            lock(package("a", "1").replace("https://files", "https://me:secret@files")),
            asked(),
            "line 5: an address with a user, a password or a token",
        ),
        (
            lock(
                '[[packages]]\nname = "a"\n'
                'vcs = { type = "git", url = "https://git.test/a", commit-id = "12" }\n'
            ),
            asked(),
            "line 5: a comes from a repository, and no whole commit",
        ),
        (
            lock('[[packages]]\nname = "a"\ndirectory = { path = "../a" }\n'),
            asked(),
            r"line 5: a lies outside of the repository: \.\./a",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_line(data: bytes, by: Asked, message: str) -> None:
    with pytest.raises(BadLock, match=f"^pylock.toml(, |: ){message}") as caught:
        read(data, by)
    assert "secret" not in str(caught.value)
