"""The files of a project: their paths, and the text of those that are asked for. Pure: a caller reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from orchestrator.projects.guess import Guess


@dataclass(frozen=True)
class Tree:
    """A project's files, with `/` between folders and relative to its own."""

    paths: frozenset[str]
    read: Callable[[str], str | None]
    """The text of a file, or of its beginning; None: there is none, or it is no text."""
    folder: str
    """What the project's folder is called."""
    remote: str | None = None
    """The repository's own address, as `https://…` that a browser takes."""
    tag: str | None = None
    """The newest tag of git's that the commit has below it."""
    path: str = "."
    """The folder, from the repository's top."""
    above: tuple[Tree, ...] = ()
    """The repository's folders over this one that can be a workspace's top, nearest first."""

    begun: str | None = "."
    """Where in the folder Tallystick's own files are written; None: they are written outside it."""

    @property
    def place(self) -> str:
        """The folder, as a sentence has it."""
        return "the repository's top" if self.path == "." else f"the repository's folder {self.path}"

    @cached_property
    def top(self) -> frozenset[str]:
        """The files that lie in no folder."""
        return frozenset(path for path in self.paths if "/" not in path)

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.paths

    def first(self, paths: Iterable[str]) -> str | None:
        """The first of these that there is."""
        return next((path for path in paths if path in self.paths), None)

    def named(self, *suffixes: str) -> list[str]:
        """The files whose names end so, those of upper folders first."""
        found = [path for path in self.paths if path.endswith(suffixes)]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def called(self, name: str) -> list[str]:
        """The files of a name in any folder, those of upper folders first."""
        found = [path for path in self.paths if PurePosixPath(path).name == name]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def lines(self, path: str) -> Iterator[tuple[int, str]]:
        """The lines of a file from 1; none where it cannot be read."""
        yield from enumerate((self.read(path) or "").splitlines(), 1)

    def find(self, path: str, word: str, value: str) -> Guess:
        """A value that a file says on the first line that has `word` and the value, or on none."""
        for number, line in self.lines(path):
            if word in line and value in line:
                return Guess(value, f"{path}:{number}")
        return Guess(value, path)
