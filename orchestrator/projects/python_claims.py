"""What a Python project says of itself: in pyproject.toml, PKG-INFO, setup.cfg, setup.py. Pure."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from typing import Any, Final

from orchestrator.projects.guess import Claims, Guess
from orchestrator.projects.tree import Tree

_PYPROJECT: Final = "pyproject.toml"
_PAGES: Final = ("homepage", "home", "home page", "repository", "source", "source code", "documentation")
_VERSION: Final = re.compile(r"^(?:__version__|VERSION|version)\s*(?::\s*\w+\s*)?=\s*['\"]([^'\"]+)['\"]")


def claims(tree: Tree) -> Claims:
    """The files in the order in which backends believe them."""
    found = _of_pyproject(tree).over(_of_setup_cfg(tree)).over(_of_setup_py(tree)).over(_of_pkg_info(tree))
    return found.over(Claims(version=_of_module(tree, found.name)))


def _of_pyproject(tree: Tree) -> Claims:
    text = tree.read(_PYPROJECT) or ""
    try:
        said = tomllib.loads(text)
    except (ValueError, RecursionError):
        return Claims()
    tool = said.get("tool") if isinstance(said.get("tool"), dict) else {}
    tables: list[Any] = [said.get("project")]
    if isinstance(tool, dict):
        tables += [tool.get("poetry"), (tool.get("flit") or {}).get("metadata")]
    found = Claims()
    for table in tables:
        if isinstance(table, dict):
            found = found.over(_of_table(tree, table))
    return found


def _of_table(tree: Tree, table: Mapping[str, Any]) -> Claims:
    def guess(key: str, value: object) -> Guess | None:
        return tree.find(_PYPROJECT, key, value) if isinstance(value, str) and value else None

    licence = table.get("license")
    if isinstance(licence, dict):
        licence = licence.get("text")
    urls = table.get("urls") if isinstance(table.get("urls"), dict) else {}
    pages = {str(key).lower(): value for key, value in (urls or {}).items()}
    page = next((pages[key] for key in _PAGES if key in pages), None)
    page = page or table.get("homepage") or table.get("home-page") or table.get("repository")
    version = table.get("version")
    return Claims(
        name=guess("name", table.get("name") or table.get("module")),
        version=guess("version", version) if version != "0" else None,
        summary=guess("description", table.get("description")),
        homepage=guess("", page),
        license=guess("licen", licence) or _classified(tree, table.get("classifiers"), _PYPROJECT),
    )


def _classified(tree: Tree, classifiers: object, path: str) -> Guess | None:
    """A licence by its classifier, such as `License :: OSI Approved :: MIT License`."""
    for each in classifiers if isinstance(classifiers, list) else []:
        found = re.fullmatch(r"License :: OSI Approved :: (.+)", str(each))
        if found:
            return Guess(re.sub(r"\s*\(.*\)", "", found[1]), tree.find(path, "License ::", str(each)).where)
    return None


def _of_pkg_info(tree: Tree) -> Claims:
    """What a source distribution was made with (core metadata)."""
    text = tree.read("PKG-INFO")
    if not text:
        return Claims()
    said = HeaderParser().parsestr(text)

    def guess(*keys: str) -> Guess | None:
        for key in keys:
            value = " ".join(str(said.get(key, "")).split())
            if value and value != "UNKNOWN":
                return tree.find("PKG-INFO", f"{key}:", value)
        return None

    return Claims(
        guess("Name"),
        guess("Version"),
        guess("Summary"),
        guess("Home-page"),
        guess("License-Expression", "License"),
    )


def _of_setup_cfg(tree: Tree) -> Claims:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(tree.read("setup.cfg") or "")
    except configparser.Error:
        return Claims()
    said = dict(parser.items("metadata")) if parser.has_section("metadata") else {}

    def guess(*keys: str) -> Guess | None:
        for key in keys:
            value = said.get(key, "").strip()
            if value and not value.startswith(("file:", "attr:")) and "\n" not in value:
                return tree.find("setup.cfg", key, value)
        return None

    return Claims(
        guess("name"), guess("version"), guess("description"), guess("url", "home-page"), guess("license")
    )


def _of_setup_py(tree: Tree) -> Claims:
    try:
        parsed = ast.parse(tree.read("setup.py") or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Claims()
    said: dict[str, Guess] = {}
    texts = _assigned(parsed)
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call) and _called(node) in ("setup", "setuptools.setup"):
            for keyword in node.keywords:
                value = keyword.value
                if isinstance(value, ast.Name) and value.id in texts:
                    value = texts[value.id]
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and keyword.arg:
                    said.setdefault(keyword.arg, Guess(value.value, f"setup.py:{value.lineno}"))
    return Claims(
        said.get("name"), said.get("version"), said.get("description"), said.get("url"), said.get("license")
    )


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def _assigned(parsed: ast.Module) -> dict[str, ast.expr]:
    """Names at the top that are set to a text."""
    return {
        target.id: node.value
        for node in parsed.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _of_module(tree: Tree, name: Guess | None) -> Guess | None:
    """`__version__` of the project's module, as backends read it."""
    for path in _modules(tree, name):
        for number, line in tree.lines(path):
            if found := _VERSION.match(line):
                return Guess(found[1], f"{path}:{number}")
    return None


def _modules(tree: Tree, name: Guess | None) -> Iterator[str]:
    said = re.search(r"(?m)^\s*path\s*=\s*['\"]([^'\"]+)['\"]", tree.read(_PYPROJECT) or "")
    if said and tree.has(said[1]):  # [tool.hatch.version]
        yield said[1]
    if name is not None:
        module = re.sub(r"[-.]+", "_", name.value)
        for called in (module, module.lower()):
            for folder in ("", "src/"):
                for end in (
                    f"{called}/__init__.py",
                    f"{called}.py",
                    f"{called}/_version.py",
                    f"{called}/version.py",
                    f"{called}/__about__.py",
                ):
                    if tree.has(folder + end):
                        yield folder + end
