"""Releases judged one after another, and their verdicts as `--json` and people have them. Without Typer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from orchestrator.cli import asked as asking
from orchestrator.cli.asked import Asked
from orchestrator.ground.errors import Defect, ExitCode, TallyError

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.cli.asked import Target
    from orchestrator.cli.forks import Judge
    from orchestrator.keys.signers import Signer
    from orchestrator.policy.policy import Policy
    from orchestrator.policy.verdict import Verdict
    from orchestrator.publishing.reference import Registry
    from orchestrator.publishing.sources.registry import RegistrySource
    from orchestrator.stories.image_index import Image, RefusedIndex
    from orchestrator.stories.verification import Examination

    Named = Target | RegistrySource | Image | RefusedIndex
    """What a verdict is about."""

_REASONS_SHOWN = 100
_MANY = 50


def plain(targets: list[str], keys: list[Path], policy: Path | None, *, json: bool) -> ExitCode:
    """`tally verify` with nothing but whom to trust."""
    wanted = asking.targets_of(targets, None)
    ahead = begun(wanted)
    whom = asking.trusted_of(keys, policy, None)
    asked = asking.asked_of(whom, wanted, None, None, None)
    return judge_all(wanted, asked, None, json=json, sarif=False, ahead=ahead)


def begun(wanted: Sequence[Target]) -> RegistrySource | None:
    """Where one target is in a registry: what asks for it already, while whom to trust is still read."""
    if len(wanted) != 1 or not _may_be_index(wanted[0]):
        return None
    from orchestrator.publishing.sources.registry import RegistrySource

    source = RegistrySource(wanted[0])
    source.begin()
    return source


def judge_all(
    targets: Sequence[Target],
    asked: Asked,
    signing: tuple[Path, Signer] | None,
    *,
    json: bool,
    sarif: bool,
    ahead: RegistrySource | None = None,
) -> ExitCode:
    """Judge each, print, and give the exit code. What cannot be decided says nothing of the others.

    `ahead` is what `begun` gave for the targets.
    """
    from orchestrator.cli.text import print_error, print_json

    named = [each for target in targets for each in _named_by(target, asked, ahead)]
    if len(named) > len(targets) and (signing is not None or asked.digest is not None):
        option = "--attest" if signing is not None else "--digest"
        raise TallyError(
            f"{option} is about one artifact, and an index names several images",
            hint="name an image by its own digest, which `tally verify` of the index prints",
        )
    many = len(named) >= _MANY
    _prepare(many=many, certificates=asked.policy.identities)
    verdicts: list[tuple[Named, Verdict | TallyError]] = []
    told: set[str] = set()
    unattested: list[TallyError] = []

    def judge(target: Named) -> Verdict | TallyError:
        return _judge(target, asked, signing, unattested)

    for target, verdict in zip(named, _judged(named, judge, many=many), strict=True):
        verdicts.append((target, verdict))
        if isinstance(verdict, TallyError):
            print_error(verdict)
        elif not json and not sarif:
            print(text(target, verdict, told))
    for each in unattested:
        print_error(each)
    if json:
        print_json([document(target, verdict) for target, verdict in verdicts])
    elif sarif:
        from orchestrator.cli.sarif import sarif as sarif_of

        print_json(sarif_of(verdicts))
    return exit_code([*(verdict for _, verdict in verdicts), *unattested])


def _may_be_index(target: Target) -> TypeGuard[Registry]:
    """Whether it is a name in a registry that could be an index of images."""
    if isinstance(target, Path) or not str(target).startswith("oci://"):
        return False
    from orchestrator.publishing.reference import Registry

    return isinstance(target, Registry) and (target.tag, target.digest) != (None, None)


def _named_by(target: Target, asked: Asked, ahead: RegistrySource | None) -> Sequence[Named]:
    """What is to be judged for a target: of an index each image, of all others itself.

    What was asked `ahead` is kept with its connection; for many targets that would be as many connections.
    """
    if not _may_be_index(target):
        return [target]
    from orchestrator.publishing.sources.registry import RegistrySource

    source = ahead or RegistrySource(target)
    try:
        if not source.may_be_index():
            return [ahead or target]
    except TallyError:  # what is asked of it for itself says so
        return [ahead or target]
    from datetime import UTC, datetime

    from orchestrator.stories.image_index import RefusedIndex, images_of

    try:
        found = images_of(target, asked.policy, datetime.now(UTC), asked.trusted)
    except TallyError:  # what is asked of it for itself says so
        return [target]
    if isinstance(found, RefusedIndex):
        return [found]
    return [target] if found is None else found


def _judged(targets: Sequence[Named], judge: Judge[Named], *, many: bool) -> Iterator[Verdict | TallyError]:
    if not many:
        return map(judge, targets)
    from orchestrator.cli.forks import judged

    return judged(targets, judge)


def _judge(
    target: Named, asked: Asked, signing: tuple[Path, Signer] | None, unattested: list[TallyError]
) -> Verdict | TallyError:
    """The verdict on one release, or why there is none; what keeps it from being signed changes neither."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    try:
        examination = _examined(target, asked, now)
    except TallyError as error:
        return error
    except Exception as error:  # noqa: BLE001  a defect in judging one must not keep the others from a verdict
        import traceback

        traceback.print_exception(error)
        return Defect(f"{target}: this is a defect of Tallystick; nothing was decided about that release")
    if signing is not None:  # then there is one target
        unattested += _attest(*signing, examination, asked.policy, now)
    return examination.verdict


def _examined(target: Named, asked: Asked, now: datetime) -> Examination:
    if isinstance(target, Path):
        from orchestrator.stories.verification import examine

        return examine(target, asked.policy, now, asked.digest, asked.further, asked.trusted)
    from orchestrator.ground.digest import Sha256
    from orchestrator.ground.scratch import scratch
    from orchestrator.publishing.sources.registry import RegistrySource
    from orchestrator.stories import fetching

    wanted = fetching.Asked(asked.policy, now, asked.trusted, asked.digest, asked.further)
    if isinstance(target, RegistrySource):
        with scratch() as folder:
            return fetching.verified(target.reference, folder, wanted, source=target)
    from orchestrator.stories import image_index
    from orchestrator.stories.verification import Examination

    if isinstance(target, image_index.RefusedIndex):
        return Examination(target.verdict)
    with scratch() as folder:
        if not isinstance(target, image_index.Image):
            return fetching.verified(target, folder, wanted)
        found = fetching.verified(target.reference, folder, wanted)
        found.verdict = target.judged(
            found.verdict, None if found.read is None else Sha256.of(found.read[0].data)
        )
        return found


def exit_code(verdicts: list[Verdict | TallyError]) -> ExitCode:
    """A no outweighs what could not be decided, and both outweigh a yes."""
    from orchestrator.policy.verdict import Failed, Passed

    if any(isinstance(each, Failed) for each in verdicts):
        return ExitCode.NO
    return ExitCode.YES if all(isinstance(each, Passed) for each in verdicts) else ExitCode.UNDECIDED


def _prepare(*, many: bool, certificates: bool) -> None:
    """For many releases, what takes longer than one of them and saves a part of each."""
    import gc

    if many and certificates:
        from orchestrator.bundles import certificates as judging

        judging.prepare()
    gc.freeze()  # what was imported stays, and need not be looked through again and again


def _attest(
    out: Path, key: Signer, found: Examination, policy: Policy, now: datetime
) -> Iterator[TallyError]:
    """Sign what was found, a no as well as a yes. Gives what kept it from that, which changes no verdict."""
    from orchestrator.ground.files import create
    from orchestrator.policy.summary import summary
    from orchestrator.signing import bundling

    if found.subject is None:
        yield TallyError(
            f"{out} was not written: there is no artifact to sign a summary about",
            hint="the release could not be read that far; the reasons are told",
        )
        return
    payload = summary(*found.subject, found.verdict, policy, found.attestations, now)
    try:
        create(out, bundling.sign(payload, key).render())
    except FileExistsError:  # made while the release was judged
        yield asking.taken(out)
    except TallyError as error:
        yield error


def text(target: Named, verdict: Verdict, told: set[str] | None = None) -> str:
    """A verdict as people read it: lines that nothing in the release can add to.

    `told` are the notices about the run itself that were printed before; what is printed now is added.
    """
    from orchestrator.cli.text import in_lines
    from orchestrator.policy.verdict import Failed

    if isinstance(verdict, Failed):
        lines = [f"FAILED  {target}"]
        for reason in verdict.reasons[:_REASONS_SHOWN]:
            lines += [f"  {reason.code}: {reason.sentence}"]
        if (more := len(verdict.reasons) - _REASONS_SHOWN) > 0:
            lines += [f"  … and {more} more; --json has all of them"]
        hints = dict.fromkeys(reason.hint for reason in verdict.reasons)
        return in_lines(lines + [f"  hint: {hint}" for hint in hints])
    lines = [
        f"PASSED  {target}",
        f"  artifact  {verdict.artifact}",
        f"  sha256    {verdict.sha256}",
        f"  builders  {', '.join(verdict.builders)} agree ({verdict.independence})",
        *([f"  rebuilt by {', '.join(verdict.rebuilders)}"] if verdict.rebuilders else []),
        f"  signed by {', '.join(_named(each, verdict.names.get(each, ())) for each in verdict.signers)}",
    ]
    before = set(verdict.of_the_run) & told if told is not None else set()
    if told is not None:
        told |= set(verdict.of_the_run)
    return in_lines(lines + [f"  notice: {each}" for each in verdict.notices if each not in before])


def _named(signer: str, names: Sequence[str]) -> str:
    return f"{signer} ({', '.join(names)})" if names else signer


def document(target: Named, verdict: Verdict | TallyError) -> dict[str, Any]:
    """A verdict as `--json` has it."""
    from orchestrator.cli.text import failure
    from orchestrator.policy.verdict import Failed

    if isinstance(verdict, TallyError):
        return {
            "target": str(target),
            "verdict": "undecided",
            **failure(verdict.kind, verdict, verdict.exit_code),
        }
    if isinstance(verdict, Failed):
        reasons = [
            {"code": str(each.code), "rule": each.rule, "sentence": each.sentence, "hint": each.hint}
            for each in verdict.reasons
        ]
        return {"target": str(target), "verdict": "failed", "reasons": reasons}
    return {
        "target": str(target),
        "verdict": "passed",
        "artifact": {"path": verdict.artifact, "sha256": verdict.sha256},
        "builders": list(verdict.builders),
        "independence": verdict.independence,
        "rebuilders": list(verdict.rebuilders),
        "signers": list(verdict.signers),
        "names": {signer: list(names) for signer, names in verdict.names.items()},
        "notices": list(verdict.notices),
    }
