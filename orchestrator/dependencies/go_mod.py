"""go.mod and go.work, the directives that say what a Go project needs. Pure.

Format: https://go.dev/ref/mod#go-mod-file and #workspaces; Go's golang.org/x/mod/modfile reads the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.values import dataclass

LIMIT: Final = 4 << 20
_MEND: Final = "mend it, as `go mod tidy` has it"
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|//.*|[()]|=>|[^\s()"`]+?(?=//|[\s()]|$)')


@dataclass(frozen=True, slots=True)
class Module:
    """A module at a version."""

    path: str
    version: str

    @property
    def key(self) -> str:
        return f"{self.path}@{self.version}"


@dataclass(frozen=True, slots=True)
class Required:
    """A line of `require`."""

    module: Module
    indirect: bool
    line: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """A line of `replace`."""

    path: str
    version: str | None
    """None: every version."""
    by: str
    """A module's path, or a folder's, which begins with `./`, `../` or `/`."""
    by_version: str | None
    """None where it is a folder."""
    line: int


@dataclass(frozen=True, slots=True)
class GoMod:
    """One such file."""

    place: str
    """Its path from the top of the source."""
    module: str | None
    go: str | None
    required: tuple[Required, ...]
    replaced: tuple[Replaced, ...]
    used: tuple[tuple[str, int], ...]
    """go.work's folders, each with its line."""


def read(data: bytes, place: str) -> GoMod:
    """Raises BadLock with the line of what is none."""
    if len(data) > LIMIT:
        raise BadLock(place, None, f"it is larger than {LIMIT >> 20} MiB, and not read", hint=_MEND)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadLock(place, line, "not UTF-8", hint=_MEND) from error
    module = go = None
    required, replaced, used = [], [], []
    for line, words, comment in _directives(text, place):
        match words:
            case ["module", path]:
                module = path
            case ["go", version]:
                go = version
            case ["require", path, version]:
                indirect = re.match(r"//\s*indirect\s*(;|$)", comment) is not None
                required.append(Required(Module(path, version), indirect, line))
            case ["replace", path, "=>", by] | ["replace", path, _, "=>", by]:
                if not by.startswith(("./", "../", "/")) and by not in (".", ".."):
                    raise BadLock(place, line, f"{path} is replaced by {by} without a version", hint=_MEND)
                replaced.append(Replaced(path, words[2] if len(words) == 5 else None, by, None, line))
            case ["replace", path, "=>", by, version] | ["replace", path, _, "=>", by, version]:
                replaced.append(Replaced(path, words[2] if len(words) == 6 else None, by, version, line))
            case ["use", folder]:
                used.append((folder, line))
            case ["module" | "go" | "require" | "replace" | "use", *_]:
                raise BadLock(place, line, f"`{words[0]}` is not followed by what it needs", hint=_MEND)
            case _:  # exclude, retract, toolchain, tool, godebug, ignore: they name nothing to fetch
                pass
    return GoMod(place, module, go, tuple(required), tuple(replaced), tuple(used))


def _directives(text: str, place: str) -> Iterator[tuple[int, Sequence[str], str]]:
    """Each directive with its verb, those of a block too; and the comment behind it."""
    block: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        words, comment = [], ""
        for found in _WORD.finditer(line):
            word = found[0]
            if word.startswith("//"):
                comment = word
                break
            words.append(_unquoted(word))
        if not words:
            continue
        if block is not None and words == [")"]:
            block = None
        elif block is not None:
            yield number, [block, *words], comment
        elif len(words) == 2 and words[1] == "(":
            block = words[0]
        elif words[1:] != ["(", ")"]:
            yield number, words, comment
    if block is not None:
        raise BadLock(place, None, f"the block of `{block}` is not closed", hint=_MEND)


def _unquoted(word: str) -> str:
    if word[0] == "`":
        return word[1:-1]
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word[0] == '"' else word
