"""uv.lock: which of its packages a build takes, and what is refused."""

from __future__ import annotations

import pytest
from python_locks import asked, digest, uv_lock, uv_package, wheel

from orchestrator.dependencies.dependency import BadLock, Dependency
from orchestrator.dependencies.python import manifest, uv
from orchestrator.dependencies.python.asked import Asked
from orchestrator.ground.digest import Sha256


def read(lock: bytes, by: Asked | None = None, project: str | None = None) -> dict[str, Dependency]:
    told = manifest.read(project.encode(), "pyproject.toml") if project is not None else None
    return {each.name: each for each in uv.read(lock, "uv.lock", by or asked(), told).dependencies}


def test_what_the_project_needs_is_taken_with_edges_and_lines() -> None:
    lock = uv_lock(
        uv_package("leaf", "2.0"),
        uv_package("other", "1.0"),
        uv_package("tree", "1.5", needs='    { name = "leaf" },\n'),
        needs='    { name = "tree" },\n',
    )
    found = read(lock)
    assert sorted(found) == ["leaf", "tree"]
    tree, leaf = found["tree"], found["leaf"]
    assert tree.needs == ("leaf@2.0",)
    assert (tree.direct, leaf.direct, leaf.shipped) == (True, False, True)
    assert lock.decode().split("\n")[leaf.line - 1 : leaf.line + 1] == ["[[package]]", 'name = "leaf"']
    assert leaf.digest == Sha256(digest(wheel("leaf", "2.0")))
    assert leaf.urls == ("https://files.test/leaf-2.0-py3-none-any.whl",)
    assert leaf.registry == "https://index.test/simple"


def test_the_usual_index_is_the_users_own() -> None:
    from packageurl.contrib.purl2url import get_repo_url

    usual = get_repo_url("pkg:pypi/x").removesuffix("project/x/") + "simple"
    lock = uv_lock(uv_package("leaf", "2.0", registry=usual), needs='    { name = "leaf" },\n')
    leaf = read(lock)["leaf"]
    assert leaf.registry == "pypi"
    assert leaf.urls[0] == "mirror://pypi/leaf/leaf-2.0-py3-none-any.whl"


def test_markers_are_of_the_toolchains_python() -> None:
    lock = uv_lock(
        uv_package("old", "1.0"),
        uv_package("windows", "1.0"),
        uv_package("fork", "1.0", more="resolution-markers = [\"python_full_version < '3.11'\"]\n"),
        uv_package("fork", "2.0", more="resolution-markers = [\"python_full_version >= '3.11'\"]\n"),
        needs='    { name = "old", marker = "python_full_version < \'3.11\'" },\n'
        '    { name = "windows", marker = "sys_platform == \'win32\'" },\n'
        '    { name = "fork" },\n',
    )
    assert {name: each.version for name, each in read(lock).items()} == {"fork": "2.0"}


def test_extras_and_groups_are_asked_for() -> None:
    lock = uv_lock(
        uv_package("a", "1.0", more='\n[package.optional-dependencies]\nfast = [\n    { name = "b" },\n]\n'),
        uv_package("b", "1.0"),
        uv_package("c", "1.0"),
        uv_package("d", "1.0", needs='    { name = "a" },\n'),
        needs='    { name = "a" },\n',
        more="\n[package.optional-dependencies]\n"
        'with_c = [\n    { name = "a", extra = ["fast"] },\n    { name = "c" },\n]\n'
        '\n[package.dev-dependencies]\ndev = [\n    { name = "d" },\n]\n',
    )
    assert sorted(read(lock)) == ["a"]
    assert sorted(read(lock, asked(extras=("with-c",)))) == ["a", "b", "c"]
    found = read(lock, asked("dev"))
    assert {name: each.shipped for name, each in found.items()} == {"a": True, "d": False}
    with pytest.raises(BadLock, match=r"line 5: it has no group docs"):
        read(lock, asked("docs"))
    with pytest.raises(BadLock, match=r"line 5: app has no extra fastest"):
        read(lock, asked(extras=("fastest",)))


def test_extras_that_conflict_choose_between_packages() -> None:
    lock = uv_lock(
        uv_package("torch", "1.0"),
        uv_package("torch", "2.0"),
        more="\n[package.optional-dependencies]\n"
        'cpu = [\n    { name = "torch", version = "1.0", marker = "extra == \'extra-3-app-cpu\'" },\n]\n'
        'gpu = [\n    { name = "torch", version = "2.0", marker = "extra == \'extra-3-app-gpu\'" },\n]\n',
    )
    assert read(lock, asked(extras=("cpu",)))["torch"].version == "1.0"
    with pytest.raises(BadLock, match="torch is wanted in two versions: line 20"):
        read(lock, asked(extras=("cpu", "gpu")))


def test_a_circle_ends() -> None:
    lock = uv_lock(
        uv_package("a", "1.0", needs='    { name = "b" },\n'),
        uv_package("b", "1.0", needs='    { name = "a" },\n    { name = "app" },\n'),
        needs='    { name = "a" },\n',
    )
    found = read(lock)
    assert (found["a"].needs, found["b"].needs) == (("b@1.0",), ("a@1.0",))


def test_a_project_of_a_workspace_is_asked_for_by_name() -> None:
    member = (
        '[[package]]\nname = "lib"\nsource = { editable = "packages/lib" }\n'
        'dependencies = [\n    { name = "b" },\n]\n\n'
    )
    lock = uv_lock(
        uv_package("a", "1.0"),
        uv_package("b", "1.0"),
        member,
        needs='    { name = "a" },\n    { name = "lib" },\n',
    )
    assert sorted(read(lock)) == ["a", "b"]
    assert sorted(read(lock, asked(package="lib"))) == ["b"]
    with pytest.raises(BadLock, match="no project called nobody"):
        read(lock, asked(package="nobody"))


NEEDS_X = '    { name = "x" },\n'


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        (uv_lock(version=2), r"^uv\.lock, line 1: it is of version 2, and version 1 is read"),
        (
            uv_lock(python=">=3.12"),
            r"^uv\.lock, line 3: it requires Python >=3\.12, and the toolchain has 3\.11\.2",
        ),
        (uv_lock(needs=NEEDS_X), r"line 5: it asks for x, and the lock has no such package"),
        (b"version = 1\n[[package]]\nname = x", r"^uv\.lock, line 3: not TOML"),
        (b"\xff", r"^uv\.lock, line 1: not UTF-8"),
        (b"x" * ((16 << 20) + 1), "larger than 16,777,216 bytes"),
        (b"version = 1\n" + b"a = " + b"[" * 100_000, "nested too deeply|not TOML"),
        (
            uv_lock(
                '[[package]]\nname = "x"\nversion = "1"\n'
                'source = { git = "https://git.test/x?rev=main#0123456789abcdef" }\n',
                needs=NEEDS_X,
            ),
            r"line 13: x comes from a repository, and no whole commit",
        ),
        (
            uv_lock(
                '[[package]]\nname = "x"\nversion = "1"\nsource = { git = "https://git.test/x?rev=main" }\n',
                needs=NEEDS_X,
            ),
            "line 13: x comes from a repository, and no whole commit",
        ),
        (
            uv_lock(
                '[[package]]\nname = "x"\nversion = "1"\nsource = { editable = "../x" }\n', needs=NEEDS_X
            ),
            r"line 13: x lies outside of the repository: \.\./x",
        ),
        (
            uv_lock(
                '[[package]]\nname = "x"\nversion = "1"\nsource = { path = "x-1.tar.gz" }\n', needs=NEEDS_X
            ),
            "line 13: x-1.tar.gz of x has no digest",
        ),
        (
            uv_lock(uv_package("x", "1", registry="https://me:secret@index.test/simple"), needs=NEEDS_X),
            "line 13: an address with a user, a password or a token",
        ),
        (
            uv_lock(
                uv_package("x", "1").replace(digest(wheel("x", "1")), "0" * 40).replace("sha256:", "sha1:"),
                needs=NEEDS_X,
            ),
            r"line 13: x-1-py3-none-any\.whl of x has no sha256 or sha512: 'sha1:0",
        ),
        (
            uv_lock(uv_package("x", "1").replace("hash = ", "hush = "), needs=NEEDS_X),
            "line 13: x-1-py3-none-any.whl of x has no digest",
        ),
        (uv_lock(uv_package("x", "1", ()), needs=NEEDS_X), "line 13: x 1 has no file with a digest"),
        (
            uv_lock(uv_package("x", "1", (wheel("x", "1", "cp311-cp311-win_amd64"),)), needs=NEEDS_X),
            "line 13: no file of x 1 is for Python 3.11.2",
        ),
        (
            uv_lock(
                uv_package("x", "1"),
                uv_package("x", "1", registry="https://elsewhere.test/simple"),
                needs='    { name = "x", source = { registry = "https://index.test/simple" } },\n'
                '    { name = "x", source = { registry = "https://elsewhere.test/simple" } },\n',
            ),
            "x is wanted from two registries: line 14",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_line(lock: bytes, message: str) -> None:
    with pytest.raises(BadLock, match=message) as caught:
        read(lock)
    assert "secret" not in str(caught.value)
    assert caught.value.hint


def test_a_lock_that_does_not_say_what_it_was_made_for() -> None:
    lock = uv_lock(uv_package("a", "1.0"), needs='    { name = "a" },\n')
    project = '[project]\nname = "app"\nversion = "1"\ndependencies = ["A >= 1", "w; os_name == \'nt\'"]\n'
    assert sorted(read(lock, None, project)) == ["a"]
    with pytest.raises(BadLock, match=r"pyproject\.toml asks for b, which the lock does not have"):
        read(lock, None, project.replace('"A', '"b", "A'))


def test_a_lock_of_another_pyproject_is_refused() -> None:
    lock = uv_lock(
        uv_package("a", "1.0"),
        needs='    { name = "a" },\n',
        more='\n[package.metadata]\nrequires-dist = [{ name = "a", specifier = ">=1" }]\n',
    )
    project = '[project]\nname = "app"\nversion = "1"\ndependencies = ["A >= 1"]\n'
    assert sorted(read(lock, None, project)) == ["a"]
    message = "made for another pyproject.toml: pyproject.toml asks for a>=2, and the lock for a>=1"
    with pytest.raises(BadLock, match=message):
        read(lock, None, project.replace(">= 1", ">= 2"))
    with pytest.raises(BadLock, match="asks for b, and the lock for no b"):
        read(lock, None, project.replace('"A >= 1"', '"A >= 1", "b"'))
    assert sorted(read(lock, None, '[project]\nname = "app"\ndynamic = ["dependencies"]\n')) == ["a"]
