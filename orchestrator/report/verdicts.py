"""What verdicts mean to a reader, and which of them a share is of. Pure.

A build that fails says nothing of whether a package can be reproduced, so it never counts as differing.
"""

from __future__ import annotations

from typing import Final

from orchestrator.ledger.entries import Verdict

MEANING: Final = {
    Verdict.AGREED: "All builders made the same bits.",
    Verdict.VARIED: "All builders made the same bits, in surroundings that were made to differ.",
    Verdict.FLAKY: "The same derivation was built twice and came out the same once, or not even that.",
    Verdict.DIFFERS: "The builders made different bits.",
    Verdict.FAILED: "A build failed. That says nothing of whether its bits would agree.",
    Verdict.UNDECIDED: "Too few builds ended to compare them.",
}
AGREEING: Final = frozenset(verdict for verdict in Verdict if verdict.agrees)
DECIDED: Final = AGREEING | {Verdict.FLAKY, Verdict.DIFFERS}
"""The verdicts that a share is of: failed and undecided packages stand beside it."""


def word(verdict: Verdict) -> str:
    """As file names and style sheets have it."""
    return verdict.value.replace(" ", "-")
