"""Kept disagreements: found by what a user calls them, and read."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.agreement.agreement import DifferingOutput
from orchestrator.agreement.difference import pairs_of
from orchestrator.agreement.keeping import result_in
from orchestrator.agreement.trees import Side
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.kept import KEPT, KeptDisagreement, parse
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.ground.state import State
from orchestrator.ledger import reading as ledger
from orchestrator.ledger.course import courses
from orchestrator.ledger.named import called_so, meant, words_of

_WHEN = r"-\d{8}T\d{6}Z.*"
"""The end of a kept folder's name: a target's own name may begin with another one's."""
_LARGEST = 64 << 20  # bytes of a record: a line an output, and the recipe


@dataclass(frozen=True, slots=True)
class DisagreementFolder:
    """A disagreement's folder, and its record."""

    folder: Path
    record: KeptDisagreement

    def pairs(self, output: DifferingOutput) -> Iterator[tuple[Side, Side]]:
        """Results to compare, so that each of them is told of: see `pairs_of`."""
        for one, other in pairs_of(output):
            yield self._side(one, output), self._side(other, output)

    def made_by(self, name: str, derivation: str) -> dict[str, Path]:
        """Output name to what a builder made of a derivation, of those that differ and are kept."""
        found = {
            output.output: result_in(self.folder, name, output.path)
            for output in self.record.outputs
            if output.derivation == derivation
        }
        return {output: path for output, path in found.items() if os.path.lexists(path)}

    def _side(self, name: str, output: DifferingOutput) -> Side:
        path = result_in(self.folder, name, output.path)
        if not os.path.lexists(path):
            raise TallyError(
                f"{path} is gone: the results of this disagreement were removed",
                hint="`tally clean` removes those of which evidence is signed; build again to have new ones",
            )
        return Side(name, path)


def chosen(state: State, what: str | None) -> Path:
    """The folder that a user means: by its path, by its name, or the newest of a target, or of all.

    A target is named as for `tally history`. Raises TallyError where none is kept.
    """
    if what is not None:
        for folder in (Path(what), state.disagreements / what):
            if (folder / KEPT).exists():
                return folder
    every = [file.parent for file in state.disagreements.glob("*/" + KEPT) if _is_of(file.parent, ".+")]
    kept = every if what is None else _of_target(state, every, what)
    if not kept and what is not None and Path(what).is_dir():
        return Path(what)  # `read` says what it lacks
    if not kept:
        raise _none(what, every)
    return max(kept, key=lambda folder: (folder / KEPT).stat().st_mtime)


def _of_target(state: State, every: Sequence[Path], what: str) -> Sequence[Path]:
    """Those of a target: by its folder's name, else by what the ledger says was kept of it."""
    names = "|".join(map(re.escape, words_of(what)))
    found = [folder for folder in every if _is_of(folder, f"(?:{names})")]
    if found or not state.ledger.exists():
        return found
    with ledger.read(state) as known:
        those = called_so(courses(known.results(whole=False)), what)
    places = {each.kept for course in those for each in course.results}
    return [folder for folder in every if str(folder) in places]


def _is_of(folder: Path, name: str) -> bool:
    return not folder.name.startswith(".") and re.fullmatch(name + _WHEN, folder.name) is not None


def _none(what: str | None, every: Sequence[Path]) -> TallyError:
    hint = "`tally build` keeps one whenever builders disagree"
    if what is None:
        return TallyError("no disagreement is kept here", hint=hint)
    near = meant(what, sorted({re.sub(_WHEN + "$", "", folder.name) for folder in every}))
    return TallyError(
        f"no disagreement of {what!r} is kept here",
        hint=f"{near}`tally history {shlex.quote(what)}` says what became of it; {hint}",
    )


def read(folder: Path) -> DisagreementFolder:
    """The disagreement that is kept in a folder. Raises TallyError where none is."""
    try:
        data = contents(folder / KEPT, _LARGEST)
    except (OSError, ValueError) as error:
        raise TallyError(
            f"{folder} is no kept disagreement: {KEPT} cannot be read: {why(error)}",
            hint="give the folder that `tally build` or `tally rebuild` named; of a release "
            "`tally rebuild RELEASE --diagnose` finds out why it comes out otherwise",
        ) from error
    try:
        return DisagreementFolder(folder, parse(data, str(folder / KEPT)))
    except MalformedError as error:
        raise TallyError(str(error), hint="build again; a new folder is kept then") from error
