"""Attaching in a static folder: the files under flat names, and last the list that names them."""

from __future__ import annotations

from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, shown, write_atomically, written_atomically
from orchestrator.publishing import flat, rebuilds
from orchestrator.publishing.drafts import locked
from orchestrator.publishing.flat import FLAT_INDEX, SUMS
from orchestrator.publishing.folder import Folder
from orchestrator.publishing.rebuilds import Word
from orchestrator.publishing.reference import Static

_SUMS_LIMIT = 1 << 28


def attach(reference: Static, name: str, word: Word) -> None:
    """Into the folder that has the release. Raises TallyError."""
    path = reference.path
    if path is None or not (path / FLAT_INDEX).is_file():
        raise TallyError(
            f"{reference} is no static folder of releases, so nothing can be attached there",
            hint="sign into a folder with --attest DIR",
        )
    folder = Folder(path)
    try:
        with locked(path):
            files = [
                flat.Listed(flat.flat(f"{rebuilds.FOLDER}/{word.listed.place(each)}"), each.sha256, each.size)
                for each in word.listed.files
            ]
            chunks = {each.path: each.chunks for each in word.files}
            for file, each in zip(files, word.listed.files, strict=True):
                with written_atomically(path / file.file) as stream:
                    for chunk in chunks[each.path]():
                        stream.write(chunk)
            list_name = flat.flat(f"{name}/{rebuilds.LISTING}")
            before = rebuilds.parse(_read(folder, list_name) or rebuilds.render(()))
            others = [each for each in before if each.name != word.listed.name]
            sums = flat.sums(_read(folder, SUMS) or b"", files)
            write_atomically(path / SUMS, sums)
            write_atomically(path / list_name, rebuilds.render([*others, word.listed]))
    except MalformedError as error:
        raise TallyError(
            f"{shown(path)}: {error}", hint="move that list away: what it named can be attached again"
        ) from error
    except OSError as error:
        raise cannot_write(path, error) from error


def _read(folder: Folder, name: str) -> bytes | None:
    try:
        return folder.read(name, _SUMS_LIMIT)
    except FileNotFoundError:
        return None
