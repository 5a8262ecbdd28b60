"""Which files requirements.txt means by its digests, as the indexes say that the machine's own pip asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Final

from orchestrator.dependencies.dependency import BadLock
from orchestrator.dependencies.python import files
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.requirements import Line, Requirements, fitting
from orchestrator.dependencies.python.walk import fits
from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.digest import Sha256
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.wording import counted, some
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pyindex import File, Index

_THREADS: Final = 8


def names_of(
    said: Requirements,
    place: str,
    asked: Asked,
    index: Index,
    stop: Event,
    say: Callable[[str], None],
    *,
    changed: bool = False,
) -> Mapping[str, str]:
    """The file that each package takes, by its sha256. What `asked` has of it already is kept.

    Where the file has `changed` since, a digest beside that of an sdist can be a wheel's that is new there:
    an index that can be had is asked. Raises BadLock for a digest that no index has, and for two files of
    one name.
    """
    found = {}
    unknown = []
    for line in said.lines:
        held = [each.hex for each in line.digests if _is_kept(line, asked.names.get(each.hex), asked)]
        if held:
            found[held[0]] = asked.names[held[0]]
        if line.url is None and (not held or (changed and _may_have_a_wheel(line, asked.names[held[0]]))):
            unknown.append(line)
    if unknown:
        say(f"asking the indexes of pip what {counted(len(unknown), 'package')} of {place} are called")
    unasked = set()
    for line, failure in in_parallel(unknown, lambda line: index.files(line.name), stop, threads=_THREADS):
        if failure is None:
            continue
        if not any(each.hex in found for each in line.digests):
            raise BadLock(line.place, line.line, failure.message, hint=failure.hint or "check the network")
        unasked.add(line.name)
    for line in unknown:
        if line.name in unasked:
            continue
        digest, file = _chosen(line, asked, index)
        for each in line.digests:
            found.pop(each.hex, None)
        if file.yanked is not None:
            why = f": {file.yanked}" if file.yanked else ""
            say(f"{line.place}, line {line.line}: {line.name} {line.version} was yanked{why}")
        found[digest] = file.name
    return found


def _is_kept(line: Line, file: str | None, asked: Asked) -> bool:
    """Whether a file that was found once is still one that fits."""
    try:
        return file is not None and fitting(line, file, asked)
    except BadLock:
        return False


def _may_have_a_wheel(line: Line, held: str) -> bool:
    return line.binary and len(line.digests) > 1 and not held.endswith(".whl")


def refuse_other_indexes(said: Requirements, place: str, mirrors: Mirrors) -> None:
    """Raises BadLock for an index in the file that pip does not ask here: nobody could fetch from it."""
    if not said.registries:
        return
    known = {without_credentials(each).rstrip("/") for each in mirrors.bases("pypi")}
    for each in said.registries:
        if each.rstrip("/") not in known and files.registry_of(each) != files.PYPI:
            raise BadLock(
                place,
                None,
                f"it names the index {each}, which pip does not ask here",
                hint="add it to pip's configuration, or to `pypi` in [mirrors] of tally.toml",
            )


def _chosen(line: Line, asked: Asked, index: Index) -> tuple[str, File]:
    wanted = {each.hex for each in line.digests if isinstance(each, Sha256)}
    listed = [file for file in index.files(line.name) if _is_of(file, line)]
    _refuse_confusion(line, wanted, index)
    by_digest = {file.sha256: file for file in listed if file.sha256 is not None and file.sha256 in wanted}
    if not by_digest:
        by_digest = {
            digest: file
            for file in listed
            if file.sha256 is None and (digest := index.digest(file)) is not None and digest in wanted
        }
    if not by_digest:
        there = some([f"{file.name} {file.sha256 or ''}".strip() for file in listed], 3)
        raise BadLock(
            line.place,
            line.line,
            f"no index has a file of {line.name} {line.version} with one of its digests; there is {there}",
            hint="find out who changed the digests, or have the file written again",
        )
    usable = {digest: file for digest, file in by_digest.items() if _fits(file, line, asked)}
    if not usable and not any(_python(file, asked) for file in by_digest.values()):
        needed = some(sorted({str(file.requires_python) for file in by_digest.values()}))
        raise BadLock(
            line.place,
            line.line,
            f"{line.name} {line.version} requires Python {needed}, and the toolchain has "
            f"{asked.interpreter.version}",
            hint="use a toolchain with such a Python, or pin another version",
        )
    offered = [files.File(file.name, Sha256(digest), ()) for digest, file in (usable or by_digest).items()]
    best = files.best(offered, asked.interpreter, line.name, line.version, line.place, line.line)
    return next((digest, file) for digest, file in by_digest.items() if file.name == best.name)


def _is_of(file: File, line: Line) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return file.version == Version(line.version)
    except InvalidVersion:
        return False


def _fits(file: File, line: Line, asked: Asked) -> bool:
    return (line.binary if file.is_wheel else line.source) and _python(file, asked)


def _python(file: File, asked: Asked) -> bool:
    try:
        return fits(file.requires_python, asked.interpreter)
    except ValueError:  # as pip has it: what is not understood excludes nobody
        return True


def _refuse_confusion(line: Line, wanted: set[str], index: Index) -> None:
    for file, digests in sorted(index.apart(line.name).items()):
        if digests & wanted:
            raise BadLock(
                line.place,
                line.line,
                f"two indexes have different files called {file}: sha256 {' and '.join(sorted(digests))}",
                hint="find out which of the two is meant, and have pip ask that index alone for it",
            )
