"""What `tally rebuild` does once its options are read: a few releases, or many one by one; reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.builders.configuration import Configuration
from orchestrator.cli.live import LiveView
from orchestrator.cli.rebuilt import document, show
from orchestrator.cli.text import print_json
from orchestrator.cli.watched import Many, go_through
from orchestrator.ground.errors import ExitCode
from orchestrator.ground.files import write_atomically
from orchestrator.ground.state import State
from orchestrator.run.reproduced import Rebuilt, exit_code
from orchestrator.served.named import Named
from orchestrator.stories import change, rebuild, served
from orchestrator.stories.change import Expectation
from orchestrator.stories.watching import Item

if TYPE_CHECKING:
    from orchestrator.cli.asked import Target


@dataclass(frozen=True)
class Work:
    """What is to be made again, and how."""

    state: State
    configuration: Configuration
    asked: rebuild.Asked
    places: Sequence[Target | Named]
    """Everything that was named, in that order."""
    served: served.Asked
    expectation: Expectation | None

    def few(self) -> tuple[Rebuilt, ...]:
        """What each came to, in the order asked for. Raises TallyError for what stops all of them."""
        with LiveView() as view:
            if self.expectation is not None:
                return change.check(
                    self.state, self.configuration, self.asked, self.expectation, view.handle, view.say
                )
            given = self.state, self.configuration
            others = iter(
                rebuild.rebuild(*given, self.asked, view.handle, view.say) if self.asked.releases else ()
            )
            graded = iter(
                served.rebuild(*given, self.served, view.handle, view.say) if self.served.names else ()
            )
            return tuple(next(graded if isinstance(each, Named) else others) for each in self.places)

    def many(self, many: Many, *, quiet: bool) -> Done:
        """The same, one by one, each kept in a record."""
        given = self.state, self.configuration
        with LiveView() as view:
            signatories = rebuild.summoned(*given, self.asked, view.say)

        def make(item: Item, view: LiveView) -> Rebuilt:
            if isinstance(item.target, Named):
                one = replace(self.served, names=(item.target,))
                return served.rebuild(*given, one, view.handle, view.say)[0]
            return rebuild.rebuilt(*given, self.asked, item.target, signatories, view.handle, view.say)

        return Done(*go_through(many, self.state, self.places, make, quiet=quiet))


@dataclass(frozen=True)
class Done:
    """What came of it."""

    places: Sequence[Target | Named]
    found: Sequence[Rebuilt]
    courses: Sequence[Mapping[str, Any]] | None = None
    """How long each has been so; None: that is not remembered, and each is yet to be told of."""


def report(done: Done, junit: Path | None, sarif: Path | None, *, json: bool) -> ExitCode:
    """Write and print what was asked for. Raises TallyError."""
    if junit is not None:
        from orchestrator.cli.cases import of_rebuild
        from orchestrator.cli.junit import junit as junit_of

        cases = [of_rebuild(*each) for each in zip(done.places, done.found, strict=True)]
        write_atomically(junit, junit_of("rebuild", cases))
    if sarif is not None:
        from orchestrator.cli.rebuild_sarif import sarif as sarif_of

        whole = sarif_of(list(zip(done.places, done.found, strict=True)))
        write_atomically(sarif, dumps(whole, indent=2).encode() + b"\n")
    if json:
        told = [document(each) for each in done.found]
        if done.courses is not None:
            told = [{**each, "course": course} for each, course in zip(told, done.courses, strict=True)]
        print_json({"rebuilds": told})
    for each in done.found if done.courses is None else ():
        show(each, quiet=json)
    return exit_code(tuple(done.found))
