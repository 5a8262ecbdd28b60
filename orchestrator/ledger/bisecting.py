"""By which change of inputs a target stopped agreeing, as narrowly as what was built here can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
    for _, nearest in _with_nearest(ledger, culprits):
        if nearest is None:
            return ledger.changed_inputs(good.package, bad.package)
        found.update(nearest[1])
    if not culprits:
        return ledger.changed_inputs(good.package, bad.package)
    return tuple(sorted(found))


def turns(ledger: Ledger, course: Course) -> tuple[tuple[str, str], ...]:
    """Pairs of derivations of one name: the nearest one that agreed, and one that diverged first.

    Those of the first run that did not agree; where nothing of the kind is known, the target's own.
    """
    if course.turned is None:
        return ()
    good, bad = course.turned
    culprits = ledger.culprits(bad.run, bad.artifact)
    found = [(near[0], culprit) for culprit, near in _with_nearest(ledger, culprits) if near is not None]
    return tuple(found) or ((good.package, bad.package),)


def _with_nearest(
    ledger: Ledger, culprits: Iterable[str]
) -> Iterator[tuple[str, tuple[str, Changes] | None]]:
    """Each that never agreed as it is, with what `_nearest` gives."""
    for culprit in culprits:
        if not _agreed_once(ledger, culprit):
            yield culprit, _nearest(ledger, culprit)


def _agreed_once(ledger: Ledger, derivation: str) -> bool:
    """Whether it agreed in some run as it is: then no change of inputs explains that it differs."""
    return any(verdict.agrees for verdict in ledger.verdicts_on(derivation))


def _nearest(ledger: Ledger, culprit: str) -> tuple[str, Changes] | None:
    """The derivation of its name that agreed with the fewest changes, and these."""
    own = ledger.inputs(culprit)
    others = [(each, changed(ledger.inputs(each), own)) for each in _agreed(ledger, culprit)]
    return min((one for one in others if one[1]), key=lambda one: len(one[1]), default=None)


def _agreed(ledger: Ledger, culprit: str) -> list[str]:
    """Derivations of the same name, whatever version, on which builders always agreed; the latest first."""
    same = [path for path in ledger.named_like(culprit) if stem(path) == stem(culprit) and path != culprit]
    agreed = [
        path for path in same if (verdicts := ledger.verdicts_on(path)) and all(v.agrees for v in verdicts)
    ]
    return agreed[:_MOST]
