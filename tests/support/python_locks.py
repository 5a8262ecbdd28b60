"""Small lock files of Python projects for tests, each as its own program writes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from orchestrator.dependencies.dependency import Locked
from orchestrator.dependencies.python import manifest, pdm, poetry, pylock, uv
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.interpreter import Interpreter

BOOKWORM = Interpreter("3.11.2", 36, "x86_64")


def asked(
    *groups: str, extras: tuple[str, ...] = (), package: str | None = None, files: Iterable[str] = ()
) -> Asked:
    """By a build on bookworm; `files` are those that an index named."""
    return Asked(BOOKWORM, extras, groups, package, names={digest(file): file for file in files})


def digest(file: str) -> str:
    """The sha256 that these locks give a file of this name."""
    return hashlib.sha256(file.encode()).hexdigest()


def wheel(name: str, version: str, tags: str = "py3-none-any") -> str:
    return f"{name.replace('-', '_')}-{version}-{tags}.whl"


def uv_package(
    name: str,
    version: str,
    files: tuple[str, ...] | None = None,
    needs: str = "",
    *,
    registry: str = "https://index.test/simple",
    more: str = "",
) -> str:
    """One `[[package]]` of uv.lock; `needs` are the lines of its dependencies."""
    listed = (wheel(name, version),) if files is None else files
    entries = "".join(
        f'    {{ url = "https://files.test/{file}", hash = "sha256:{digest(file)}", size = 1 }},\n'
        for file in listed
        if file.endswith(".whl")
    )
    sdist = next((file for file in listed if not file.endswith(".whl")), None)
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{registry}" }}\n'
        + (f"dependencies = [\n{needs}]\n" if needs else "")
        + (
            f'sdist = {{ url = "https://files.test/{sdist}", hash = "sha256:{digest(sdist)}" }}\n'
            if sdist
            else ""
        )
        + (f"wheels = [\n{entries}]\n" if entries else "")
        + more
        + "\n"
    )


def uv_lock(
    *packages: str, needs: str = "", more: str = "", version: int = 1, python: str = ">=3.9"
) -> bytes:
    """uv.lock of the project `app`; `needs` are the lines of its dependencies."""
    return (
        f'version = {version}\nrevision = 3\nrequires-python = "{python}"\n\n'
        '[[package]]\nname = "app"\nversion = "1.0"\nsource = { editable = "." }\n'
        f"dependencies = [\n{needs}]\n"
        f"{more}\n" + "".join(packages)
    ).encode()


def hashed(requirement: str, *files: str, via: str = "") -> str:
    """A requirement as pip-compile writes it."""
    hashes = "".join(f" \\\n    --hash=sha256:{digest(file)}" for file in files)
    return f"{requirement}{hashes}\n" + (f"    # via {via}\n" if via else "")


def uv_of_x(source: str, more: str = "") -> Locked:
    """What uv.lock pins of a package x, which is all that the project asks for."""
    text = f'[[package]]\nname = "x"\nversion = "1"\nsource = {{ {source} }}\n{more}'
    return uv.read(uv_lock(text, needs='    { name = "x" },\n'), "uv.lock", asked())


def poetry_of_x(wish: tuple[str, str], files: str, source: str) -> Locked:
    """The same of poetry.lock; `wish` is the key and value by which pyproject.toml asks for it."""
    keys = {"dependencies": {"x": dict([wish])}, "source": None, "extras": None, "dev-dependencies": None}
    content = hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()
    text = (
        f'[[package]]\nname = "x"\nversion = "1"\npython-versions = ">=3.8"\nfiles = [{files}]\n'
        f'[package.source]\n{source}[metadata]\nlock-version = "2.1"\npython-versions = "^3.9"\n'
        f'content-hash = "{content}"\n'
    )
    project = (
        '[tool.poetry]\nname = "app"\nversion = "1"\n'
        f'[tool.poetry.dependencies]\nx = {{ {wish[0]} = "{wish[1]}" }}\n'
    )
    return poetry.read(
        text.encode(), "poetry.lock", asked(), manifest.read(project.encode(), "pyproject.toml")
    )


def pdm_of_x(source: str) -> Locked:
    """The same of pdm.lock."""
    text = (
        '[metadata]\ngroups = ["default"]\nlock_version = "4.5.0"\ncontent_hash = "sha256:1"\n'
        f'[[metadata.targets]]\nrequires_python = ">=3.9"\n[[package]]\nname = "x"\nversion = "1"\n{source}'
    )
    project = '[project]\nname = "app"\nrequires-python = ">=3.9"\ndependencies = ["x"]\n'
    return pdm.read(text.encode(), "pdm.lock", asked(), manifest.read(project.encode(), "pyproject.toml"))


def pylock_of_x(source: str) -> Locked:
    """The same of pylock.toml."""
    text = f'lock-version = "1.0"\ncreated-by = "a test"\n[[packages]]\nname = "x"\nversion = "1"\n{source}\n'
    return pylock.read(text.encode(), "pylock.toml", asked())
