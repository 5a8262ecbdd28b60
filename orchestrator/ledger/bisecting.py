"""By which change of inputs a target stopped agreeing, as narrowly as what was built here can tell."""

from __future__ import annotations

from orchestrator.ledger.change import Changes, changed, stem
from orchestrator.ledger.course import Course
from orchestrator.ledger.reading import Ledger

_MOST = 50
"""Earlier derivations of one name that are compared with one that diverged first."""


def since_which(ledger: Ledger, course: Course) -> Changes:
    """The change between what agreed and what did not; nothing where no change of inputs explains it.

    Of what diverged first in the first run that did not agree, the derivation of the same name is looked for
    that agreed with the fewest changes, in whatever run and for whatever target. Where there is none, all
    that changed between the target's last run that agreed and the next one.
    """
    if course.turned is None:
        return ()
    good, bad = course.turned
    found: set[tuple[str, str]] = set()
    culprits = ledger.culprits(bad.run, bad.artifact)
    for culprit in culprits:
        if any(verdict.agrees for verdict in ledger.verdicts_on(culprit)):
            continue  # it agreed before, as it is
        own = ledger.inputs(culprit)
        others = (changed(ledger.inputs(each), own) for each in _agreed(ledger, culprit))
        nearest = min(filter(None, others), key=len, default=None)
        if nearest is None:
            return ledger.changed_inputs(good.package, bad.package)
        found.update(nearest)
    if not culprits:
        return ledger.changed_inputs(good.package, bad.package)
    return tuple(sorted(found))


def _agreed(ledger: Ledger, culprit: str) -> list[str]:
    """Derivations of the same name, whatever version, on which builders always agreed; the latest first."""
    same = [path for path in ledger.named_like(culprit) if stem(path) == stem(culprit) and path != culprit]
    agreed = [
        path for path in same if (verdicts := ledger.verdicts_on(path)) and all(v.agrees for v in verdicts)
    ]
    return agreed[:_MOST]
