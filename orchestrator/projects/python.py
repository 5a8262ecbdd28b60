"""A Python project: its wheel is built by the backend that it names (PEP 517), with Debian's Python. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from orchestrator.dependencies.python.names import is_known
from orchestrator.projects.collected import Collected
from orchestrator.projects.guess import Identity, Way
from orchestrator.projects.own_files import removal
from orchestrator.projects.suites import NEWER, fits, fitting, has
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
    "pdm.pep517": ("python3-pdm-pep517",),
    "pdm.backend": ("python3-pdm-backend",),
    "maturin": ("python3-maturin", "cargo", "gcc", "libc6-dev", "python3-dev"),
    "scikit_build_core": (
        "python3-scikit-build-core",
        "cmake",
        "ninja-build",
        "gcc",
        "g++",
        "libc6-dev",
        "python3-dev",
    ),
    "mesonpy": ("python3-mesonpy", "gcc", "libc6-dev", "python3-dev", "ninja-build"),
    "pbr": ("python3-pbr", "python3-setuptools", "python3-wheel"),
}
"""What `build-backend` begins with, to packages."""
_REQUIRED: Final[Mapping[str, str]] = {
    "cffi": "python3-cffi",
    "cython": "cython3",
    "editables": "python3-editables",
    "flit-core": "flit",
    "flit-scm": "python3-flit-scm",
    "hatch-vcs": "python3-hatch-vcs",
    "hatchling": "python3-hatchling",
    "maturin": "python3-maturin",
    "meson-python": "python3-mesonpy",
    "numpy": "python3-numpy",
    "packaging": "python3-packaging",
    "pbr": "python3-pbr",
    "pdm-backend": "python3-pdm-backend",
    "pdm-pep517": "python3-pdm-pep517",
    "poetry-core": "python3-poetry-core",
    "scikit-build-core": "python3-scikit-build-core",
    "setuptools": "python3-setuptools",
    "setuptools-rust": "python3-setuptools-rust",
    "setuptools-scm": "python3-setuptools-scm",
    "tomli": "python3-tomli",
    "typing-extensions": "python3-typing-extensions",
    "wheel": "python3-wheel",
}
"""Names in `build-system.requires`, as PEP 503 spells them."""
_ONLY_NEWER: Final = ("pdm-backend", "maturin", "scikit-build-core")
"""Of these, what bookworm does not have."""
_COMPILING: Final = ("mesonpy", "maturin", "scikit_build_core")
_UNIVERSAL: Final = re.compile(r"(?mi)^universal\s*=\s*(1|true|yes)")
_HERE: Final = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
_LOCKS: Final = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_WITH_SCM: Final = ("setuptools-scm", "hatch-vcs", "flit-scm")


def seen(tree: Tree) -> str | None:
    """The file that says it is one: a pyproject.toml may hold settings of tools alone."""
    said = document(tree)
    if "build-system" in said or "project" in said or "poetry" in _table(said, "tool"):
        return PYPROJECT
    return tree.first(SETUP)


def unseen(tree: Tree) -> Iterator[str]:
    """What to know of a folder that lists what Python needs, and does not say how it is built."""
    if lock := next(filter(is_known, sorted(tree.top)), None):
        yield (
            f"{lock} lists Python packages, and no pyproject.toml or setup.py says how the project is built: "
            f'a recipe with `lock = "{lock}"` in [[dependencies]] has those packages in its build, where the '
            "script can install them"
        )


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
    named = system.get("build-backend")
    backend = named if isinstance(named, str) else _LEGACY
    where = tree.find(PYPROJECT, "build-backend", backend).where if named == backend else seen(tree) or ""
    requires = [each for each in map(_requirement, _list(system.get("requires"))) if each is not None]
    suite = _suite(said, requires)
    found = Collected()
    found.add(where, "python3", "python3-build")
    family = next((each for each in _BACKENDS if re.match(rf"{re.escape(each)}\b", backend)), None)
    if "backend-path" in system:
        found.remarks.append(f"its build backend {backend} ({where}) is in its own tree")
    elif family is None:
        found.remarks.append(f"the build backend {backend} ({where}) is in no package that is known here")
    else:
        found.add(where, *_BACKENDS[family])
    for each in requires:
        _require(found, tree, each, suite)
    env: list[tuple[str, str]] = []
    if _uses_scm(tree) or any(canonicalize_name(each.name) in _WITH_SCM for each in requires):
        env.append(("SETUPTOOLS_SCM_PRETEND_VERSION", identity.version.value))
        found.remarks.append(
            "its version comes from git's tags, which a build does not see: the recipe says it"
        )
    for lock in filter(tree.has, _LOCKS):
        found.remarks.append(
            f"a wheel does not hold what {lock} names: to ship that, add it by [[dependencies]]"
        )
    binary = _extension(tree) or (where if family in _COMPILING else None)
    if binary is not None:
        found.add(binary, "gcc", "libc6-dev", "python3-dev")
    # setuptools takes folders for packages, and refuses a project that has several
    lines = removal(tree, identity.name.value, folders=True) if family in (None, "setuptools") else []
    lines.append("python3 -m build --wheel --no-isolation --skip-dependency-check --outdir $out")
    return Way(
        found.each_package,
        "\n".join(lines) + "\n",
        env=tuple(env),
        path=wheel_name(identity, family or "", said, tree, _tag(suite) if binary else None),
        remarks=found.each_remark,
        suite=suite,
    )


def wheel_name(
    identity: Identity, backend: str, said: Mapping[str, Any], tree: Tree, binary: str | None
) -> str:
    """What a backend calls its wheel; each writes the project's name in its own way. `binary`: its tag."""
    name = re.sub(r"[-_.]+", "_", identity.name.value).lower()
    if backend in ("setuptools", "pbr"):
        name = re.sub(r"[^A-Za-z0-9.]+", "_", identity.name.value)
    try:
        version = str(Version(identity.version.value))
    except InvalidVersion:
        version = identity.version.value
    universal = _is_universal(backend, said, tree)
    tag = binary or f"{'py2.py3' if universal else 'py3'}-none-any"
    return f"{name}-{version.replace('-', '_')}-{tag}.whl"


def _is_universal(backend: str, said: Mapping[str, Any], tree: Tree) -> bool:
    """Whether a wheel is for Python 2 as well, by the backend's own rule."""
    bounds = str(_table(said, "project").get("requires-python", ""))
    if backend in ("flit_core", "flit"):
        bounds = bounds or str(_table(said, "tool", "flit", "metadata").get("requires-python", ""))
        return not bounds.startswith(("3", ">3", ">=3"))
    if backend == "hatchling":
        return not bounds
    by_setup = backend in ("setuptools", "pbr")
    return by_setup and re.search(_UNIVERSAL, tree.read("setup.cfg") or "") is not None


def _suite(said: Mapping[str, Any], requires: list[Requirement]) -> str:
    """The release whose tools are new enough; a licence that is a text (PEP 639) needs the newer ones."""
    if isinstance(_table(said, "project").get("license"), str):
        return NEWER
    if any(canonicalize_name(each.name) in _ONLY_NEWER for each in requires):
        return NEWER
    return fitting((canonicalize_name(each.name), str(each.specifier)) for each in requires)


def _tag(suite: str) -> str:
    major, minor, _ = (has("python", suite) or "").split(".")
    return f"cp{major}{minor}-cp{major}{minor}-linux_x86_64"


def _requirement(text: object) -> Requirement | None:
    """One that counts here; None: it is none, or for other surroundings."""
    try:
        found = Requirement(str(text))
    except InvalidRequirement:
        return None
    return found if found.marker is None or found.marker.evaluate(_HERE) else None


def _require(found: Collected, tree: Tree, asked: Requirement, suite: str) -> None:
    name, where = canonicalize_name(asked.name), tree.find(PYPROJECT, asked.name, asked.name).where
    if not fits(name, str(asked.specifier), suite):
        found.remarks.append(
            f"{asked} is asked for ({where}), and {suite} has {has(name, suite)}: that is taken"
        )
    if name in _REQUIRED:
        found.add(where, _REQUIRED[name])
    else:
        found.remarks.append(f"{asked} ({where}) is in no package that is known here: add it to `packages`")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


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
