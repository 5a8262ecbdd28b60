"""Wheels and sdists that lie in the source itself: part of it, by the digest that the lock has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from python_locks import asked, pdm_of_x, poetry_of_x, pylock_of_x, uv_lock, uv_of_x, uv_package

from orchestrator.dependencies.dependency import BadLock, Inside, Locked
from orchestrator.dependencies.python import uv
from orchestrator.ground.digest import Sha256

DIGEST = "1" * 64


def of_uv(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    return uv_of_x(f'path = "{path}"', f'sdist = {{ hash = "{digest}" }}\n')


def of_poetry(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    files = f'{{ file = "x-1.tar.gz", hash = "{digest}" }}'
    return poetry_of_x(("path", path), files, f'type = "file"\nurl = "{path}"\n')


def of_pdm(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    return pdm_of_x(f'path = "./{path}"\nfiles = [{{ file = "x-1.tar.gz", hash = "{digest}" }}]\n')


def of_pylock(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    algorithm, _, hexadecimal = digest.partition(":")
    return pylock_of_x(f'archive = {{ path = "{path}", hashes = {{ {algorithm} = "{hexadecimal}" }} }}')


every = pytest.mark.parametrize("of", [of_uv, of_poetry, of_pdm, of_pylock])


@every
def test_it_is_part_of_the_source(of: Callable[..., Locked]) -> None:
    found = of()
    assert found.dependencies == ()
    [own] = found.inside
    assert own == Inside("x", "1", "dist/x-1.tar.gz", Sha256(DIGEST), own.line)
    assert own.line


@every
@pytest.mark.parametrize(
    ("path", "digest", "said"),
    [
        ("../x-1.tar.gz", f"sha256:{DIGEST}", "x lies outside of the repository"),
        ("dist/x-1.tar.gz", "md5:1", "x has no sha256 or sha512"),
    ],
)
def test_what_is_refused(of: Callable[..., Locked], path: str, digest: str, said: str) -> None:
    with pytest.raises(BadLock, match=said) as caught:
        of(path, digest)
    assert caught.value.hint


def test_one_of_the_same_name_from_elsewhere_is_refused() -> None:
    """pip would take either, whatever the lock meant."""
    digest = f"sha256:{DIGEST}"
    own = (
        '[[package]]\nname = "x"\nversion = "1"\nsource = { path = "dist/x-1.tar.gz" }\n'
        f'sdist = {{ hash = "{digest}" }}\n\n'
    )
    needs = '    { name = "x", version = "1" },\n    { name = "x", version = "2" },\n'
    other = own.replace('version = "1"', 'version = "2"').replace("x-1", "x-2")
    for another in (uv_package("x", "2"), other):
        with pytest.raises(BadLock, match=r"x is a file of the source, dist/x-[12]\.tar\.gz, and is wanted"):
            uv.read(uv_lock(own, another, needs=needs), "uv.lock", asked())
