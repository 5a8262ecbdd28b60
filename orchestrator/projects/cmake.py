"""A project that CMake builds. Pure."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from orchestrator.projects import needs
from orchestrator.projects.calls import calls
from orchestrator.projects.collected import Collected
from orchestrator.projects.guess import Claims, Guess, Identity, Way
from orchestrator.projects.suites import fitting
from orchestrator.projects.tree import Tree

FILE: Final = "CMakeLists.txt"
_SCRIPT: Final = """\
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$out -DCMAKE_INSTALL_LIBDIR=lib
cmake --build build --parallel $NIX_BUILD_CORES
cmake --install build
"""
_NOT_BUILT: Final = re.compile(
    r"(^|/)(tests?|examples?|bench\w*|fuzz\w*|docs?|third_?party|extern\w*|vendor|cmake)/", re.IGNORECASE
)
_MOST_FILES: Final = 200
_DEEPEST: Final = 3
_FEW: Final = 4
"""Variables in a text that are looked up, and how deep: each is looked for in the whole file."""
_LONGEST: Final = 1000
_WORDS: Final = ("REQUIRED", "QUIET", "IMPORTED_TARGET", "GLOBAL", "NO_CMAKE_PATH")
_THEIRS: Final = ("PkgConfig",)
"""It is taken with the modules that are asked for."""
_KEYS: Final = ("VERSION", "DESCRIPTION", "HOMEPAGE_URL", "LANGUAGES")


def seen(tree: Tree) -> str | None:
    """Its file at the top."""
    return tree.first([FILE])


def claims(tree: Tree) -> Claims:
    """What `project(…)` says, with variables that are set to a text in the same file."""
    text = tree.read(FILE) or ""
    call = next(calls(text, "(?i:project)"), None)
    if call is None:
        return Claims()
    where = f"{FILE}:{call.line}"
    words = [_expanded(word, text) for word in call.words()]
    said = _keyed(words)
    return Claims(
        name=Guess(words[0], where) if words and "$" not in words[0] else None,
        version=_guess(said.get("VERSION"), where) or _version(text),
        summary=_guess(said.get("DESCRIPTION"), where),
        homepage=_guess(said.get("HOMEPAGE_URL"), where),
    )


def way(tree: Tree, identity: Identity) -> Way:
    """By configure, build and install."""
    found = Collected()
    found.add(FILE, "cmake", *needs.C)
    text = tree.read(FILE) or ""
    if language := _needs_cxx(text):
        found.add(language, needs.CXX)
    for path in [path for path in tree.called(FILE) if not _NOT_BUILT.search(path)][:_MOST_FILES]:
        said = tree.read(path) or ""
        for call in calls(said, "(?i:find_package)"):
            _package(found, call.words(), f"{path}:{call.line}", said)
        for call in calls(said, "(?i:pkg_check_modules|pkg_search_module)"):
            words = call.words()[1:]
            for module in needs.modules_in(" ".join(word for word in words if word not in _WORDS)):
                found.module(module, f"{path}:{call.line}", optional="REQUIRED" not in words)
    return Way(
        found.each_package,
        _SCRIPT,
        check="(cd build && ctest --output-on-failure)",
        suite=_suite(text),
        remarks=found.each_remark,
    )


def _suite(text: str) -> str:
    call = next(calls(text, "(?i:cmake_minimum_required)"), None)
    words = call.words() if call else []
    asked = words[1].partition("...")[0] if words[:1] == ["VERSION"] and len(words) > 1 else ""
    return fitting([("cmake", f">={asked}")] if re.fullmatch(r"[\d.]+", asked) else [])


def _package(found: Collected, words: list[str], where: str, text: str) -> None:
    """What `find_package` asks for: a generator whose macros are called is needed, whatever it says."""
    if not words or words[0] in _THEIRS:
        return
    used = {"BISON": "bison_target", "FLEX": "flex_target", "Gettext": "gettext_"}.get(words[0])
    called = used is not None and used in text.lower()
    found.ask(words[0], where, needs.of_cmake(words[0]), optional="REQUIRED" not in words and not called)


def _needs_cxx(text: str) -> str | None:
    """Where a C++ compiler is asked for: a project that names no languages gets C and C++."""
    for call in calls(text, "(?i:project)"):
        words = call.words()[1:]
        languages = [word for word in words if word in ("C", "CXX", "NONE", "ASM", "Fortran", "CUDA")]
        if "CXX" in languages or not languages:
            return f"{FILE}:{call.line}"
        break
    for call in calls(text, "(?i:enable_language)"):
        if "CXX" in call.words():
            return f"{FILE}:{call.line}"
    return None


def _keyed(words: list[str]) -> dict[str, str]:
    return {key: value for key, value in pairwise(words) if key in _KEYS and value not in _KEYS}


def _expanded(word: str, text: str, depth: int = 0) -> str:
    """A word with `${NAME}` replaced by what `set(NAME …)` says."""

    def value(found: re.Match[str]) -> str:
        for call in calls(text, "(?i:set)"):
            words = call.words()
            if len(words) > 1 and words[0] == found[1]:
                return _expanded(words[1], text, depth + 1) if depth < _DEEPEST else found[0]
        return found[0]

    return re.sub(r"\$\{(\w+)\}", value, word[:_LONGEST], count=_FEW)


def _guess(value: str | None, where: str) -> Guess | None:
    return Guess(value, where) if value and "$" not in value else None


def _version(text: str) -> Guess | None:
    """From `set(…VERSION… "1.2.3")`, or from its parts."""
    parts: dict[str, str] = {}
    for call in calls(text, "(?i:set)"):
        words = call.words()
        if len(words) < 2:
            continue
        name = words[0].upper()
        if re.fullmatch(r"(PROJECT_|\w*LIB\w*_|PACKAGE_)?VERSION(_STRING)?", name) and re.fullmatch(
            r"\d+(\.\d+)+\w*", value := _expanded(words[1], text)
        ):
            return Guess(value, f"{FILE}:{call.line}")
        found = re.fullmatch(r"\w*VERSION_(MAJOR|MINOR|PATCH|MICRO)", name)
        if found and words[1].isdecimal():
            parts.setdefault(found[1].replace("MICRO", "PATCH"), words[1])
            parts.setdefault("line", str(call.line))
    if "MAJOR" in parts and "MINOR" in parts:
        numbers = [parts[key] for key in ("MAJOR", "MINOR", "PATCH") if key in parts]
        return Guess(".".join(numbers), f"{FILE}:{parts['line']}")
    return None
