"""What experiments showed of one place: whether it differs when one thing is turned. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.diagnosis.knobs import Knob


@dataclass(slots=True)
class Seen:
    """Filled experiment by experiment. None: that was not tried, or failed."""

    again: bool | None = None
    """Whether a later build in the same surroundings differs from the one that was there."""
    repeats: bool | None = None
    """Whether two later builds, one right after the other, differ from each other."""
    later: bool | None = None
    """Whether a build differs that began in a later second, where two in a row are the same."""
    together: bool | None = None
    """Whether two builds that began at the same time differ."""
    one_job: bool | None = None
    """Whether two builds with one CPU and one job differ from each other."""
    comes: dict[Knob, bool] = field(default_factory=dict)
    """Knob to whether the difference comes when it alone is turned."""
    goes: dict[Knob, bool] = field(default_factory=dict)
    """Knob to whether the difference goes when it alone is turned back, with its builder's others on."""
    machine: bool = False
    """Whether every start of a virtual machine makes one thing of it, and every build here another."""
    facts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What both builders' probes saw of it that is also what stands there: word to both values."""
    clocks: tuple[str, str] | None = None
    """When the two sides were built, where both values are times of that build."""
    at: set[str] = field(default_factory=set)
    """In what of it builds here differed from one another: what `part_of` says of each place."""

    def stands_still(self, part: str) -> bool:
        """Whether builds here differ there, and never in this part of it."""
        return bool(self.at) and part not in self.at

    @property
    def still(self) -> Seen:
        """What was seen of such a part: nothing that was turned moved it."""
        return replace(
            self,
            again=False,
            repeats=None,
            later=None,
            together=None,
            one_job=None,
            comes=dict.fromkeys(self.comes, False),
            goes={},
            machine=False,
        )

    @property
    def moved(self) -> Knob | None:
        """The knob that the difference comes and goes with."""
        both = [knob for knob, comes in self.comes.items() if comes and self.goes.get(knob) is not False]
        return both[0] if both else None
