"""A Go project. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import Final

from orchestrator.dependencies import go_mod
from orchestrator.dependencies.dependency import BadLock
from orchestrator.projects.guess import Claims, Guess, Identity, Way
from orchestrator.projects.suites import NEWER, fits, has
from orchestrator.projects.tree import Tree

FILE: Final = "go.mod"
WORK: Final = "go.work"
_LOCKS: Final = (WORK, "go.sum")


def seen(tree: Tree) -> str | None:
    """Its module's file at the top."""
    return tree.first([FILE])


def claims(tree: Tree) -> Claims:
    """The module's path: its last part that is no version, and a homepage where it has a host."""
    for number, line in tree.lines(FILE):
        if found := re.match(r'module\s+"?([^\s"]+)"?', line):
            where, parts = f"{FILE}:{number}", found[1].split("/")
            named = [part for part in parts if not re.fullmatch(r"v\d+", part)]
            page = Guess(f"https://{'/'.join(named)}", where) if "." in parts[0] else None
            return Claims(name=Guess(named[-1], where) if named else None, homepage=page)
    return Claims()


def way(tree: Tree, identity: Identity) -> Way:
    """By `go build` of every program in it, without what differs between machines; in its workspace."""
    remarks = []
    asked, where = "", FILE
    for number, line in tree.lines(FILE):
        if found := re.match(r"go\s+(\d+)\.(\d+)", line):
            asked, where = f"{found[1]}.{found[2]}", f"{FILE}:{number}"
            if not fits("go", f">={asked}", NEWER):
                remarks.append(f"it asks for Go {asked} ({where}), and {NEWER} has {has('go', NEWER)}")
    above = _workspace(tree)
    lock, enter = tree.first(_LOCKS), ""
    if above is not None:
        lock, enter = WORK, f"cd {shlex.quote(posixpath.relpath(tree.path, above.path))}\n"
        remarks.append(f"its source is its workspace, {above.place}, whose {WORK} names its folder")
    needed = [number for number, line in tree.lines(FILE) if re.match(r"require\b|\s+\S+\s+v\d", line)]
    if needed and not lock and not tree.first(["vendor/modules.txt"]):
        remarks.append(
            f"it asks for modules ({FILE}:{needed[0]}), and there is no go.sum: `go mod tidy` writes it; "
            'then `[[dependencies]]` with `lock = "go.sum"`'
        )
    return Way(
        (Guess("golang-go", FILE),),
        f"{enter}mkdir -p $out/bin\n"
        "go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o $out/bin/ ./...\n"
        "if rmdir $out/bin 2> /dev/null; then echo 'no program in this module' >&2; exit 1; fi\n",
        env=(("CGO_ENABLED", "0"),),
        check="go test ./...",
        suite=NEWER,
        locks=(lock,) if lock else (),
        source=None if above is None else above.path,
        remarks=tuple(remarks),
    )


def _workspace(tree: Tree) -> Tree | None:
    """The nearest folder above whose go.work go would take, if that names this module; else None."""
    top = None if tree.has(WORK) else next((each for each in tree.above if each.has(WORK)), None)
    if top is None:
        return None
    try:
        used = go_mod.read((top.read(WORK) or "").encode(), WORK).used
    except BadLock:
        return None
    folder = posixpath.relpath(tree.path, top.path)
    return top if any(posixpath.normpath(each) == folder for each, _ in used) else None
