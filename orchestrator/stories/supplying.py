"""The fixed inputs beside a release: read back after they were published, and fetched with it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read, shown, write_atomically, written_atomically
from orchestrator.ground.parallel import Stopped, in_parallel
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.wording import counted
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing.inputs import LISTING, Input, Supplied, render
from orchestrator.publishing.sources.source import Shelf
from orchestrator.run.supplies import Published

_TOGETHER = 8


def read_back(shelf: Shelf | None, inputs: Sequence[Supplied]) -> None:
    """See that every input comes back as it was put. Raises TallyError."""
    if shelf is None or not inputs:
        return
    published, stop = Published(shelf), Event()

    def work(one: Supplied) -> None:
        digest = hashlib.sha256()
        try:
            for chunk in published.read(one.input.name, one.input.digest):
                if stop.is_set():
                    raise Stopped
                digest.update(chunk)
        except Unreachable as error:
            raise _lost(one.input, published.place, str(error)) from error
        if digest.hexdigest() != one.input.sha256.hex:
            raise _lost(one.input, published.place, f"its sha256 is {digest.hexdigest()}")

    for _, failure in in_parallel(inputs, work, stop, threads=_TOGETHER):
        if failure is not None:
            raise failure


def bring(shelf: Shelf | None, out: Path, name: str) -> int:
    """Fetch the inputs of the release `name` into the folder that it is in; what is there stays.

    Gives how many there are. Raises Refused for those that are not what the list says, TallyError where that
    cannot be known.
    """
    inputs = _listed(shelf, name)
    assert shelf is not None
    published, stop = Published(shelf), Event()
    reasons: list[Reason] = []
    lacking = [each for each in inputs if not _has(out / each.path, each)]
    size, free = sum(each.size for each in lacking), shutil.disk_usage(out).free
    if size > free:
        raise TallyError(
            f"the sources of {name} have {size} bytes, and {shown(out)} has room for {free}",
            hint="free some space, name another folder with --out, or leave --with-sources out",
        )

    def work(one: Input) -> None:
        digest = hashlib.sha256()
        try:
            with written_atomically(out / one.path) as stream:
                for chunk in published.read(one.name, one.digest):
                    if stop.is_set():
                        raise Stopped
                    digest.update(chunk)
                    stream.write(chunk)
                if digest.hexdigest() != one.sha256.hex:
                    why = f"{one.name} is sent as sha256:{digest.hexdigest()}, and listed as {one.sha256}"
                    raise Refused(Reason(Code.DIGEST_MISMATCH, why))
        except Refused as refused:
            reasons.extend(refused.reasons)
        except Unreachable as error:
            raise TallyError(f"{one.name}, at {published.place}: {error}", hint="try again") from error

    failures = [failure for _, failure in in_parallel(lacking, work, stop, threads=_TOGETHER) if failure]
    if reasons:
        raise Refused(*sorted(reasons, key=lambda each: each.sentence))
    if failures:
        told = "\n".join(sorted(failure.message for failure in failures))
        raise TallyError(f"{counted(len(failures), 'source')} of {name} cannot be fetched:\n{told}")
    write_atomically(out / f"{name}.{LISTING}", render(inputs))
    return len(inputs)


def _listed(shelf: Shelf | None, name: str) -> list[Input]:
    published = None if shelf is None else Published(shelf)
    try:
        inputs = [] if published is None else list(published.listed().values())
    except Unreachable as error:
        assert published is not None
        raise TallyError(
            f"{published.place}: {error}", hint="see whether it is there, and try again"
        ) from error
    if not inputs:
        where = f" at {published.place}" if published else ""
        raise TallyError(
            f"no sources of {name} are published{where}",
            hint="leave --with-sources out; who publishes the release gives it to put them there",
        )
    return inputs


def _has(file: Path, one: Input) -> bool:
    try:
        return file.stat().st_size == one.size and Sha256.of_file(file) == one.sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise cannot_read(file, error, "", "see who may read it") from error


def _lost(one: Input, place: str, why: str) -> TallyError:
    return TallyError(
        f"{one.name} did not come back from {place} as it was put: {why}",
        hint="see who else writes there, and run the command again",
    )
