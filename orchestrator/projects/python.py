"""A Python project: its wheel is built by the backend that it names (PEP 517), with Debian's Python. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from orchestrator.projects.guess import Guess, Identity, Way, distinct
from orchestrator.projects.tree import Tree

PYPROJECT: Final = "pyproject.toml"
SETUP: Final = ("setup.py", "setup.cfg")
_LEGACY: Final = "setuptools.build_meta"
_BACKENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "setuptools": ("python3-setuptools", "python3-wheel"),
    "flit_core": ("flit",),
    "flit": ("flit",),
    "flit_scm": ("python3-flit-scm", "flit"),
    "hatchling": ("python3-hatchling",),
    "poetry": ("python3-poetry-core",),
    "pdm": ("python3-pdm-pep517",),
    "mesonpy": ("python3-mesonpy", "gcc", "libc6-dev", "python3-dev", "ninja-build"),
    "pbr": ("python3-pbr", "python3-setuptools", "python3-wheel"),
}
"""The first word of `build-backend` to packages."""
_REQUIRED: Final[Mapping[str, str]] = {
    "cffi": "python3-cffi",
    "cython": "cython3",
    "editables": "python3-editables",
    "flit-core": "flit",
    "flit-scm": "python3-flit-scm",
    "hatch-vcs": "python3-hatch-vcs",
    "hatchling": "python3-hatchling",
    "numpy": "python3-numpy",
    "packaging": "python3-packaging",
    "pbr": "python3-pbr",
    "poetry-core": "python3-poetry-core",
    "setuptools": "python3-setuptools",
    "setuptools-rust": "python3-setuptools-rust",
    "setuptools-scm": "python3-setuptools-scm",
    "tomli": "python3-tomli",
    "typing-extensions": "python3-typing-extensions",
    "wheel": "python3-wheel",
}
"""Names in `build-system.requires`, as PEP 503 spells them."""
_SUITE: Final[Mapping[str, str]] = {
    "flit-core": "3.8.0",
    "hatchling": "1.12.2",
    "poetry-core": "1.4.0",
    "setuptools": "66.1.1",
    "setuptools-scm": "7.1.0",
    "wheel": "0.38.4",
}
"""The versions that bookworm has."""
_WITH_SCM: Final = ("setuptools-scm", "hatch-vcs", "flit-scm")


def seen(tree: Tree) -> str | None:
    """The file that says it is one: a pyproject.toml may hold settings of tools alone."""
    said = document(tree)
    if "build-system" in said or "project" in said or "poetry" in _table(said, "tool"):
        return PYPROJECT
    return tree.first(SETUP)


def document(tree: Tree) -> Mapping[str, Any]:
    """What pyproject.toml says; nothing where it is no TOML."""
    try:
        return tomllib.loads(tree.read(PYPROJECT) or "")
    except (ValueError, RecursionError):
        return {}


def way(tree: Tree, identity: Identity) -> Way:
    """By the project `build`, without looking for anything in an index."""
    said = document(tree)
    system = _table(said, "build-system")
    backend = system.get("build-backend")
    backend = backend if isinstance(backend, str) else _LEGACY
    where = (
        tree.find(PYPROJECT, "build-backend", backend).where
        if "build-backend" in system
        else seen(tree) or ""
    )
    remarks = []
    packages = [Guess("python3", where), Guess("python3-build", where)]
    first = re.split("[.:]", backend)[0]
    if "backend-path" in system:
        remarks.append(f"its build backend {backend} ({where}) is in its own tree")
    elif first in _BACKENDS:
        packages += [Guess(name, where) for name in _BACKENDS[first]]
    else:
        remarks.append(
            f"the build backend {backend} ({where}) is in no package of bookworm that is known here"
        )
    env: list[tuple[str, str]] = []
    for text in system.get("requires", []) if isinstance(system.get("requires"), list) else []:
        found, told = _required(tree, text)
        packages += found
        remarks += told
    if any(name in map(_project, system.get("requires", [])) for name in _WITH_SCM) or _uses_scm(tree):
        env.append(("SETUPTOOLS_SCM_PRETEND_VERSION", identity.version.value))
        remarks.append("its version comes from git's tags, which a build does not see: the recipe says it")
    binary = _extension(tree)
    if binary is not None:
        packages += [Guess(name, binary) for name in ("gcc", "libc6-dev", "python3-dev")]
    return Way(
        distinct(packages),
        "python3 -m build --wheel --no-isolation --skip-dependency-check --outdir $out\n",
        env=tuple(env),
        path=wheel_name(first, identity.name.value, identity.version.value, said, tree, binary is not None),
        remarks=tuple(remarks),
        locks=tuple(filter(tree.has, ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"))),
    )


def wheel_name(
    backend: str, name: str, version: str, said: Mapping[str, Any], tree: Tree, binary: bool
) -> str:
    """What a backend calls its wheel; each writes the project's name in its own way."""
    lowered = re.sub(r"[-_.]+", "_", name).lower()
    if backend in ("setuptools", "pbr"):
        lowered = re.sub(r"[^A-Za-z0-9.]+", "_", name)
    try:
        version = str(Version(version))
    except InvalidVersion:
        pass
    bounds = str(_table(said, "project").get("requires-python", ""))
    universal = False
    if backend in ("flit_core", "flit"):
        bounds = bounds or str(_table(_table(said, "tool"), "flit", "metadata").get("requires-python", ""))
        universal = not bounds.startswith(("3", ">3", ">=3"))
    elif backend == "hatchling":
        universal = not bounds
    elif backend in ("setuptools", "pbr"):
        universal = bool(
            re.search(r"(?m)^universal\s*=\s*(1|true|yes)", tree.read("setup.cfg") or "", re.IGNORECASE)
        )
    tag = "cp311-cp311-linux_x86_64" if binary else f"{'py2.py3' if universal else 'py3'}-none-any"
    return f"{lowered}-{version.replace('-', '_')}-{tag}.whl"


def _required(tree: Tree, text: object) -> tuple[list[Guess], list[str]]:
    name = _project(text)
    if not name:
        return [], []
    place = tree.find(PYPROJECT, "", str(text)).where
    requirement = Requirement(str(text))
    if requirement.marker is not None and not requirement.marker.evaluate(
        {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
    ):
        return [], []
    remarks = []
    has = _SUITE.get(name)
    if has is not None and not requirement.specifier.contains(has, prereleases=True):
        remarks.append(f"{text} is asked for ({place}), and bookworm has {has}: it is built with that")
    if name not in _REQUIRED:
        return [], [*remarks, f"{text} ({place}) is in no package that is known here: add it to `packages`"]
    return [Guess(_REQUIRED[name], place)], remarks


def _project(text: object) -> str:
    try:
        return re.sub(r"[-_.]+", "-", Requirement(str(text)).name).lower()
    except InvalidRequirement:
        return ""


def _uses_scm(tree: Tree) -> bool:
    return bool(
        re.search(r"\buse_scm_version\b", (tree.read("setup.py") or "") + (tree.read("setup.cfg") or ""))
    )


def _extension(tree: Tree) -> str | None:
    """The file by which the wheel holds compiled code; None: it does not."""
    if re.search(r"\bext_modules\b|\bcffi_modules\b", tree.read("setup.py") or ""):
        return "setup.py"
    return next((path for path in tree.named(".pyx") if not re.search(r"(^|/)tests?/", path)), None)


def _table(values: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        found = values.get(key)
        values = found if isinstance(found, dict) else {}
    return values
