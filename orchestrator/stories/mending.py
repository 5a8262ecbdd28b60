"""From a diagnosis to the smallest change that makes the builds agree, tried on copies of the culprit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.agreement.trees import Side
from orchestrator.builders.configuration import Configuration
from orchestrator.diagnosis.culprit import Diagnosis
from orchestrator.diagnosis.cured import Cured, Files, cured
from orchestrator.diagnosis.fixes import Fix, candidates, patch, script
from orchestrator.diagnosis.knobs import Setting
from orchestrator.diagnosis.laboratory import Failed, Laboratory
from orchestrator.diagnosis.names import Name
from orchestrator.evidence.kept import KeptDisagreement
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import some
from orchestrator.nix.derivation import Derivation, name_of
from orchestrator.nix.evaluation import retouch
from orchestrator.places.search import places
from orchestrator.run.disagreements import read
from orchestrator.run.experiments import Experiments, on_disagreement
from orchestrator.run.workshop import Workshop, opened
from orchestrator.stories.diagnosis import RECIPE

Say = Callable[[str], None]
_SCRIPT = "tallyScript"
"""The variable that a recipe's script is in."""
_EPOCH = "SOURCE_DATE_EPOCH"
_SHOWN = 3
_LIKELY = 0.3
"""The confidence of a second cause from which its fixes are tried, too."""


@dataclass(frozen=True, slots=True)
class Mended:
    """The smallest of the known changes with which the builds agreed; or at least some of their files."""

    derivation: str
    """The culprit, as it was."""
    patch: str | None
    """For the recipe, as `patch -p1` takes it; None: it has none, or none could be written."""
    variables: Mapping[str, str]
    """What to set in the derivation, where it is no recipe's; empty otherwise."""
    cured: Cured
    """Which files became the same by which of them; something is left only where no more is known."""

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """What of the known changes it takes."""
        return self.cured.fixes

    @property
    def whole(self) -> bool:
        """Whether the builds agreed with them, and not some of the files alone."""
        return not self.cured.left

    def document(self) -> Mapping[str, object]:
        """As `--json` has it."""
        return {
            "derivation": self.derivation,
            "fixes": [fix.name for fix in self.fixes] if self.whole else None,
            "patch": self.patch,
            "variables": dict(self.variables),
            **self.cured.document(),
        }


@dataclass(frozen=True, slots=True)
class Unmended:
    """No change that is known makes a file the same."""

    derivation: str
    why: str
    """What was tried, in a sentence without its end."""

    def document(self) -> Mapping[str, object]:
        """As `--json` has it."""
        return {"derivation": self.derivation, "fixes": None, "why": self.why}


def mend_kept(
    state: State, configuration: Configuration, folder: Path, found: Diagnosis, say: Say
) -> tuple[Mended | Unmended, ...]:
    """What mends each culprit of a kept disagreement. Raises TallyError where its record is gone."""
    record = read(folder).record
    with opened(state, configuration) as workshop:
        return mend(workshop, record, found, say)


def mend(
    workshop: Workshop, record: KeptDisagreement, found: Diagnosis, say: Say
) -> tuple[Mended | Unmended, ...]:
    """What mends each culprit. Nothing but copies of them is changed or built."""
    culprits = dict.fromkeys(each.derivation for each in found.culprits if each.derivation is not None)
    return tuple(_mended(workshop, record, found, derivation, say) for derivation in culprits)


def _mended(
    workshop: Workshop, record: KeptDisagreement, found: Diagnosis, path: str, say: Say
) -> Mended | Unmended:
    causes = {
        reason.name
        for each in found.culprits
        if each.derivation == path
        for number, reason in enumerate(each.causes)
        if reason.name not in (Name.UNKNOWN, Name.DERIVED) and (number == 0 or reason.confidence >= _LIKELY)
    }
    try:
        derivation = workshop.store.derivation(path)
        experiments, varied = on_disagreement(workshop, record, path)
        attempt = _Attempt(experiments, derivation, varied, say)
        fixes = [fix for fix in candidates(causes) if attempt.can(fix)]
        before = attempt.left(())
        if before is not None and not before:
            return Unmended(
                path, "as it is, two builds of it agree here, so that no change can be seen to help"
            )
        best = attempt.smallest(fixes, before)
    except TallyError as error:
        return Unmended(path, f"it cannot be built again: {error.message}")
    if best is None:
        tried = some([fix.name for fix in fixes], _SHOWN) if fixes else "what is known"
        return Unmended(path, f"{tried} made no file of it the same")
    variables = {} if _SCRIPT in derivation.env else attempt.variables(best.fixes)
    return Mended(path, _patch(record, derivation, best.fixes), variables, best)


def _patch(record: KeptDisagreement, derivation: Derivation, fixes: Sequence[Fix]) -> str | None:
    """For the recipe that a derivation is of; None: it is of none, or none could be written."""
    recipe = record.recipe
    if recipe is None or _SCRIPT not in derivation.env or derivation.env.get(RECIPE) != recipe.name:
        return None
    return patch(recipe.file, recipe.text, fixes)


@dataclass(frozen=True)
class _Attempt:
    """Copies of one derivation with fixes in them, built as both builders did."""

    experiments: Experiments
    derivation: Derivation
    varied: Setting
    """What may have made the other side differ."""
    say: Say

    def can(self, fix: Fix) -> bool:
        """Whether a fix fits this derivation: programs are put before others in a recipe's script alone."""
        return _SCRIPT in self.derivation.env or fix.shim is None

    def variables(self, fixes: Sequence[Fix]) -> Mapping[str, str]:
        """What the derivation's variables become."""
        text = self.derivation.env.get(_SCRIPT)
        if text is not None:
            return {_SCRIPT: script(fixes, text)}
        epoch = self.derivation.env.get(_EPOCH, "1")
        return {name: value for fix in fixes for name, value in (fix.environment(epoch) or {}).items()}

    def smallest(self, fixes: Sequence[Fix], before: Files | None) -> Cured | None:
        """One that is enough, else all that help, less what is not needed; None: none of them is.

        Where all that help are not enough, they are given all the same, with what is left. `before` is what
        differs without any; None: it does not build so.
        """
        helpful: list[tuple[Fix, Files]] = []
        for fix in fixes:
            left = self.left((fix,))
            if left is not None and not left:
                return cured(before or {}, [(fix, left)], (fix,), left)
            if left is not None and (before is None or sum(left.values()) < sum(before.values())):
                helpful.append((fix, left))
        every = tuple(fix for fix, _ in helpful)
        left = self._sure(every, helpful[0][1] if len(helpful) == 1 else None) if every else None
        if left is None:
            return None
        for fix in every if not left else ():
            fewer = tuple(each for each in every if each is not fix)
            if len(fewer) > 1 and self.left(fewer) == {}:
                every = fewer
        found = cured(before or {}, helpful, every, left)
        return found if not left or found.files else None

    def _sure(self, fixes: Sequence[Fix], seen: Files | None) -> Files | None:
        """What differs with all of these in one of two tries, of which `seen` may be the first."""
        left = self.left(fixes) if seen is None else seen
        if not left:
            return left
        again = self.left(fixes)
        return None if again is None else {**again, **left}

    def left(self, fixes: Sequence[Fix]) -> Files | None:
        """What differs with these in; None: it does not build. Where nothing does, it is tried once more."""
        self.say(f"trying {' and '.join(fix.name for fix in fixes) or 'it as it is'}")
        path = self.derivation.path
        if fixes:
            store = self.experiments.workshop.store
            path = retouch(store, self.derivation, self.variables(fixes))
        one, other = self.experiments.laboratories(path)
        found = self._differing(one, other or one)
        return self._differing(one, other or one) if found == {} and fixes else found

    def _differing(self, one: Laboratory, other: Laboratory) -> Files | None:
        made = one.in_turn(other, self.varied)
        if isinstance(made, Failed):
            return None
        plain, varied = made
        return dict(
            Counter(
                place.file if place.file != "." else name_of(self.derivation.outputs[output])
                for output in plain.trees
                for place in places(Side("one", plain.trees[output]), Side("other", varied.trees[output]))
            )
        )
