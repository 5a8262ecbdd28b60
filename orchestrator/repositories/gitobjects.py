"""Objects of a git repository, each hashed again when it is read.

git believes that what lies under an object's id has that id. A `.git` from elsewhere, as an archive or
a cache has one, could show another tree under a genuine commit. Formats: "Git Objects" of Pro Git.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Self

from orchestrator.ground.errors import TallyError
from orchestrator.repositories.bounds import Budget, check_link, check_path
from orchestrator.repositories.git import command, environment

if TYPE_CHECKING:
    from hashlib import _Hash

FOLDER: Final = "40000"
SUBMODULE: Final = "160000"
SYMLINK: Final = "120000"
_CHUNK: Final = 1 << 20
_LARGEST: Final = 1 << 28  # bytes of a commit or a tree; a folder of a million files has some 60 MB
_HELD: Final = 100_000  # entries of trees that are kept, to be found again


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree."""

    mode: str
    """In octal, without leading zeros, as a tree has it."""
    object: str
    path: bytes
    """Relative to the tree that was asked for."""

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, executable or not."""
        return self.mode.startswith("100")


class Objects:
    """What a repository holds. A context: it is read by one `git cat-file --batch`."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._trees: dict[str, tuple[Entry, ...]] = {}
        self._held = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            command(self._repository, "cat-file", "--batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # the rest of an object may be on its way
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:  # it has ended; what it was told then does not matter
                pass
        self._process.wait()

    def tree_of(self, commit: str) -> str:
        """The id of a commit's tree. Raises TallyError."""
        first = self._whole(commit, "commit").partition(b"\n")[0]
        if not first.startswith(b"tree "):
            raise TallyError(f"the commit {commit} has no tree")
        return first.removeprefix(b"tree ").decode("ascii", "replace")

    def at(self, tree: str, path: bytes) -> Entry | None:
        """What a tree has at a path with slashes; the tree itself at the empty one. Raises TallyError."""
        found = Entry(FOLDER, tree, b"")
        for part in filter(None, path.split(b"/")):
            if found.mode != FOLDER:
                return None
            below = (each for each in self._entries(found.object) if each.path == part)
            if (found_below := next(below, None)) is None:
                return None
            found = found_below
        return found

    def walk(self, tree: str, budget: Budget | None = None, above: bytes = b"") -> Iterator[Entry]:
        """Every entry below a tree but its folders, in git's order, one folder at a time.

        Raises TallyError, also where the budget ends.
        """
        budget = budget or Budget(f"the repository {self._repository}")
        stack = [(above, self._entered(tree, 1, budget))]
        while stack:
            above, rest = stack[-1]
            if (each := next(rest, None)) is None:
                stack.pop()
                continue
            path = above + each.path
            check_path(path)
            if each.mode == FOLDER:
                stack.append((path + b"/", self._entered(each.object, len(stack) + 1, budget)))
            else:
                yield Entry(each.mode, each.object, path)

    def copy(self, entry: Entry, write: Callable[[bytes], object], budget: Budget | None = None) -> None:
        """Give a file's content to `write` in pieces. Raises TallyError, for a forged one at its end."""
        size, digest = self._begun(entry.object, "blob")
        if entry.mode == SYMLINK:
            check_link(entry.path, size)
        (budget or Budget(f"the repository {self._repository}")).file(entry.path, size)
        for piece in self._pieces(size):
            digest.update(piece)
            write(piece)
        self._ended(entry.object, digest)

    def _entered(self, tree: str, depth: int, budget: Budget) -> Iterator[Entry]:
        entries = self._entries(tree)
        budget.folder(depth, len(entries))
        return iter(entries)

    def _entries(self, tree: str) -> tuple[Entry, ...]:
        if tree not in self._trees:
            width = len(tree) // 2
            data, place, found = self._whole(tree, "tree"), 0, []
            while place < len(data):
                end = data.find(b"\0", place)
                mode, space, name = data[place : max(end, place)].partition(b" ")
                place = end + 1 + width
                if not (end >= 0 and space and place <= len(data)):
                    raise TallyError(f"the tree {tree} in {self._repository} is damaged")
                if name in (b"", b".", b"..", b".git") or b"/" in name:
                    raise TallyError(f"the tree holds a file with the unsafe name {os.fsdecode(name)!r}")
                found.append(Entry(mode.decode("ascii", "replace"), data[place - width : place].hex(), name))
            if len({each.path for each in found}) != len(found):
                told = (
                    f"the tree {tree} has one name twice"  # a link and a folder: files would follow the link
                )
                raise TallyError(told, hint="see `git fsck`")
            self._held += len(found)
            if self._held > _HELD:
                self._trees.clear()
                self._held = len(found)
            self._trees[tree] = tuple(found)
        return self._trees[tree]

    def _whole(self, name: str, kind: str) -> bytes:
        size, digest = self._begun(name, kind)
        if size > _LARGEST:
            raise TallyError(f"the {kind} {name} is larger than {_LARGEST >> 20} MiB")
        data = b"".join(self._pieces(size))
        digest.update(data)
        self._ended(name, digest)
        return data

    def _begun(self, name: str, kind: str) -> tuple[int, _Hash]:
        """The size of an object that comes now, and the digest of what git puts before it."""
        asking, answers = self._streams
        try:
            asking.write(f"{name}\n".encode())
            asking.flush()
        except BrokenPipeError:
            raise self._lacks(kind, name) from None
        found = answers.readline().split()
        if len(found) != 3 or found[1] != kind.encode():
            raise self._lacks(kind, name)
        digest = hashlib.sha256() if len(name) == 64 else hashlib.sha1(usedforsecurity=False)
        digest.update(b"%s %s\0" % (kind.encode(), found[2]))
        return int(found[2]), digest

    def _pieces(self, size: int) -> Iterator[bytes]:
        _, answers = self._streams
        while size:
            piece = answers.read(min(_CHUNK, size))
            if not piece:
                raise TallyError(f"git stopped in the middle of an object of {self._repository}")
            yield piece
            size -= len(piece)
        answers.read(1)

    def _ended(self, name: str, digest: _Hash) -> None:
        if digest.hexdigest() != name:
            raise TallyError(
                f"the git repository {self._repository} has something else under the id {name}",
                hint="see `git fsck`; clone it again from where it is whole",
            )

    def _lacks(self, kind: str, name: str) -> TallyError:
        return TallyError(
            f"the git repository {self._repository} lacks the {kind} {name}",
            hint="fetch it: `git fetch --unshallow`, or clone without --filter",
        )

    @property
    def _streams(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout
