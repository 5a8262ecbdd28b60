"""What a rebuild came to, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from orchestrator.agreement.apart import Apart
from orchestrator.cli import disagreed, graded, outcomes
from orchestrator.cli.text import failure, harmless, say, tell
from orchestrator.evidence.canonical import seconds
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.wording import counted, some
from orchestrator.nix.derivation import name_of
from orchestrator.run.graded import Graded
from orchestrator.run.outcome import Refused, Undecided
from orchestrator.run.reproduced import (
    Changed,
    Differs,
    Rebuilt,
    Remade,
    Remembered,
    Reproduced,
    Same,
    Unmade,
    Unverified,
)
from orchestrator.sources.supply import Located

_FILES_SHOWN = 20
_UNTOLD_SHOWN = 3


def document(found: Rebuilt) -> Mapping[str, Any]:
    """A rebuild as `--json` prints it."""
    match found:
        case Reproduced():
            return {
                "release": found.release,
                "verdict": "reproduced",
                "verified": found.verified,
                "artifact": {"path": found.artifact, "sha256": found.sha256.hex},
                "agreement": outcomes.agreement(found.agreed),
                "inputs": located(found.located),
                **_signed(found),
            }
        case Differs():
            return {
                "release": found.release,
                "verdict": "differs",
                "verified": found.verified,
                "kept": str(found.kept),
                "differing": [
                    {
                        "derivation": one.derivation,
                        "output": one.output,
                        "path": one.path,
                        "narSha256": {name: digest.hex for name, digest in one.hashes.items()},
                        "inherited": one.inherited,
                        "files": [each.document() for each in found.differences.get(one.path, ())],
                    }
                    for one in found.differing
                ],
                "rootCauses": list(found.first.certain),
                "doubtful": [each for each in found.first.culprits if each in found.first.doubtful],
                "compared": found.first.compared,
                "untold": list(found.first.untold),
                **outcomes.diagnosis(found.diagnosis),
                "agreement": outcomes.agreement(found.agreed),
                "inputs": located(found.located),
                **_signed(found),
            }
        case Unverified():
            return {
                "release": found.release,
                "verdict": "unverified",
                "reasons": [
                    {"code": str(each.code), "sentence": each.sentence, "hint": each.hint}
                    for each in found.verdict.reasons
                ],
            }
        case Unmade():
            return {
                "release": found.release,
                "verdict": "undecided",
                **failure(found.error.kind, found.error, found.error.exit_code),
            }
        case Same():
            return {
                "release": found.release,
                "verdict": "same",
                "expected": found.expected,
                "target": found.target,
                "artifact": {"path": found.artifact, "sha256": found.sha256.hex},
                "built": found.agreed is not None,
                **({} if found.agreed is None else {"agreement": outcomes.agreement(found.agreed)}),
            }
        case Changed():
            return {
                "release": found.release,
                "verdict": "different",
                "expected": found.expected,
                "target": found.target,
                "artifact": {"path": found.artifact, "sha256": found.sha256.hex},
                "released": {"sha256": found.released.hex},
                "built": True,
                "kept": str(found.kept),
                "files": [each.document() for each in found.differences],
                "agreement": outcomes.agreement(found.agreed),
            }
        case Graded():
            return graded.document(found)
        case Remade():
            return {
                "release": found.release,
                "verdict": "reproduced" if found.same else "differs",
                "verified": False,
                "flake": found.flake,
                "outputs": [
                    {
                        "path": each.path,
                        "narSha256": each.made.hex,
                        "provenance": {"sha256": each.said},
                        "same": each.same,
                    }
                    for each in found.outputs
                ],
                "agreement": outcomes.agreement(found.agreed),
            }
        case Remembered():
            return {
                "release": found.release,
                "verdict": found.verdict,
                "remembered": seconds(found.time),
                "told": list(found.told),
            }
        case Refused() | Undecided():
            verdict = "differs" if isinstance(found, Refused) else "undecided"
            told = dict(outcomes.document(found))
            return {"release": told.pop("target"), "verdict": verdict, **told}
        case _:
            assert_never(found)


def located(found: Sequence[Located]) -> list[Mapping[str, str]]:
    """What was fetched, and where each was found, as `--json` prints it."""
    return [{"name": each.name, **_pinned(each.digest), "place": each.place} for each in found]


def _pinned(digest: Sha256 | NarHash | OtherDigest) -> Mapping[str, str]:
    if isinstance(digest, OtherDigest):
        return {"digest": f"{digest.algorithm}:{digest.hex}"}
    return {"narSha256" if isinstance(digest, NarHash) else "sha256": digest.hex}


def show(found: Rebuilt, *, quiet: bool) -> None:
    """Tell a person: the verdict on standard output unless `quiet`, all else on standard error."""
    match found:
        case Reproduced():
            names = " and ".join(report.identity.name for report in found.agreed.reports)
            say(f"{found.release}: {names} made every bit of it")
            if not found.verified:
                say("warning: the release itself was not verified: who made it is not known")
            _answer(f"REPRODUCED  {found.release}", quiet=quiet)
            _answer(f"  artifact  {found.artifact}", quiet=quiet)
            _answer(f"  sha256    {found.sha256.hex}", quiet=quiet)
            _answer_evidence(found, quiet=quiet)
        case Differs():
            _answer(f"DIFFERS  {found.release}", quiet=quiet)
            _answer_evidence(found, quiet=quiet)
            _show_differing(found)
        case Unverified():
            _show_unverified(found, quiet=quiet)
        case Unmade():
            _answer(f"UNDECIDED  {found.release}", quiet=quiet)
            tell(f"  {found.error.message}", 4)
            if found.error.hint:
                tell(f"  hint: {found.error.hint}", 4)
        case Same() | Changed():
            _show_change(found, quiet=quiet)
        case Remembered():
            _answer(f"{found.verdict.upper()}  {found.release}", quiet=quiet)
            tell("\n".join(found.told), 4)
        case Graded() | Remade():
            _show_compared(found, quiet=quiet)
        case Refused():
            _answer(f"DIFFERS  {found.target}", quiet=quiet)
            outcomes.show(found, quiet=True)
        case Undecided():
            _answer(f"UNDECIDED  {found.target}", quiet=quiet)
            outcomes.show(found, quiet=True)
        case _:
            assert_never(found)


def _show_compared(found: Graded | Remade, *, quiet: bool) -> None:
    if isinstance(found, Graded):
        graded.show(found, quiet=quiet)
    else:
        _show_remade(found, quiet=quiet)


def _show_remade(found: Remade, *, quiet: bool) -> None:
    names = " and ".join(report.identity.name for report in found.agreed.reports)
    say(f"{found.release}: {names} agree with one another on {found.flake}")
    say("warning: the provenance itself was not verified: who made it is not known")
    _answer(f"{'REPRODUCED' if found.same else 'DIFFERS'}  {found.release}", quiet=quiet)
    for each in found.outputs:
        _answer(f"  output    {each.path}", quiet=quiet)
        _answer(f"  NAR       {each.made}", quiet=quiet)
        if not each.same:
            _answer(f"  named     sha256:{each.said}", quiet=quiet)


def _show_unverified(found: Unverified, *, quiet: bool) -> None:
    _answer(f"UNVERIFIED  {found.release}", quiet=quiet)
    for reason in found.verdict.reasons:
        tell(f"  {reason.code}: {reason.sentence}", 4)
    for hint in dict.fromkeys(reason.hint for reason in found.verdict.reasons):
        say(f"  hint: {hint}")
    say("hint: it was not built; with --even-if-unverified it is" if found.buildable else "it was not built")


def _show_change(found: Same | Changed, *, quiet: bool) -> None:
    if isinstance(found, Same):
        _answer(f"SAME  {found.release}", quiet=quiet)
        _answer(f"  artifact  {found.artifact}", quiet=quiet)
        _answer(f"  sha256    {found.sha256.hex}", quiet=quiet)
        if found.agreed is None:
            say(f"{found.target} has the derivations of the release: there was nothing to build")
    else:
        _answer(f"DIFFERENT  {found.release}", quiet=quiet)
        _answer(f"  released  {found.released.hex}", quiet=quiet)
        _answer(f"  here      {found.sha256.hex}", quiet=quiet)
        for each in found.differences[:_FILES_SHOWN]:
            say(f"  {each.describe(found.artifact)}")
        say(f"  both artifacts are kept in {found.kept}")
    if not found.expected:
        what = "another artifact" if isinstance(found, Same) else "the same artifact"
        say(f"{found.release}: {what} was expected of {found.target}")


def _answer(line: str, *, quiet: bool) -> None:
    if not quiet:
        print(harmless(line))


def _answer_evidence(found: Reproduced | Differs, *, quiet: bool) -> None:
    if found.evidence is not None:
        _answer(f"  evidence  {found.evidence}", quiet=quiet)
    if found.attached is not None:
        _answer(f"  attached  {found.attached}", quiet=quiet)
    if found.unattached is not None:
        tell(f"  not attached: {found.unattached.message}", 4)
        if found.unattached.hint:
            tell(f"  hint: {found.unattached.hint}", 4)


def _signed(found: Reproduced | Differs) -> Mapping[str, Any]:
    said: dict[str, Any] = {} if found.evidence is None else {"evidence": str(found.evidence)}
    if found.attached is not None:
        said["attached"] = found.attached
    if found.unattached is not None:
        said["unattached"] = {"message": found.unattached.message, "hint": found.unattached.hint}
    return said


def _show_differing(found: Differs) -> None:
    names = " and ".join(report.identity.name for report in found.agreed.reports)
    say(f"{found.release}: {names} agree with one another, and not with the release")
    for one in found.differing:
        inherited = "  (an input of it differs too)" if one.inherited else ""
        say(f"  output {one.output} of {name_of(one.derivation)}{inherited}")
        for name, digest in one.hashes.items():
            say(f"    {name}: NAR {digest}")
        files = found.differences.get(one.path, ())
        for each in files[:_FILES_SHOWN]:
            say(f"    {each.describe(name_of(one.path))}")
        if (more := len(files) - _FILES_SHOWN) > 0:
            say(f"    … and {counted(more, 'more file')}")
    for derivation in found.first.culprits:
        unless = ", or what it is made with" if derivation in found.first.doubtful else ""
        say(f"  first to diverge: {name_of(derivation)}{unless}")
    say(f"  {_depth(found.first)}")
    say(f"hint: what was made is kept in {found.kept}, beside the release's artifact")
    disagreed.show_why(found.diagnosis, found.kept)


def _depth(first: Apart) -> str:
    """How far down the release could be held against what was made."""
    told = f"the release tells hashes of {counted(first.compared, 'output')} that were built here"
    if not first.untold:
        return told
    names = some([name_of(path) for path in first.untold], _UNTOLD_SHOWN)
    return f"{told}, and none of {counted(len(first.untold), 'input')}: {names}"
