"""The text of a first recipe, each guess with where it is from. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import tomli_w

from orchestrator.projects.guess import OWN, Guess, Sketch, Way
from orchestrator.projects.suites import OLDER

_WIDTH: Final = 100


def recipe_text(sketch: Sketch, path: str) -> str:
    """A recipe for the project in a folder of its repository; `path` is that folder, from the top."""
    way, known = sketch.way, sketch.identity
    seen = f"{sketch.kind}, by {sketch.seen}" if sketch.kind else "not recognised: see FILL IN below"
    lines = [_comment(f"By `tally init`. The build system: {seen}.")]
    lines += [_comment(each) for each in way.remarks]
    lines.append("")
    for key, guess in known.items:
        lines.append(_key(key, guess.value, guess))
    lines += _sources(way, path if way.source is None else way.source)
    lines += ["", "[toolchain]", _key("from", "debian"), *_suite(way.suite), *_packages(way.packages)]
    lines += ["", "[build]"]
    if way.env:
        lines.append(_key("env", dict(way.env)))
    lines.append(_script(way.script))
    if way.check:
        lines += [
            "",
            _comment("its own tests, which may need packages of their own:"),
            "# [check]",
            f"# {_key('script', way.check)}",
        ]
    lines += ["", "[artifact]"]
    if way.path is None:
        lines.append(_key("format", "tar.gz"))
    else:
        lines += [_key("format", "file"), _key("path", way.path)]
    return "\n".join(lines) + "\n"


def _key(key: str, value: Any, guess: Guess | None = None) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(_key(each, text) for each, text in value.items())
        return f"{key} = {{ {pairs} }}"
    line = tomli_w.dumps({key: value}).rstrip("\n")
    if guess is None:
        return line
    return f"{line}    # {'FILL IN: ' if not guess.sure else ''}{_plain(guess.where)}"


def _sources(way: Way, path: str) -> Iterator[str]:
    """The project, tools that are no Debian packages, and the lock files in the project."""
    yield from ["", f"[sources.{OWN}]" if way.tools else "[source]", _key("path", path)]
    for name, keys in way.tools:
        yield from ["", f"[sources.{name}]", *(_key(key, value) for key, value in keys)]
    for lock in way.locks:
        yield from ["", "[[dependencies]]", *([_key("source", OWN)] if way.tools else []), _key("lock", lock)]
        if way.member is not None:
            yield _key("member", way.member)


def _suite(suite: str) -> list[str]:
    """The key, where it is not the release that is taken by itself."""
    return [] if suite == OLDER else [_key("suite", suite)]


def _packages(packages: tuple[Guess, ...]) -> list[str]:
    """The list, each package on a line of its own with its reason where there are several reasons."""
    if not packages:
        return ["packages = []"]
    names = ", ".join(tomli_w.dumps({"k": each.value}).partition(" = ")[2].strip() for each in packages)
    if len({each.where for each in packages}) == 1:
        return [f"packages = [{names}]    # {_plain(packages[0].where)}"]
    lines = [
        f"    {tomli_w.dumps({'k': each.value}).partition(' = ')[2].strip()},    # {_plain(each.where)}"
        for each in packages
    ]
    return ["packages = [", *lines, "]"]


def _script(script: str) -> str:
    if "'''" in script or any((ord(c) < 32 and c not in "\n\t") or c == "\x7f" for c in script):
        return tomli_w.dumps({"script": script}, multiline_strings=False).rstrip("\n")
    if "\\" in script or '"""' in script:
        return f"script = '''\n{script}'''"
    return f'script = """\n{script}"""'


def _comment(text: str) -> str:
    return f"# {_plain(text)}"


def _plain(text: str) -> str:
    """A text as a comment holds it: on one line, without control characters (TOML 1.0, comments)."""
    return "".join(c if c.isprintable() else "?" for c in text)
