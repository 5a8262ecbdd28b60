"""What was held as the release has it and comes out otherwise now, told from a disagreement."""

from __future__ import annotations

from pathlib import Path

import pytest
import releases

from orchestrator.builders.build import Build, BuiltPath, Report, SecondResult
from orchestrator.ground.digest import NarHash
from orchestrator.run.drifted import drifted

PATH = f"/nix/store/{'0' * 32}-it"
RELEASED, NEW, OTHER = (NarHash(each * 64) for each in "abc")


def reported(name: str, held: NarHash, now: NarHash | None, *, repeated: bool = False) -> Report:
    """A builder's report; `now` is None where it came out as it was held, or where nothing was."""
    second = {} if now is None else {"out": SecondResult(Path("second"), now, repeated)}
    outputs = {"out": BuiltPath(PATH, held, 1, ())}
    build = Build("it.drv", outputs, releases.NOW, releases.NOW, Path("log"), second)
    return Report(releases.identity(name), releases.PROOF, {"it.drv": build}, {}, ())


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([reported("a", RELEASED, NEW), reported("b", RELEASED, NEW)], {"a", "b"}),
        ([reported("a", RELEASED, NEW), reported("b", NEW, None)], {"a"}),
        ([reported("a", RELEASED, None), reported("b", RELEASED, None)], set()),
        ([reported("a", NEW, None), reported("b", NEW, None)], set()),
        ([reported("a", RELEASED, NEW), reported("b", RELEASED, OTHER)], set()),
        ([reported("a", RELEASED, NEW), reported("b", RELEASED, None)], set()),
        ([reported("a", OTHER, NEW), reported("b", RELEASED, NEW)], set()),
        ([reported("a", NEW, RELEASED), reported("b", RELEASED, None)], set()),
        ([reported("a", RELEASED, NEW, repeated=True), reported("b", RELEASED, NEW)], set()),
    ],
    ids=[
        "both-drifted", "one-held-nothing", "reproduced", "differs-at-once", "disagree", "one-did-not-drift",
        "held-another", "comes-out-as-released", "twice-in-one-run",
    ],
)  # fmt: skip
def test_who_held_what_the_release_has(reports: list[Report], expected: set[str]) -> None:
    found = drifted({PATH: RELEASED}, reports)
    assert set(found) == expected
    assert all(paths == {PATH} for paths in found.values())
