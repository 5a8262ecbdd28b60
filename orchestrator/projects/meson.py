"""A project that Meson builds. Pure."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.projects import needs
from orchestrator.projects.calls import Call, calls
from orchestrator.projects.collected import Collected
from orchestrator.projects.guess import Claims, Guess, Identity, Way
from orchestrator.projects.suites import fitting
from orchestrator.projects.tree import Tree

FILE: Final = "meson.build"
_SCRIPT: Final = """\
meson setup build --prefix=$out --libdir=lib --buildtype=release
ninja -C build -j $NIX_BUILD_CORES
ninja -C build install
"""
_OF_MESON: Final = frozenset(["threads", "dl", "m", "intl", "iconv", "openmp", ""])
_CALLED: Final = {"curses": "libncurses-dev", "python3": "python3-dev", "boost": "libboost-all-dev"}
"""Dependencies that Meson finds by names of its own."""
_MOST_FILES: Final = 200
_NOT_BUILT: Final = re.compile(r"(^|/)(tests?|examples?|docs?|subprojects|bench\w*)/")


def seen(tree: Tree) -> str | None:
    """Its file at the top."""
    return tree.first([FILE])


def claims(tree: Tree) -> Claims:
    """What `project(…)` says."""
    call = next(calls(tree.read(FILE) or "", "project"), None)
    if call is None:
        return Claims()
    where, arguments = f"{FILE}:{call.line}", call.split("'")
    said = {}
    for argument in arguments:
        if found := re.fullmatch(r"(version|license)\s*:\s*\[?\s*'([^']+)'\s*\]?", argument):
            said[found[1]] = Guess(found[2], where)
    name = arguments[0]
    return Claims(
        name=Guess(name, where) if name else None,
        version=said.get("version"),
        license=said.get("license"),
    )


def way(tree: Tree, identity: Identity) -> Way:
    """By setup, ninja and install."""
    found = Collected()
    found.add(FILE, "meson", "ninja-build", *(name for name in needs.C if name != "make"))
    for call in calls(tree.read(FILE) or "", "project|add_languages"):
        if "'cpp'" in call.text.replace('"', "'"):
            found.add(f"{FILE}:{call.line}", needs.CXX)
    for path in [path for path in tree.called(FILE) if not _NOT_BUILT.search(path)][:_MOST_FILES]:
        for call in calls(tree.read(path) or "", "dependency|find_program"):
            _ask(found, call, f"{path}:{call.line}")
    return Way(
        found.each_package,
        _SCRIPT,
        check="meson test -C build",
        suite=_suite(tree),
        remarks=found.each_remark,
    )


def _suite(tree: Tree) -> str:
    asked = re.search(r"meson_version\s*:\s*'(>=?\s*[\d.]+)", tree.read(FILE) or "")
    return fitting([("meson", asked[1])] if asked else [])


def _ask(found: Collected, call: Call, where: str) -> None:
    name = call.split("'")[0]
    falls_back = "fallback" in call.text  # into a subproject that is downloaded, which a build cannot do
    optional = bool(re.search(r"required\s*:\s*(?!true)", call.text)) and not falls_back
    if call.name == "find_program":
        package = needs.of_program(name)
        if package and not optional:
            found.add(where, package)
    elif name in _CALLED:
        found.ask(name, where, [_CALLED[name]], optional=optional)
    elif name.lower() not in _OF_MESON and re.fullmatch(r"[\w.+-]+", name):
        found.module(name, where, optional=optional)
