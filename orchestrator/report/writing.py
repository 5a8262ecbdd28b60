"""Write a site into a folder: each file whole or not at all, and only those that changed."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, contents, shown, sync_file_system, written_atomically
from orchestrator.ledger.entries import Verdict
from orchestrator.report.verdicts import word

MARK: Final = ".tally-report"
"""The file by which a folder is known as one of ours: nothing is written or removed in another."""
OWNED: Final = ("badge", "files", "p")
"""Folders in which all is ours; beside them others may lie."""
_LISTS = "|".join(("packages", "latest", "cause-.+", *map(word, Verdict)))
_PAGED = re.compile(rf"(?:{_LISTS})-\d+\.html|search-\d+\.js")
_SAID: Final = (
    b"Made by `tally report`, which writes this folder again and removes what is no longer in it.\n"
)


@dataclass(slots=True)
class Written:
    """What became of a site's files."""

    new: int = 0
    """Written, since they were not there or had something else in them."""
    same: int = 0
    removed: int = 0


def ready(out: Path) -> None:
    """Make the folder, or take one that is ours or empty. Raises TallyError for any other."""
    hint = "name a folder that is not there, or is empty, or that `tally report` made"
    try:
        out.mkdir(parents=True, exist_ok=True)
        names = os.listdir(out)
        if names and MARK not in names:
            raise TallyError(f"{shown(out)} has files that are not of a report", hint=hint)
        for name in OWNED:
            if name in names and not stat.S_ISDIR((out / name).lstat().st_mode):
                raise TallyError(f"{shown(out / name)} is no folder, and a report needs one there", hint=hint)
        if MARK not in names:
            with written_atomically(out / MARK) as stream:
                stream.write(_SAID)
    except OSError as error:
        raise cannot_write(out, error) from error


def write(out: Path, files: Iterable[tuple[str, bytes | Path]]) -> Written:
    """Write what differs, then remove what is left of an older report. `out` is `ready`.

    A file's bytes, or another file that is copied. A run that is killed leaves files that are each whole; the
    next one finds them. Raises TallyError.
    """
    done, names, folders = Written(), set[str](), {Path()}
    try:
        for name, content in files:
            names.add(name)
            _refuse_links(out, Path(name).parent, folders)
            if _is_there(out / name, content):
                done.same += 1
            else:
                _put(out / name, content)
                done.new += 1
        sync_file_system(out)
        for old in _left(out, names):
            old.unlink()
            done.removed += 1
            with suppress(OSError):  # others are still in it
                for folder in old.relative_to(out).parents[:-1]:  # their names tell what there was
                    (out / folder).rmdir()
    except OSError as error:
        raise cannot_write(Path(error.filename or out), error) from error
    return done


def _refuse_links(out: Path, folder: Path, seen: set[Path]) -> None:
    """Nothing is written through a link, which may lead out of the site. `seen` are folders that are none."""
    for each in (folder, *folder.parents):
        if each not in seen and (out / each).is_symlink():
            raise TallyError(
                f"{shown(out / each)} is a link, and a report needs a folder there", hint="remove the link"
            )
        seen.add(each)


def _is_there(path: Path, content: bytes | Path) -> bool:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return False
        if isinstance(content, Path):
            return filecmp.cmp(content, path, shallow=False)
        return status.st_size == len(content) and contents(path, len(content)) == content
    except OSError:
        return False


def _put(path: Path, content: bytes | Path) -> None:
    with written_atomically(path, synced=False) as stream:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, stream)
        else:
            stream.write(content)


def _left(out: Path, names: set[str]) -> Iterator[Path]:
    """Files of an older report, or of one that was killed, that are not in this one."""
    yield from (path for path in out.iterdir() if _PAGED.fullmatch(path.name) and path.name not in names)
    for folder in OWNED:
        for parent, _, some in os.walk(out / folder):
            for name in some:
                path = Path(parent, name)
                if str(path.relative_to(out)) not in names:
                    yield path
