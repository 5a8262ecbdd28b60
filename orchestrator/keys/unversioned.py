"""A private key beside versioned files: git is told to leave it out before it is written."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown
from orchestrator.repositories.git import BareError, git

_SPECIAL = re.compile(r"[\\*?\[\]!#]|\s(?=\s*$)")  # gitignore(5)
_HINT = "put the key where no repository is, or give --force and take care that it is never committed"


def leave_out(private: Path, *, force: bool = False) -> str | None:
    """See to it that `git add` leaves a file out that is to hold a private key.

    Gives a sentence where there is something to say; None where the file is in no repository's work tree,
    or ignored. Raises TallyError where git could take it up all the same, or does not say; with `force`
    that is the sentence.
    """
    if shutil.which("git") is None:
        return None
    try:
        return _leave_out(private)
    except TallyError as error:
        if not force:
            raise
        return error.message


def _leave_out(private: Path) -> str | None:
    folder, rest = _existing(private.absolute().parent)
    try:
        if not _in_work_tree(folder):
            return None  # no repository, a bare one, or within `.git`
        prefix = git(folder, "rev-parse", "--show-prefix").removesuffix("\n")
        name = f"{prefix}{rest}{private.name}"
        top = Path(git(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
        tracked = git(top, "ls-files", "--cached", "--", f":(top,literal){name}")
        exclude = folder / git(folder, "rev-parse", "--git-path", "info/exclude").removesuffix("\n")
    except TallyError as error:
        raise TallyError(
            f"git does not say whether it would take up {shown(private)}: {error.message}", hint=_HINT
        ) from error
    if tracked:
        raise TallyError(f"git has {shown(private)} already, and would commit the new key there", hint=_HINT)
    if _ignored(top, name):
        return None
    if "\n" in name or not _added(exclude, name) or not _ignored(top, name):
        raise TallyError(
            f"`git add` would take up {shown(private)}, and {shown(exclude)} does not keep it out",
            hint=f"add /{name} to .gitignore, behind the lines that bring it back; or {_HINT}",
        )
    return f"added {shown(private)} to {os.path.relpath(exclude)}, so that `git add` leaves it out"


def _in_work_tree(folder: Path) -> bool:
    """Raises TallyError for a bare repository within a work tree, whose files the outer one would take up."""
    try:
        return git(folder, "rev-parse", "--is-inside-work-tree", missing="").strip() == "true"
    except BareError:
        inside_git = ".git" in folder.parts  # from where git takes up nothing
        if not inside_git and folder.parent != folder and _in_work_tree(folder.parent):
            raise
        return False


def _existing(folder: Path) -> tuple[Path, str]:
    """The nearest folder that is there, without links, and the rest of the path, with a slash behind it."""
    rest = ""
    while not folder.is_dir():
        rest = f"{folder.name}/{rest}"
        folder = folder.parent
    return folder.resolve(), rest


def _ignored(top: Path, name: str) -> bool:
    return bool(git(top, "check-ignore", "--", f"./{name}", missing=""))


def _added(exclude: Path, name: str) -> bool:
    """Whether the line could be written. `info/exclude` is this clone's own, and is never committed."""
    line = "/" + _SPECIAL.sub(lambda found: f"\\{found[0]}", name)
    try:
        exclude.parent.mkdir(exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(exclude, flags, 0o666), "a+b") as stream:
            stream.seek(max(stream.tell() - 1, 0))
            ended = stream.read(1) in (b"", b"\n")
            stream.write((b"" if ended else b"\n") + os.fsencode(line) + b"\n")
    except OSError:
        return False
    return True
