"""NAR files: Nix's manual, "Nix Archive (NAR) format". Read where it lies, nothing is restored."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from orchestrator.places.content import Content, Unreadable
from orchestrator.places.found import Found, Pair
from orchestrator.places.members import Attributes, Format, Member, compared
from orchestrator.places.place import Aspect

_LONGEST: Final = 4096  # of a name, or of where a link leads
_DEEPEST: Final = 2048  # folders within each other, as a path has them
FORMAT: Final = Format(
    "nar", ((Aspect.TYPE, "type"), (Aspect.EXECUTABLE, "executable"), (Aspect.TARGET, "target"))
)


def look(pair: Pair) -> Iterator[Found]:
    """Members by their paths."""
    first, second = (list(_Reader(pair, content).members()) for content in (pair.first, pair.second))
    yield from compared(FORMAT, first, second, Attributes(FORMAT, pair.budget.limits.spots))


class _Reader:
    """One side, from its start to its end."""

    def __init__(self, pair: Pair, content: Content) -> None:
        self._budget, self._content, self._at = pair.budget, content, 0

    def members(self) -> Iterator[Member]:
        self._expect(b"nix-archive-1")
        folders: list[bytes] = []
        yield from self._node(b".", folders)
        while folders:
            path = folders[-1]
            word = self._word()
            if word == b")":
                folders.pop()
                if folders:
                    self._expect(b")")  # the entry's
                continue
            if word != b"entry" or len(folders) > _DEEPEST:
                raise Unreadable("it has something else than an entry in a folder")
            self._expect(b"(")
            self._expect(b"name")
            name = self._word()
            if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
                raise Unreadable("it has a name that no folder has")
            self._expect(b"node")
            depth = len(folders)
            yield from self._node(name if path == b"." else path + b"/" + name, folders)
            if len(folders) == depth:
                self._expect(b")")  # the entry's; that of a folder comes after what is in it

    def _node(self, path: bytes, folders: list[bytes]) -> Iterator[Member]:
        """One node; a folder is put on the stack, with its entries left to read."""
        self._budget.member()
        self._expect(b"(")
        self._expect(b"type")
        match self._word():
            case b"directory":
                folders.append(path)
                yield Member(path, ("a folder", "", ""), None)
            case b"symlink":
                self._expect(b"target")
                yield Member(path, ("a symbolic link", "", self._word()), None)
                self._expect(b")")
            case b"regular":
                word, executable = self._word(), "not executable"
                if word == b"executable":
                    self._expect(b"")
                    word, executable = self._word(), "executable"
                size = 0
                if word == b"contents":
                    size = self._number()
                    start = self._at
                    yield Member(path, ("a file", executable, ""), partial(self._content.part, start, size))
                    self._at = start + size + -size % 8
                    self._expect(b")")
                else:
                    raise Unreadable("it has a file without contents")
            case _:
                raise Unreadable("it has what is no file, folder or symbolic link")

    def _expect(self, word: bytes) -> None:
        if self._word() != word:
            raise Unreadable("it is no NAR, or a damaged one")

    def _number(self) -> int:
        data = self._content.at(self._at, 8)
        if len(data) < 8:
            raise Unreadable("it ends in its middle")
        self._at += 8
        return int.from_bytes(data, "little")

    def _word(self) -> bytes:
        size = self._number()
        if size > _LONGEST:
            raise Unreadable("it has a name that is longer than any")
        word = self._content.at(self._at, size)
        if len(word) < size:
            raise Unreadable("it ends in its middle")
        self._at += size + -size % 8
        return word
