"""A Rust project, that Cargo builds. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.projects.guess import Claims, Guess, Identity, Way
from orchestrator.projects.suites import NEWER, fits, has
from orchestrator.projects.tree import Tree

FILE: Final = "Cargo.toml"
LOCK: Final = "Cargo.lock"
_SCRIPT: Final = """\
cargo build --release --frozen
find target/release -maxdepth 1 -type f -executable -exec install -D -t $out/bin {} +
test -d $out/bin    # a library alone makes no program
"""


def seen(tree: Tree) -> str | None:
    """Its manifest at the top."""
    return tree.first([FILE])


def claims(tree: Tree) -> Claims:
    """What `[package]` says, or the workspace's."""
    said = _document(tree)
    package = _table(said, "package")
    shared = _table(said, "workspace", "package")

    def guess(*keys: str) -> Guess | None:
        for key in keys:
            value = package.get(key)
            if not isinstance(value, str):
                value = shared.get(key)
            if isinstance(value, str) and value:
                return tree.find(FILE, key, value)
        return None

    licence = guess("license")
    if licence and "/" in licence.value:  # an old way to write OR
        licence = Guess(" OR ".join(part.strip() for part in licence.value.split("/")), licence.where)
    return Claims(
        guess("name"), guess("version"), guess("description"), guess("homepage", "repository"), licence
    )


def way(tree: Tree, identity: Identity) -> Way:
    """By `cargo build`, whose programs are put into bin."""
    remarks = []
    said = _document(tree)
    if not tree.has(LOCK):
        remarks.append(f"there is no {LOCK}: make one with `cargo generate-lockfile` and commit it")
    asked = _table(said, "package").get("rust-version") or _table(said, "workspace", "package").get(
        "rust-version"
    )
    if isinstance(asked, str) and not fits("rust", f">={asked}", NEWER):
        where = tree.find(FILE, "rust-version", str(asked)).where
        remarks.append(f"it asks for Rust {asked} ({where}), and {NEWER} has {has('rust', NEWER)}")
    return Way(
        (Guess("cargo", FILE), Guess("gcc", FILE), Guess("libc6-dev", FILE)),
        _SCRIPT,
        check="cargo test --release --frozen",
        suite=NEWER,  # what crates need moves on quickly
        locks=(LOCK,) if tree.has(LOCK) else (),
        remarks=tuple(remarks),
    )


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
