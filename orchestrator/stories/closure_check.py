"""Whether as many operators are known as `[closure]` of tally.toml asks for: a check of `tally doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from orchestrator.builders.configuration import load
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted, folded, some
from orchestrator.ledger.operators import in_words, names_of
from orchestrator.stories.doctor import Check, Status
from orchestrator.stories.voting import BRING, asked_of

_NAME = "closure"
_GIVE = (
    "give it with `tally build --evidence FILE`, or name the file as `evidence` in [closure] of tally.toml"
)


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
    found = f"{wanted}; {len(known)} known: {some([in_words(each) for each in known])}"
    if len(known) < asked.operators:
        missing = _missing(known, [each.runs for each in configuration.rebuilder])
        if len(known) + len(missing) < asked.operators:
            yield Check(_NAME, Status.WARNING, f"{found}. Nothing can be signed", BRING)
        else:
            more = f"What {some(missing)} signed is not here: only a build that it is given to can be signed"
            yield Check(_NAME, Status.WARNING, f"{found}. {more}", _GIVE)
    else:
        yield Check(_NAME, Status.OK, found)


def _missing(known: Sequence[str], rebuilders: Iterable[str]) -> list[str]:
    """Whom a `[[rebuilder]]` names, and who has signed nothing that is here: their file may come later."""
    here = {folded(name) for each in known for name in names_of(each)}
    return [name for key, name in {folded(each): each for each in rebuilders}.items() if key not in here]
