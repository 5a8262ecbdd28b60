"""Locks of yarn 2, 3 and 4: what is read, and what is refused with its line."""

from __future__ import annotations

import re
from hashlib import sha512
from typing import Any

import pytest
from source_trees import Files

from orchestrator.dependencies.dependency import BadLock, Dependency, Inside, Unhashed, YarnHash
from orchestrator.dependencies.node import reading

OWN = {"dependencies": {"a": "^1.0.0", "w": "workspace:*"}, "devDependencies": {"d": "1.0.0", "ts": "^5.0.0"}}
MORE = {"optionalDependencies": {"o": "1.0.0"}}


def checksum(name: str) -> str:
    return f"10c0/{sha512(name.encode()).hexdigest()}"


def entry(patterns: str, name: str, version: str = "1.0.0", more: str = "", sum_: str | None = "") -> str:
    told = f"  checksum: {sum_ or checksum(name)}\n" if sum_ is not None else ""
    return f'"{patterns}":\n  version: {version}\n  resolution: "{name}@npm:{version}"\n{more}{told}\n'


TS = "ts@patch:ts@npm%3A^5.0.0#optional!builtin<compat/ts>"
TS_AT = "ts@patch:ts@npm%3A5.0.4#optional!builtin<compat/ts>::version=5.0.4&hash=aa"
LOCK = (
    "__metadata:\n  version: 8\n  cacheKey: 10c0\n\n"
    + entry("@s/b@npm:^1.0.0, @s/b@npm:~1.0.0", "@s/b")
    + entry(
        "a@npm:^1.0.0",
        "a",
        more='  dependencies:\n    "@s/b": "npm:~1.0.0"\n    gone: "npm:1"\n    m: "npm:1"\n'
        "  dependenciesMeta:\n    gone:\n      optional: true\n",
    )
    + entry("d@npm:1.0.0", "d", more='  dependencies:\n    ts: "npm:^5.0.0"\n')
    + entry("m@npm:1", "m", more="  conditions: os=darwin & cpu=arm64\n", sum_=None)
    + entry("o@npm:1.0.0", "o", more="  conditions: (os=linux | os=darwin) & libc=glibc\n")
    + entry("ts@npm:^5.0.0", "ts", "5.0.4")
    + f'"{TS}":\n  version: 5.0.4\n  resolution: "{TS_AT}"\n  checksum: {checksum("patched")}\n\n'
    + '"app@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "app@workspace:."\n  dependencies:\n'
    '    a: "npm:^1.0.0"\n    d: "npm:1.0.0"\n    ts: "npm:^5.0.0"\n    w: "workspace:*"\n\n'
    '"w@workspace:*, w@workspace:packages/w":\n  version: 0.0.0-use.local\n'
    '  resolution: "w@workspace:packages/w"\n  dependencies:\n    o: "npm:1.0.0"\n'
)


def locked(text: str = LOCK, own: Any = OWN) -> Any:
    files = Files({"x/package.json": own, "x/packages/w/package.json": MORE})
    return reading.read(text.encode(), "yarn.lock", files, "x/yarn.lock", "x86_64-linux")


def read(text: str = LOCK) -> dict[str, Dependency]:
    found = locked(text)
    assert found.beside == {"berry": "1"}
    return {each.key: each for each in found.dependencies}


def test_what_it_pins() -> None:
    found = read()
    assert {key: (each.direct, each.shipped) for key, each in found.items()} == {
        "@s/b@1.0.0": (False, True),
        "a@1.0.0": (True, True),
        "d@1.0.0": (True, False),
        "o@1.0.0": (True, True),
        "ts@5.0.4": (True, False),
    }
    assert found["a@1.0.0"].needs == ("@s/b@1.0.0",)
    assert found["d@1.0.0"].needs == ("ts@5.0.4",)
    assert found["a@1.0.0"].digest == YarnHash(checksum("a"))
    assert found["a@1.0.0"].urls == ("mirror://npm/a/-/a-1.0.0.tgz",)
    assert found["a@1.0.0"].line == LOCK[: LOCK.index('"a@npm')].count("\n") + 1


def earlier(text: str, version: int, key: str) -> str:
    """The same lock as yarn 2 and 3 write it."""
    text = text.replace("version: 8\n  cacheKey: 10c0", f"version: {version}\n  cacheKey: {key}")
    text = text.replace("checksum: 10c0/", "checksum: ")
    return re.sub(r'^(    \S+: )"npm:(.*)"$', r"\1\2", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("version", "key"),
    [(4, "7"), (4, "8"), (5, "8"), (6, "8"), (6, "8c0"), (8, "10c0"), (8, "10"), (8, "10c9")],
)
def test_yarn_2_and_3_leave_out_what_is_usual(version: int, key: str) -> None:
    text = earlier(LOCK, version, key)
    assert "@s/b: ~1.0.0" in text.replace('"', "")
    assert "/" not in text.partition("checksum: ")[2].partition("\n")[0]
    found = read(text)
    assert found.keys() == read().keys()
    assert found["a@1.0.0"].needs == ("@s/b@1.0.0",)
    assert found["a@1.0.0"].digest == YarnHash(checksum("a").replace("10c0", key))


def test_a_package_for_some_systems_has_no_checksum() -> None:
    found = read(LOCK.replace(f"  checksum: {checksum('o')}\n", ""))
    assert found["o@1.0.0"].digest == Unhashed("o@1.0.0")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("10c0\n\n", "10c3\n\n", "line 1: its checksums are of archives of the form '10c3', and 7, 8 and 10"),
        ("  cacheKey: 10c0\n", "", "archives of the form 'None'"),
        (f"  checksum: {checksum('a')}\n", "", "a@npm:^1.0.0: it has no checksum"),
        (checksum("a"), "11/" + "0" * 128, "its checksum '11/0"),
        (checksum("a"), "10c0/" + "0" * 40, "is not of the form 10c0"),
        (
            '"a@npm:1.0.0"',
            '"a@npm:1.0.0::__archiveUrl=https%3A%2F%2Fh.example%2Fa.tgz"',
            "not from a registry",
        ),
        (
            '"a@npm:1.0.0"',
            '"a@https://h.example/a.git#commit=aa"',
            "it is out of a git repository, where yarn packs it by its own scripts to hash it",
        ),
        ('"a@npm:1.0.0"', '"a@git@h.example:a.git#workspace=a&commit=aa"', "it is out of a git repository"),
        ('"a@npm:1.0.0"', '"a@https://h.example/a.tgz"', "it is not from a registry"),
        (
            '"a@npm:1.0.0"',
            '"a@file:../a.tgz#../a.tgz::hash=aa"',
            "its file '../a.tgz' is outside the project",
        ),
        ('"a@npm:1.0.0"', '"a@file:/a.tgz"', "its file '/a.tgz' is outside the project"),
        (
            '  version: 1.0.0\n  resolution: "a@npm:1.0.0"',
            '  resolution: "a@file:a.tgz"',
            "it has no version",
        ),
        ('"a@npm:1.0.0"', '"a@npm:../1"', "its version is none"),
        ('"d@npm:1.0.0"\n', '"a@npm:1.0.0"\n', "its resolution stands there already"),
        ('    "@s/b": "npm:~1.0.0"', '    z: "npm:1"', "it needs z npm:1, which the lock does not hold"),
        ('    d: "npm:1.0.0"', '    d: "npm:2.0.0"', "it does not fit package.json, which asks for d 1.0.0"),
        ('    d: "npm:1.0.0"\n', "", "which asks for d 1.0.0: the lock has nothing"),
        ('w@workspace:packages/w"\n', 'w@workspace:../../w"\n', "it is outside of the source"),
        ('w@workspace:packages/w"\n', 'w@workspace:packages/v"\n', "there is no packages/v/package.json"),
        (
            '"ts@npm:^5.0.0":\n  version: 5.0.4\n  resolution: "ts@npm:5.0.4"',
            '"ts@npm:^5.0.0":\n  version: 5.0.5\n  resolution: "ts@npm:5.0.5"',
            "it is a patch of ts@npm:5.0.4, which the lock does not hold",
        ),
        ('"a@npm:^1.0.0":\n', '"a@npm:^1.0.0": x\n"y@npm:1":\n', "a@npm:^1.0.0: it is no table"),
    ],
)
def test_what_is_refused(old: str, new: str, said: str) -> None:
    assert old in LOCK
    with pytest.raises(BadLock) as caught:
        locked(LOCK.replace(old, new, 1))
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("path", ["./vendor/d.tgz", "vendor/d-1.0.0.tar.gz", "./vendor/d"])
def test_what_lies_in_the_project(path: str) -> None:
    """As yarn 4.18.1 writes it. What it needs is what the project asks for."""
    wanted = f"file:{path}"
    at = f"d@{wanted}#{path}::hash=e350a2&locator=app%40workspace%3A."
    text = LOCK.replace('"d@npm:1.0.0"', f'"{at}"', 2).replace(
        f'"{at}":', f'"d@{wanted}::locator=app%40workspace%3A.":'
    )
    text = text.replace('    d: "npm:1.0.0"', f'    d: "{wanted}"')
    found = locked(text, {**OWN, "devDependencies": {"d": wanted, "ts": "^5.0.0"}})
    assert found.inside == ((Inside("d", "1.0.0"),) if "." in path.removeprefix(".") else ())
    listed = {each.key: each for each in found.dependencies}
    assert listed.keys() == read().keys() - {"d@1.0.0"}
    assert listed["ts@5.0.4"].direct
