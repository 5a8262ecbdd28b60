"""Links and layout of a release, verified by in-toto as `in-toto-verify` does it in a release folder.

in-toto reads files and runs the layout's inspection in the working folder. So it gets a private folder with
the bytes that are to be published and nothing else, and this process works in it for that moment: no other
thread of ours is at work then.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.clients.refusal import IN_TOTO, refused
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.layout import LAYOUT, LAYOUT_KEY
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.interruption import INTERRUPTION

_HINT = "clients of the release would refuse it alike; please report this with its message"
_LEFT_OUT = ("*.link*", ".git", "*.pyc", "*~")
"""in-toto's ARTIFACT_EXCLUDE_PATTERNS: to its clients such files are not there."""
_INSPECTION = 60  # seconds for the inspection's command, `true`, on a machine that is busy


def refuse_name(name: str) -> None:
    """Raises TallyError for an artifact that in-toto would not find, called so: known before it is built."""
    if any(fnmatchcase(name, pattern) for pattern in _LEFT_OUT):
        raise TallyError(
            f"no in-toto client finds an artifact called {name}: they leave out {', '.join(_LEFT_OUT)}",
            hint="change the name, the version or the [artifact] of the recipe; --no-sign builds it as it is",
        )


def verify(files: Sequence[ReleaseFile], artifact: Path, name: str, key: str | None, scratch: Path) -> None:
    """Nothing, where in-toto accepts links and layout. Raises TallyError with its words.

    `files` are the release's links, its layout and, where that is among them, the layout's public key; else
    `key` is that, in PEM. `artifact` is the file that will be published as `name`. Below `scratch`, a folder
    of this run's, lies what in-toto reads.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="in-toto-", dir=scratch) as folder:
            _write(Path(folder), files, artifact, name, key)
            with INTERRUPTION.held(), _heard() as said, _working_in(folder):
                words = _words_of(Path("links"))
    except OSError as error:
        raise cannot_write(scratch, error) from error
    if words is not None:
        raise refused(IN_TOTO, "the release's links and layout", [words, *said], _HINT)


def _words_of(links: Path) -> str | None:
    """Why in-toto refuses what the working folder holds; None: it does not."""
    from in_toto.models._signer import load_public_key_from_file
    from in_toto.models.metadata import Metadata
    from in_toto.verifylib import in_toto_verify

    try:
        key = load_public_key_from_file(LAYOUT_KEY)
        in_toto_verify(
            Metadata.load(LAYOUT),
            {key["keyid"]: key},
            str(links),
            persist_inspection_links=False,
            inspect_timeout=_INSPECTION,
        )
    except Exception as error:  # noqa: BLE001  its own program takes any for a no
        return f"{type(error).__name__}: {error}"
    return None


def _write(folder: Path, files: Sequence[ReleaseFile], artifact: Path, name: str, key: str | None) -> None:
    (folder / "links").mkdir()
    if key is not None:
        (folder / LAYOUT_KEY).write_text(key, encoding="ascii")
    for file in files:
        with (folder / file.path).open("wb") as stream:
            stream.writelines(file.chunks())
    (folder / name).symlink_to(artifact.absolute())


@contextmanager
def _working_in(folder: str) -> Iterator[None]:
    """That folder as this process's own; afterwards the one before, even where that is gone by then."""
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What in-toto logs meanwhile: it would go to the terminal otherwise, as a warning on each link does."""
    logger, said = logging.getLogger("in_toto"), _Said()
    before, propagated = logger.handlers[:], logger.propagate
    logger.handlers[:], logger.propagate = [said], False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what its own dependencies will no longer have some day
            yield said.lines
    finally:
        logger.handlers[:], logger.propagate = before, propagated


class _Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
