"""Whether as many operators are known as `[closure]` of tally.toml asks for: a check of `tally doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.builders.configuration import load
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted, some
from orchestrator.stories.doctor import Check, Status
from orchestrator.stories.voting import BRING, asked_of

_NAME = "closure"


def look(state: State, folder: Path) -> Iterator[Check]:
    """One check where tally.toml asks for operators; none where it does not, or cannot be read."""
    try:
        configuration = load(folder)
    except TallyError:  # the check of the builders says so
        return
    try:
        asked = asked_of(state, configuration, ())
    except TallyError as error:
        yield Check(_NAME, Status.FAILED, error.message, error.hint)
        return
    if asked is None:
        return
    known = asked.known
    wanted = f"{counted(asked.operators, 'operator')} wanted for every derivation"
    found = f"{wanted}; {len(known)} known: {some(list(known))}"
    if len(known) < asked.operators:
        yield Check(_NAME, Status.WARNING, f"{found}. Nothing can be signed", BRING)
    else:
        yield Check(_NAME, Status.OK, found)
