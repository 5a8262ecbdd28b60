"""Wheels and sdists that lie in the source itself: part of it, by the digest that the lock has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from python_locks import asked, uv_lock

from orchestrator.dependencies.dependency import BadLock, Inside, Locked
from orchestrator.dependencies.python import manifest, pdm, poetry, pylock, uv
from orchestrator.ground.digest import Sha256

DIGEST = "1" * 64
POETRY = '[tool.poetry]\nname = "app"\nversion = "1"\n[tool.poetry.dependencies]\nx = { path = "PATH" }\n'
PROJECT = '[project]\nname = "app"\nrequires-python = ">=3.9"\ndependencies = ["x"]\n'


def of_uv(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    text = (
        f'[[package]]\nname = "x"\nversion = "1"\nsource = {{ path = "{path}" }}\n'
        f'sdist = {{ hash = "{digest}" }}\n'
    )
    return uv.read(uv_lock(text, needs='    { name = "x" },\n'), "uv.lock", asked())


def of_poetry(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    keys = {"dependencies": {"x": {"path": path}}, "source": None, "extras": None, "dev-dependencies": None}
    content = hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()
    text = (
        '[[package]]\nname = "x"\nversion = "1"\npython-versions = ">=3.8"\n'
        f'files = [{{ file = "x-1.tar.gz", hash = "{digest}" }}]\n'
        f'[package.source]\ntype = "file"\nurl = "{path}"\n'
        f'[metadata]\nlock-version = "2.1"\npython-versions = "^3.9"\ncontent-hash = "{content}"\n'
    )
    told = manifest.read(POETRY.replace("PATH", path).encode(), "pyproject.toml")
    return poetry.read(text.encode(), "poetry.lock", asked(), told)


def of_pdm(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    text = (
        '[metadata]\ngroups = ["default"]\nlock_version = "4.5.0"\ncontent_hash = "sha256:1"\n'
        '[[metadata.targets]]\nrequires_python = ">=3.9"\n[[package]]\nname = "x"\nversion = "1"\n'
        f'path = "./{path}"\nfiles = [{{ file = "x-1.tar.gz", hash = "{digest}" }}]\n'
    )
    told = manifest.read(PROJECT.encode(), "pyproject.toml")
    return pdm.read(text.encode(), "pdm.lock", asked(), told)


def of_pylock(path: str = "dist/x-1.tar.gz", digest: str = f"sha256:{DIGEST}") -> Locked:
    algorithm, _, hexadecimal = digest.partition(":")
    text = (
        'lock-version = "1.0"\ncreated-by = "a test"\n[[packages]]\nname = "x"\nversion = "1"\n'
        f'archive = {{ path = "{path}", hashes = {{ {algorithm} = "{hexadecimal}" }} }}\n'
    )
    return pylock.read(text.encode(), "pylock.toml", asked())


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
