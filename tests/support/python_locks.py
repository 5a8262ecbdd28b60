"""Small lock files of Python projects for tests, each as its own program writes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

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
