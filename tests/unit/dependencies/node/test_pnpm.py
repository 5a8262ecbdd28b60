"""pnpm's lock: what is read, and what is refused with its line."""

from __future__ import annotations

from typing import Any

import pytest
from npm_packages import integrity
from source_trees import Files

from orchestrator.dependencies.dependency import BadLock, CommitTree, Dependency
from orchestrator.dependencies.node import reading

OWN = {
    "dependencies": {"a": "^1.0.0", "mine": "npm:@s/other@2.0.0", "w": "workspace:*"},
    "devDependencies": {"d": "1.0.0"},
}
LOCK = f"""\
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

importers:

  .:
    dependencies:
      a:
        specifier: ^1.0.0
        version: 1.0.0(p@1.0.0)
      mine:
        specifier: npm:@s/other@2.0.0
        version: '@s/other@2.0.0'
      w:
        specifier: workspace:*
        version: link:packages/w
    devDependencies:
      d:
        specifier: 1.0.0
        version: 1.0.0

  packages/w:
    optionalDependencies:
      o:
        specifier: 1.0.0
        version: 1.0.0

packages:

  '@s/other@2.0.0':
    resolution: {{integrity: {integrity(b"other")}}}

  a@1.0.0:
    resolution: {{integrity: {integrity(b"a")}}}
    engines: {{node: '>=1.10'}}

  d@1.0.0:
    resolution: {{integrity: {integrity(b"d")}}}

  m@1.0.0:
    resolution: {{integrity: {integrity(b"m")}}}
    os: [darwin]

  o@1.0.0:
    resolution: {{integrity: {integrity(b"o")}}}

  p@1.0.0:
    resolution: {{integrity: {integrity(b"p")}}}

snapshots:

  '@s/other@2.0.0': {{}}

  a@1.0.0(p@1.0.0):
    dependencies:
      p: 1.0.0
    optionalDependencies:
      m: 1.0.0

  a@1.0.0:
    dependencies:
      mine: '@s/other@2.0.0'

  d@1.0.0:
    dependencies:
      a: 1.0.0

  m@1.0.0:
    optional: true

  o@1.0.0: {{}}

  p@1.0.0: {{}}
"""


SET_UP = f"""\
---
lockfileVersion: '9.0'

importers:

  .:
    configDependencies:
      a:
        specifier: 2.0.0
        version: 2.0.0
      p:
        specifier: 1.0.0
        version: 1.0.0
    packageManagerDependencies:
      pnpm:
        specifier: 11.0.0
        version: 11.0.0

packages:

  a@2.0.0:
    resolution: {{integrity: {integrity(b"a2")}}}

  for-linux@1.0.0:
    resolution: {{integrity: {integrity(b"linux")}}}
    os: [linux]

  m@1.0.0:
    resolution: {{integrity: {integrity(b"m")}}}
    os: [darwin]

  p@1.0.0:
    resolution: {{integrity: {integrity(b"p")}}}

  pnpm@11.0.0:
    resolution: {{integrity: {integrity(b"pnpm")}}}

snapshots:

  a@2.0.0:
    optionalDependencies:
      for-linux: 1.0.0
      m: 1.0.0

  for-linux@1.0.0:
    optional: true

  m@1.0.0:
    optional: true

  p@1.0.0: {{}}

  pnpm@11.0.0: {{}}

---
"""
"""What pnpm 11 has before a lock."""


def locked(text: str = LOCK, own: Any = OWN) -> Any:
    files = Files(
        {"x/package.json": own, "x/packages/w/package.json": {"optionalDependencies": {"o": "1.0.0"}}}
    )
    return reading.read(text.encode(), "pnpm-lock.yaml", files, "x/pnpm-lock.yaml", "x86_64-linux")


def read(text: str = LOCK) -> dict[str, Dependency]:
    found = locked(text)
    assert found.beside == {"pnpm": "1"}
    return {each.key: each for each in found.dependencies}


def refused(text: str, own: Any = OWN) -> str:
    with pytest.raises(BadLock) as caught:
        locked(text, own)
    assert caught.value.hint
    return caught.value.message


def test_what_it_pins() -> None:
    found = read()
    assert {key: (each.direct, each.shipped) for key, each in found.items()} == {
        "@s/other@2.0.0": (True, True),
        "a@1.0.0": (True, True),
        "d@1.0.0": (True, False),
        "o@1.0.0": (True, True),
        "p@1.0.0": (False, True),
    }
    assert found["a@1.0.0"].needs == ("@s/other@2.0.0", "p@1.0.0")  # of both of its snapshots
    assert found["a@1.0.0"].urls == ("mirror://npm/a/-/a-1.0.0.tgz",)
    assert found["a@1.0.0"].line == LOCK[: LOCK.index("  a@1.0.0:")].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("'9.0'", "5.4", "line 1: its lockfileVersion is 5.4, and 9.0 is read"),
        ("lockfileVersion: '9.0'", "", "it has no lockfileVersion"),
        (
            "integrity: " + integrity(b"a"),
            "tarball: 'https://h.example/a.tgz'",
            "a@1.0.0: it has no integrity",
        ),
        (
            "integrity: " + integrity(b"a"),
            "type: git, repo: 'https://h.example/a', commit: main",
            "a@1.0.0: it is from a branch of a git repository",
        ),
        (
            "integrity: " + integrity(b"a"),
            f"type: git, repo: 'https://h.example/a', commit: {'0' * 40}, path: x",
            "a@1.0.0: it is a folder of a repository: x",
        ),
        (
            "integrity: " + integrity(b"a"),
            "tarball: 'https://codeload.github.com/o/a/tar.gz/main'",
            "a@1.0.0: it has no integrity",
        ),
        (
            "integrity: " + integrity(b"a"),
            f"integrity: {integrity(b'a')}, tarball: 'https://u:p@h.example/a.tgz'",
            "a password in it",
        ),
        ("integrity: " + integrity(b"a"), "x: y", "a@1.0.0: it has no integrity"),
        ("integrity: " + integrity(b"a"), "integrity: sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "by sha1 alone"),
        ("    engines:", "    version: ../1\n    engines:", "its version is none"),
        ("  d@1.0.0:\n    dep", "  e@1.0.0:\n    dep", "e@1.0.0: it is not among its `packages`"),
        ("      p: 1.0.0\n", "      p: 2.0.0\n", "p@2.0.0 is needed, and not among its `snapshots`"),
        (
            "specifier: ^1.0.0",
            "specifier: ^2.0.0",
            "line 8: it does not fit package.json, which asks for a ^1.0.0",
        ),
        ("  packages/w:", "  ../../w:", "../../w is outside of the source"),
        ("  packages/w:", "  packages/v:", "there is no packages/v/package.json"),
        ("settings:", "settings: &x", "it has an anchor"),
        ("settings:", "a: *x\nsettings:", "line 3: it has an anchor"),
        ("settings:", "a: !!binary eA==\nsettings:", "line 3: it has a tag"),
        ("resolution: {integrity: ", "resolution: {directory: ../x, no: ", "it has no integrity"),
        ("packages:\n", "packages:\n  <<: {}\n", "it has a merge key"),
        ("settings:", "---\nsettings:", "line 3: it has several documents"),
        ("settings:", "? [a]\n: b\nsettings:", "a key of it is no text"),
        ("settings:", "importers: {}\nsettings:", "line 7: importers stands there twice"),
        ("settings:", "\tsettings:", "line 3: not YAML"),
        ("settings:", "<<<<<<< HEAD\nsettings:", "not YAML"),
        ("settings:", "a: " + "[" * 60 + "]" * 60 + "\nsettings:", "line 3: it is nested too deeply"),
        ("  m@1.0.0:\n    optional: true", "  m@1.0.0: x", "m@1.0.0: it is no table"),
    ],
)
def test_what_is_refused(old: str, new: str, said: str) -> None:
    assert old in LOCK
    assert said in refused(LOCK.replace(old, new, 1))


def test_a_commit_of_a_host_that_gives_archives() -> None:
    address = f"https://codeload.github.com/o/a/tar.gz/{'0' * 40}"
    found = read(LOCK.replace(f"integrity: {integrity(b'a')}", f"tarball: {address}"))["a@1.0.0"]
    assert found.digest == CommitTree("https://github.com/o/a.git", "0" * 40)
    assert found.rev == "0" * 40


@pytest.mark.parametrize("form", ["", "git+"])
def test_a_commit_of_another_host(form: str) -> None:
    told = f"type: git, repo: '{form}ssh://git@h.example/o/a.git', commit: {'0' * 40}"
    found = read(LOCK.replace(f"integrity: {integrity(b'a')}", told))["a@1.0.0"]
    assert found.digest == CommitTree("ssh://git@h.example/o/a.git", "0" * 40)


def test_a_tarball_at_an_address_of_its_own() -> None:
    told = f"integrity: {integrity(b'a')}"
    address = "https://h.example/a.tgz"
    found = read(LOCK.replace(told, f"{told}, tarball: {address}"))["a@1.0.0"]
    assert found.urls == ("mirror://npm/a/-/a-1.0.0.tgz", address)
    assert found.registry == address


def test_what_overrides_say_is_asked_for_otherwise() -> None:
    text = LOCK.replace("importers:", "overrides:\n  a@1: 1.0.0\n\nimporters:").replace(
        "specifier: ^1", "specifier: 1"
    )
    assert "a@1.0.0" in read(text)


def test_what_is_no_lock() -> None:
    assert "it is no table" in refused("")
    assert "not UTF-8" in refused_bytes(b"\xff")
    assert "not YAML" in refused_bytes(b"a: \x00")
    assert "larger than" in refused_bytes(b"#" * (17 << 20))


def refused_bytes(data: bytes) -> str:
    with pytest.raises(BadLock) as caught:
        reading.read(data, "pnpm-lock.yaml", Files({}), "pnpm-lock.yaml", "x86_64-linux")
    return caught.value.message


@pytest.mark.parametrize("text", ["[" * 1_000_000, "a: {" * 300_000, "- " * 300_000, "'" * 1_000_000])
def test_hostile_files_take_no_longer_than_others(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_pnpm_is_set_up_with_stands_before_the_lock(ends: str) -> None:
    alone, found = read(), read((SET_UP + LOCK).replace("\n", ends))
    assert found.keys() - alone.keys() == {"a@2.0.0", "for-linux@1.0.0"}, "and pnpm is the recipe's"
    assert {
        key: (found[key].direct, found[key].shipped) for key in ("a@2.0.0", "for-linux@1.0.0", "p@1.0.0")
    } == {
        "a@2.0.0": (True, False),
        "for-linux@1.0.0": (False, False),
        "p@1.0.0": (True, True),
    }
    assert found["a@2.0.0"].needs == ("for-linux@1.0.0",)
    lines = (SET_UP + LOCK).splitlines()
    for key in ("a@1.0.0", "a@2.0.0", "d@1.0.0"):
        assert lines[found[key].line - 1] == f"  {key}:"
    none = SET_UP.replace("    configDependencies:", "    others:")
    assert read(none + LOCK).keys() == alone.keys()


def test_what_stands_before_the_lock_is_refused() -> None:
    for text, said in {
        "---\n" + LOCK: "",
        SET_UP + SET_UP: "it has several documents",
        SET_UP + LOCK + "---\n" + LOCK: "it has several documents",
        SET_UP.replace("'9.0'", "'9.1'") + LOCK: "line 2: its lockfileVersion is 9.1, and 9.0 is read",
        SET_UP + LOCK.replace("'9.0'", "'9.1'"): "its lockfileVersion is 9.1, and 9.0 is read",
        SET_UP: "line 1: it has what pnpm is set up with, and no lock behind that",
        SET_UP.replace("  a@2.0.0:\n    optional", "  a@2.0.1:\n    optional")
        + LOCK: "a@2.0.0 is needed, and not",
        SET_UP.replace(integrity(b"p"), integrity(b"other")) + LOCK: "p 1.0.0",
        SET_UP.replace(f"integrity: {integrity(b'a2')}", "x: y") + LOCK: "a@2.0.0: it has no",
        SET_UP.replace("a@2.0.0:\n    resolution", "&b a@2.0.0:\n    resolution") + LOCK: "it has an anchor",
    }.items():
        if said:
            assert said in refused(text)
        else:
            assert read(text).keys() == read().keys()
