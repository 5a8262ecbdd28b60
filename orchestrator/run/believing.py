"""What a run believes: chosen, and taken into the orchestrator's store, before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.caches.believed import NOTHING, Believed, Offer
from orchestrator.caches.cache import Caches
from orchestrator.caches.choosing import ALL, Choice, Reach, choose
from orchestrator.caches.memory import Memory
from orchestrator.caches.taking import take
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.nix.derivation import Derivation
from orchestrator.run.plan import Plan
from orchestrator.run.workshop import Workshop

ALL_THE_WAY = 1 << 30
"""A depth of more levels than any closure has: nothing is believed."""


@dataclass(frozen=True)
class Decision:
    """Which inputs are believed, and where their bytes are to be had."""

    choice: Choice = Choice(NOTHING)  # noqa: RUF009  (a value that cannot change)
    caches: Caches | None = None
    told: str | None = None
    """What is rebuilt and what believed, for people; None: there was nothing to choose."""
    offers: Mapping[str, Offer] = field(default_factory=dict)

    def take(self, workshop: Workshop, say: Callable[[str], None]) -> None:
        """Have all of them in the orchestrator's store; fixed outputs are there. Raises TallyError."""
        if self.caches is not None:
            take(self.caches, self.offers, workshop.store, say)

    def needs(self, derivation: Derivation) -> bool:
        """Whether an input has to be there, or to be built. What believed ones were made from has not."""
        if not self.choice.beliefs:
            return True
        if derivation.fixed is not None:
            return derivation.fixed.path in self.choice.fixed
        return derivation.path in self.choice.beliefs.rebuilt

    def to_fetch(self, derivations: Sequence[Derivation]) -> list[Derivation]:
        """Of derivations with fixed outputs, those that are needed: what is believed was made from others."""
        return [each for each in derivations if each.fixed is not None and self.needs(each)]


def decided(
    workshop: Workshop, plan: Plan, reach: Reach, say: Callable[[str], None], depth: int = 0
) -> Decision:
    """Which inputs are believed, by what caches have: none of the closest `depth` levels.

    Nothing is taken yet. Raises TallyError.
    """
    inputs = workshop.configuration.inputs
    if inputs.from_ == "cache" and depth >= ALL_THE_WAY:
        return Decision(told="rebuilding every derivation; none believed")
    if inputs.from_ == "build":
        if reach != ALL:
            raise TallyError(
                "every input is rebuilt anyway, so there is none to choose",
                hint='--rebuild-inputs and --rebuild are for `inputs.from = "cache"` in tally.toml',
            )
        return Decision()
    memory = Memory(workshop.state.folder("caches"))
    caches = Caches.of(inputs.caches, inputs.believed_keys, memory)
    caches.tell(say)
    for address, why in caches.check().items():
        say(f"warning: {address} does not answer ({why}): what it said before counts")
    found: dict[str, Offer] = {}

    def ask(paths: Sequence[str]) -> Mapping[str, Believed]:
        offers = caches.offers(paths)
        found.update(offers)
        return {path: offer.believed for path, offer in offers.items()}

    reach = replace(reach, levels=max(reach.levels, depth))
    choice = choose(plan.graph, plan.requested, reach, ask)
    whole = sum(each.fixed is None for each in plan.graph.derivations.values())
    believed = whole - len(choice.beliefs.rebuilt)
    memory.keep()
    # of what is rebuilt because it was asked for, no cache was asked
    taken = "no cache has an input of theirs" if reach == ALL and not found else f"{believed} believed"
    told = f"rebuilding {len(choice.beliefs.rebuilt)} of {counted(whole, 'derivation')}; {taken}"
    return Decision(choice, caches, told, {path: found[path] for path in choice.beliefs.paths})
