"""A Rust project, that Cargo builds. Pure."""

from __future__ import annotations

import posixpath
import shlex
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.projects.guess import Claims, Guess, Identity, Way
from orchestrator.projects.suites import NEWER, fits, has
from orchestrator.projects.tree import Tree

FILE: Final = "Cargo.toml"
LOCK: Final = "Cargo.lock"
_SCRIPT: Final = """\
cargo build --release --frozen{package}
find target/release -maxdepth 1 -type f -executable -exec install -D -t $out/bin {{}} +
test -d $out/bin    # a library alone makes no program
"""


def seen(tree: Tree) -> str | None:
    """Its manifest at the top."""
    return tree.first([FILE])


def claims(tree: Tree) -> Claims:
    """What `[package]` says, or the workspace's."""

    def guess(*keys: str) -> Guess | None:
        return next((found for key in keys if (found := _said(tree, key)) is not None), None)

    licence = guess("license")
    if licence and "/" in licence.value:  # an old way to write OR
        licence = Guess(" OR ".join(part.strip() for part in licence.value.split("/")), licence.where)
    return Claims(
        guess("name"), guess("version"), guess("description"), guess("homepage", "repository"), licence
    )


def way(tree: Tree, identity: Identity) -> Way:
    """By `cargo build`, whose programs are put into bin; a member of a workspace is built there."""
    remarks = []
    above = _workspace(tree)
    top = tree if above is None else above
    package = ""
    if above is not None:
        place = posixpath.join(posixpath.relpath(tree.path, above.path), FILE)
        package = f" --manifest-path {shlex.quote(place)}"
        remarks.append(f"its source is its workspace, {above.place}, whose {LOCK} pins what it is built with")
    if not top.has(LOCK):
        remarks.append(f"there is no {LOCK}: make one with `cargo generate-lockfile` and commit it")
    asked = _said(tree, "rust-version")
    if asked is not None and not fits("rust", f">={asked.value}", NEWER):
        remarks.append(
            f"it asks for Rust {asked.value} ({asked.where}), and {NEWER} has {has('rust', NEWER)}"
        )
    return Way(
        (Guess("cargo", FILE), Guess("gcc", FILE), Guess("libc6-dev", FILE)),
        _SCRIPT.format(package=package),
        check=f"cargo test --release --frozen{package}",
        suite=NEWER,  # what crates need moves on quickly
        locks=(LOCK,) if top.has(LOCK) else (),
        source=None if above is None else above.path,
        remarks=tuple(remarks),
    )


def _workspace(tree: Tree) -> Tree | None:
    """The folder above that cargo takes for the package's workspace; None: it is built by itself."""
    if tree.has(LOCK) or "workspace" in _document(tree):
        return None
    for top in tree.above:
        said = _document(top)
        if "workspace" in said:
            excluded = _table(said, "workspace").get("exclude")
            folder = posixpath.relpath(tree.path, top.path)
            listed = [str(each) for each in excluded] if isinstance(excluded, list) else []
            out = any(f"{folder}/".startswith(f"{posixpath.normpath(each)}/") for each in listed)
            return None if out else top
    return None


def _said(tree: Tree, key: str) -> Guess | None:
    """What a package says of itself, or its workspace says for it: in the same file, or in that above."""
    said = _document(tree)
    value, where = _table(said, "package").get(key), tree
    if isinstance(value, dict) and value.get("workspace") is True and "workspace" not in said:
        where = _workspace(tree) or tree
    if not isinstance(value, str):
        value = _table(_document(where), "workspace", "package").get(key)
    if not isinstance(value, str) or not value:
        return None
    found = where.find(FILE, key, value)
    steps = posixpath.relpath(where.path, tree.path)
    return found if steps == "." else Guess(found.value, posixpath.join(steps, found.where))


def _document(tree: Tree) -> Mapping[str, Any]:
    try:
        return tomllib.loads(tree.read(FILE) or "")
    except (ValueError, RecursionError):
        return {}


def _table(values: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        found = values.get(key)
        values = found if isinstance(found, dict) else {}
    return values
