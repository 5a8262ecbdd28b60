"""npm's lock files: what is read, and what is refused with its line."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha1, sha256, sha512
from typing import Any

import pytest
from source_trees import Files

from orchestrator.dependencies.dependency import BadLock, CommitTree, Dependency, Inside
from orchestrator.dependencies.node import npm
from orchestrator.ground.digest import OtherDigest, Sha256

SYSTEM = "x86_64-linux"


def sri(data: bytes) -> str:
    return "sha512-" + b64encode(sha512(data).digest()).decode()


def package(name: str, version: str = "1.0.0", **further: Any) -> dict[str, Any]:
    short = name.rpartition("/")[2]
    found = {
        "version": version,
        "resolved": f"https://registry.example/{name}/-/{short}-{version}.tgz",
        "integrity": sri(f"{name}@{version}".encode()),
    }
    return {key: value for key, value in (found | further).items() if value is not None}


def lock_of(packages: dict[str, Any], root: dict[str, Any] | None = None, version: Any = 3) -> bytes:
    return json.dumps(
        {"lockfileVersion": version, "packages": {"": root or {}, **packages}}, indent=2
    ).encode()


def read(packages: dict[str, Any], root: dict[str, Any] | None = None) -> dict[str, Dependency]:
    tree = Files({"package.json": root or {}})
    found = npm.read(lock_of(packages, root), "package-lock.json", tree, "", SYSTEM)
    return {each.place or "": each for each in found.dependencies}


def refused(packages: dict[str, Any], root: dict[str, Any] | None = None) -> str:
    with pytest.raises(BadLock) as caught:
        read(packages, root)
    assert caught.value.hint
    return caught.value.message


def test_what_a_package_is() -> None:
    found = read(
        {"node_modules/@a/b": package("@a/b", "1.2.3"), "node_modules/c": package("c", dev=True)},
        {"dependencies": {"@a/b": "^1.0.0"}, "devDependencies": {"c": "*"}},
    )
    one = found["node_modules/@a/b"]
    assert (one.name, one.version, one.file) == ("@a/b", "1.2.3", "b-1.2.3.tgz")
    assert one.digest == OtherDigest("sha512", sha512(b"@a/b@1.2.3").hexdigest(), nar=False)
    assert one.urls == (
        "mirror://npm/@a/b/-/b-1.2.3.tgz",
        "https://registry.example/@a/b/-/b-1.2.3.tgz",
    )
    assert (one.direct, one.shipped, one.line) == (True, True, 12)
    assert not found["node_modules/c"].shipped


def test_edges_lead_where_node_looks() -> None:
    found = read(
        {
            "node_modules/a": package("a", dependencies={"b": "1", "c": "1"}),
            "node_modules/a/node_modules/b": package("b", "2.0.0", dependencies={"a": "1"}),
            "node_modules/b": package("b", "1.0.0"),
            "node_modules/c": package("c", optionalDependencies={"gone": "1", "b": "1"}),
        },
        {"dependencies": {"a": "1"}},
    )
    assert found["node_modules/a"].needs == (
        "b@2.0.0 at node_modules/a/node_modules/b",
        "c@1.0.0 at node_modules/c",
    )
    assert found["node_modules/a/node_modules/b"].needs == ("a@1.0.0 at node_modules/a",)  # a cycle
    assert found["node_modules/c"].needs == ("b@1.0.0 at node_modules/b",)
    assert [each.direct for each in found.values()] == [True, False, False, False]


def test_what_is_for_other_systems_is_left_out() -> None:
    def optional(**further: Any) -> dict[str, Any]:
        return package("x", optional=True, **further)

    assert read({"node_modules/x": optional(os=["linux"], cpu=["x64"])})
    assert read({"node_modules/x": optional(os=["!win32"])})
    assert not read({"node_modules/x": optional(os=["darwin"])})
    assert not read({"node_modules/x": optional(cpu=["arm64"])})
    assert not read({"node_modules/x": optional(libc=["musl"])})
    assert read({"node_modules/x": package("x", os=["darwin"])})  # npm fails there, and says why


def test_what_lies_in_the_project_is_no_dependency() -> None:
    root = {"workspaces": ["sub"]}
    assert not read(
        {
            "sub": {"version": "1.0.0"},
            "node_modules/sub": {"resolved": "sub", "link": True},
            "node_modules/a/node_modules/in": {"version": "1.0.0", "inBundle": True},
        },
        root,
    )


def test_sha256_is_a_digest_too() -> None:
    text = "sha256-" + b64encode(sha256(b"x").digest()).decode()
    found = read({"node_modules/a": package("a", integrity=text)})
    assert found["node_modules/a"].digest == Sha256(sha256(b"x").hexdigest())


SHA1 = "sha1-" + b64encode(sha1(b"x").digest()).decode()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (package("a", integrity=None), "has no integrity"),
        (package("a", integrity=SHA1), "pinned by sha1 alone"),
        (package("a", integrity="sha512-xx"), "no sha512 and no sha256"),
        (package("a", integrity=f"{sri(b'x')} {sri(b'y')}"), "more than one sha512"),
        (
            package("a", resolved="git+ssh://git@h.example/x.git#main"),
            "a branch of a git repository",
        ),
        (package("a", resolved=f"git+https://u:p@github.com/o/x.git#{'a' * 40}"), "has a user, a password"),
        (package("a", resolved=f"git+ssh://git@github.com/o/../x.git#{'a' * 40}"), "not understood"),
        (package("a", resolved="https://u:p@h.example/a/-/a-1.0.0.tgz"), "user name or a password"),
        (package("a", resolved="https://h.example/evil/-/evil-1.0.0.tgz"), "address is of another package"),
        (package("a", resolved="https://h.example/a/-/a-1.0.1.tgz"), "address is of another"),
        (package("a", resolved="ftp://h.example/a.tgz"), "no address with https"),
        ({"resolved": "../elsewhere", "link": True}, "outside the project"),
        (package("a") | {"version": None}, "has no version"),
        (package("a") | {"name": "../b"}, "no name of a package"),
        ("x", "no object"),
    ],
)
def test_entries_that_are_refused(entry: Any, said: str) -> None:
    message = refused({"node_modules/a": entry})
    assert said in message
    assert message.startswith("package-lock.json, line 5: node_modules/a: ")
    assert "u:p" not in message


def test_paths_out_of_the_project() -> None:
    assert "leads out of the project" in refused({"../node_modules/a": package("a")})


def test_one_name_with_different_bytes() -> None:
    message = refused(
        {
            "node_modules/a": package("a"),
            "node_modules/b/node_modules/a": package(
                "a", resolved="https://other.example/a/-/a-1.0.0.tgz", integrity=sri(b"other")
            ),
        }
    )
    assert "line 10: a 1.0.0 is there twice with different bytes: from https://other.example" in message


def test_what_is_shipped_whatever_dev_says() -> None:
    found = read(
        {
            "node_modules/a": package("a", dev=True, dependencies={"b": "*"}),
            "node_modules/b": package("b", dev=True, peerDependencies={"c": "*", "d": "*"}),
            "node_modules/c": package("c", dev=True),
            "node_modules/d": package("d", dev=True),
        },
        {"dependencies": {"a": "*"}, "devDependencies": {"c": "*", "d": "*"}, "peerDependencies": {"d": "*"}},
    )
    assert {each.name: each.shipped for each in found.values()} == dict.fromkeys("abcd", True)
    alone = read(
        {
            "node_modules/a": package(
                "a", peerDependencies={"d": "*"}, peerDependenciesMeta={"d": {"optional": True}}
            ),
            "node_modules/d": package("d", dev=True),
        },
        {"dependencies": {"a": "*"}, "devDependencies": {"d": "*"}, "peerDependencies": {"d": "*"}},
    )
    assert {each.name: each.shipped for each in alone.values()} == {"a": True, "d": False}


def test_a_lock_that_does_not_fit() -> None:
    tree = Files({"package.json": {"dependencies": {"a": "^2"}}})
    with pytest.raises(BadLock, match=r"does not fit package.json, which asks for a \^2 in dependencies"):
        npm.read(lock_of({}, {"dependencies": {"a": "^1"}}), "l", tree, "", SYSTEM)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "line 1: it is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "no JSON object"),
        (lock_of({}, version=1), "lockfileVersion is 1, and 2 and 3 are read"),
        (lock_of({}, version=4), "lockfileVersion is 4"),
        (lock_of({}, version=True), "lockfileVersion is True"),
        (b"{}", "no lockfileVersion"),
        (b'{"lockfileVersion": 3}', "no `packages`"),
    ],
)
def test_files_that_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadLock) as caught:
        npm.read(data, "package-lock.json", Files({"package.json": {}}), "", SYSTEM)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            b'{"lockfileVersion": 3, "packages": {}, "x": "' + b'\\"' * 1_000_000 + b'"}',
            None,
        ),  # a search for keys begins at no quote twice
        (
            b'{"lockfileVersion": 3, "packages": {"' + b"node_modules/a/" * 300 + b'": {}}}',
            "200 folders deep",
        ),
    ],
)
def test_hostile_files_take_no_longer_than_others(data: bytes, said: str | None) -> None:
    def found() -> int:
        return len(npm.read(data, "l", Files({"package.json": {}}), "", SYSTEM).dependencies)

    if said is None:
        assert found() == 0
    else:
        with pytest.raises(BadLock, match=said):
            found()


def test_a_shrinkwrap_beside_it_is_what_npm_takes() -> None:
    data, other = lock_of({"node_modules/a": package("a")}), lock_of({"node_modules/b": package("b")})
    tree = Files({"package.json": {}, "npm-shrinkwrap.json": other})
    with pytest.raises(BadLock, match=r"npm takes the npm-shrinkwrap\.json that is beside it"):
        npm.read(data, "package-lock.json", tree, "", SYSTEM)
    assert npm.read(other, "npm-shrinkwrap.json", tree, "", SYSTEM).dependencies


def within(packages: dict[str, Any], **further: Any) -> tuple[dict[str, Any], tuple[Inside, ...]]:
    tree = Files({"package.json": {}})
    found = npm.read(lock_of(packages), "package-lock.json", tree, "", SYSTEM)
    return {each.place or "": each.inside for each in found.dependencies if each.inside}, found.inside


def test_what_lies_in_another_package() -> None:
    bundled = {"version": "2.0.0", "inBundle": True}
    held, own = within(
        {
            "node_modules/a": package("a"),
            "node_modules/a/node_modules/b": bundled,
            "node_modules/a/node_modules/b/node_modules/@s/c": bundled | {"version": "3.0.0"},
            "node_modules/a/node_modules/d": package("d"),
        }
    )
    assert held == {"node_modules/a": (Inside("@s/c", "3.0.0"), Inside("b", "2.0.0"))}
    assert own == ()


BUNDLING = package("a", bundleDependencies=["b"], dependencies={"b": "1.0.0"})


@pytest.mark.parametrize(
    "packages",
    [
        {"node_modules/a/node_modules/b": package("b")},
        {
            "node_modules/a/node_modules/b": package("b", inBundle=True),
            "node_modules/a/node_modules/b/node_modules/c": package("c"),
        },
        {
            "node_modules/a/node_modules/b": package("b", inBundle=True, dependencies={"c": "1.0.0"}),
            "node_modules/a/node_modules/c": package("c"),
        },
    ],
    ids=["listed", "in what is listed", "needed by what is listed"],
)
def test_what_npm_takes_out_of_another_file_is_not_pinned(packages: dict[str, Any]) -> None:
    assert "npm takes what the file of node_modules/a has of it" in refused(
        {"node_modules/a": BUNDLING, **packages}
    )


def test_what_lies_beside_what_is_bundled_is_fetched() -> None:
    found = read(
        {
            "node_modules/a": BUNDLING,
            "node_modules/a/node_modules/b": package("b", inBundle=True),
            "node_modules/a/node_modules/c": package("c"),
            "node_modules/b": package("b"),
        }
    )
    assert set(found) == {"node_modules/a", "node_modules/a/node_modules/c", "node_modules/b"}


def test_what_the_project_bundles_itself_is_fetched() -> None:
    found = read(
        {
            "node_modules/a": package("a", inBundle=True),
            "node_modules/a/node_modules/b": package("b", inBundle=True),
        }
    )
    assert list(found) == ["node_modules/a", "node_modules/a/node_modules/b"]


def test_a_tarball_of_the_project() -> None:
    held, own = within({"node_modules/a": package("a", resolved="file:lib/a.tgz")})
    assert (held, own) == ({}, (Inside("a", "1.0.0"),))
    for resolved in ("file:../a.tgz", "file:/a.tgz", "file:x/../../a.tgz"):
        assert "is outside the project" in refused({"node_modules/a": package("a", resolved=resolved)})
    message = refused({"node_modules/a": package("a", resolved="file:a.tgz", integrity=None)})
    assert "it has no integrity" in message


def test_a_commit_of_another_host() -> None:
    resolved = f"git+ssh://git@h.example/o/x.git#{'a' * 40}"
    each = read({"node_modules/a": package("a", resolved=resolved, integrity=None)})["node_modules/a"]
    assert each.digest == CommitTree("ssh://git@h.example/o/x.git", "a" * 40)


@pytest.mark.parametrize("form", ["git+ssh://git@github.com/o/x.y.git", "git+https://github.com/o/x.y"])
def test_a_commit_of_a_host_that_gives_archives(form: str) -> None:
    found = read({"node_modules/a": package("a", resolved=f"{form}#{'a' * 40}", integrity=None)})
    each = found["node_modules/a"]
    assert each.digest == CommitTree("https://github.com/o/x.y.git", "a" * 40)
    assert each.urls == (f"git+https://github.com/o/x.y.git@{'a' * 40}",)
    assert (each.rev, each.file) == ("a" * 40, "a-1.0.0-aaaaaaaaaaaa")
