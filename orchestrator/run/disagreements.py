"""DisagreementFolder disagreements: found by what a user calls them, and read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
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

    Raises TallyError where none is kept.
    """
    if what is not None:
        for folder in (Path(what), state.disagreements / what):
            if (folder / KEPT).exists():
                return folder
    named = re.compile((".+" if what is None else re.escape(what)) + _WHEN)
    kept = [
        file.parent
        for file in state.disagreements.glob("*/" + KEPT)
        if named.fullmatch(file.parent.name) is not None
    ]
    if not kept and what is not None and Path(what).is_dir():
        return Path(what)  # `read` says what it lacks
    if not kept:
        raise TallyError(
            "no disagreement is kept here" if what is None else f"no disagreement of {what!r} is kept here",
            hint="`tally build` keeps one whenever builders disagree",
        )
    return max(kept, key=lambda folder: (folder / KEPT).stat().st_mtime)


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
