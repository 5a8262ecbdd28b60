"""Keep what builders made when they disagree: the results side by side, there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.agreement.agreement import DifferingOutput, Disagreed
from orchestrator.agreement.culprits import earlier
from orchestrator.agreement.difference import pair_of, pairs_of
from orchestrator.agreement.trees import Side
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, sync_folder
from orchestrator.ground.state import State
from orchestrator.nix.derivation import name_of

Locate = Callable[[str], Path]
"""Takes a store path and gives where its bytes lie on this machine."""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A disagreement's folder: `<builder>/<output's name>` and `<builder>/logs/<name>.log`."""

    folder: Path
    _results: Mapping[str, tuple[Side, ...]]

    def results(self, output: DifferingOutput) -> tuple[Side, ...]:
        """Every result of a differing output; the first two have different hashes if any have."""
        first, second = pair_of(output)
        sides = {side.name: side for side in self._results[output.path]}
        return (sides.pop(first), sides.pop(second), *sides.values())

    def pairs(self, output: DifferingOutput) -> tuple[tuple[Side, Side], ...]:
        """Results to compare, so that each of them is told of: see `pairs_of`."""
        sides = {side.name: side for side in self._results[output.path]}
        return tuple((sides[one], sides[other]) for one, other in pairs_of(output))


def keep_side_by_side(
    state: State,
    name: str,
    disagreed: Disagreed,
    locate: Mapping[str, Locate],
    *,
    notes: Mapping[str, bytes] | None = None,
    now: datetime | None = None,
) -> SideBySide:
    """Copy each builder's differing outputs and logs to `<state>/disagreements/<name>-<time>/<builder>/…`.

    `locate` has each builder's name; `notes` are files to stand beside the builders' folders. Links are
    copied as links; files and folders become writable by their owner, so that the copy can be removed. All
    is copied aside and renamed into its place when it is whole.

    Raises:
        TallyError: when something to keep is gone, or its copy cannot be written.
    """
    kept = keep(state, name, _sources(disagreed, locate), notes=notes, now=now)
    names = _output_names(disagreed)
    results = {
        output.path: tuple(Side(side, kept / folder_of(side) / names[output.path]) for side in output.hashes)
        for output in disagreed.differing
    }
    return SideBySide(kept, results)


def keep(
    state: State,
    name: str,
    sources: Mapping[Path, Path],
    *,
    notes: Mapping[str, bytes] | None = None,
    now: datetime | None = None,
) -> Path:
    """Copy what `sources` has by its place to `<state>/disagreements/<name>-<time>/PLACE`; gives that folder.

    `notes` are files to write there, by name.

    Raises as `keep_side_by_side` does.
    """
    time = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    target = state.disagreements / f"{name}-{time}"
    temporary: Path | None = None
    try:
        parent = state.folder("disagreements")
        temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name[:100]}.", suffix=".tmp"))
        for place, source in sources.items():
            copy_tree(source, temporary / place)
        for file, data in (notes or {}).items():
            (temporary / file).write_bytes(data)
        temporary.chmod(0o755)
        kept = _renamed(temporary, target)
        temporary = None
        sync_folder(parent)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return kept


def _sources(disagreed: Disagreed, locate: Mapping[str, Locate]) -> Mapping[Path, Path]:
    """Place in the kept folder to what is copied there."""
    names = _output_names(disagreed)
    found: dict[Path, Path] = {}
    for report in disagreed.reports:
        builder = report.identity.name
        for output in disagreed.differing:
            place = names[output.path]
            found[Path(folder_of(builder), place)] = locate[builder](output.path)
            build = report.builds.get(output.derivation)
            if build is not None and output.output in build.unstable:
                found[Path(folder_of(earlier(builder)), place)] = locate[builder](output.path)
                found[Path(folder_of(builder), place)] = build.unstable[output.output].path
        for drv, build in report.builds.items():
            log = Path(folder_of(builder), "logs", build.log.name)
            found[log.with_name(f"{Path(drv).stem}.log") if log in found else log] = build.log
    return found


def _output_names(disagreed: Disagreed) -> Mapping[str, str]:
    """Store path to a short name: the whole one where two outputs would share it."""
    names = [name_of(output.path) for output in disagreed.differing]
    return {
        output.path: name if names.count(name) == 1 and name != "logs" else Path(output.path).name
        for output, name in zip(disagreed.differing, names, strict=True)
    }


def folder_of(side: str) -> str:
    """What the folder of a builder's results is called; `side` is its name, or that of its earlier result."""
    return side.replace(" (earlier)", "-earlier")


def result_in(kept: Path, side: str, path: str) -> Path:
    """Where a kept folder has a side's result of a store path; where it would be, if it has none.

    By its whole name first: the short one may be another output's, or the folder of the logs.
    """
    whole = kept / folder_of(side) / Path(path).name
    return whole if os.path.lexists(whole) else whole.with_name(name_of(path))


def copy_tree(source: Path, target: Path) -> None:
    """Copy what is there, links as links; every file and folder becomes writable by its owner."""
    if not os.path.lexists(source):
        raise TallyError(f"{source} is gone before it could be kept", hint="run the command again")
    target.parent.mkdir(parents=True, exist_ok=True)
    pending = [(source, target)]
    while pending:
        one, copy = pending.pop()
        if one.is_symlink():
            copy.symlink_to(one.readlink())
        elif one.is_dir():
            copy.mkdir()
            pending.extend((child, copy / child.name) for child in one.iterdir())
        elif one.is_file():
            shutil.copyfile(one, copy, follow_symlinks=False)
            copy.chmod(0o755 if os.access(one, os.X_OK) else 0o644)


def _renamed(temporary: Path, wanted: Path) -> Path:
    """Give a folder its name, or that name and a number when there is one of that name."""
    number = 1
    while True:
        target = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            temporary.rename(target)
            return target
        except FileExistsError:
            number += 1
        except OSError as error:
            # rename(2) says ENOTEMPTY where the name is that of a folder with something in it
            if not target.is_dir():
                raise error
            number += 1
