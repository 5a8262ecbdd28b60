"""Why two results may differ that nothing else is known of: by their bytes alone."""

from __future__ import annotations

from itertools import islice

from orchestrator.diagnosis.culprit import Culprit, Diagnosis
from orchestrator.diagnosis.judging import causes_of
from orchestrator.diagnosis.seen import Seen
from orchestrator.ground.state import State
from orchestrator.places.search import places
from orchestrator.stories.compare import Asked, sides
from orchestrator.stories.findings import MOST


def diagnose_two(state: State, asked: Asked) -> Diagnosis:
    """The causes that the bytes show. Raises TallyError for what cannot be compared."""
    with sides(state, asked) as (first, second):
        found = places(first, second, asked.limits)
        seen = tuple(islice(found, MOST))
        more = sum(1 for _ in found)
    culprits = [Culprit(None, "out", asked.words[0], place, causes_of(place, Seen())) for place in seen]
    culprits.sort(key=lambda each: each.place.mirrors)
    why = ("nothing was built again: it is not known what made these two",) if culprits else ()
    return Diagnosis(" and ".join(asked.words), tuple(culprits), why, more)
