"""`tally verify --bundle`: anybody's Sigstore bundle, for one artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli import asked
from orchestrator.ground.errors import ExitCode, TallyError

if TYPE_CHECKING:
    from orchestrator.bundles.certificates import Identity
    from orchestrator.ground.digest import Sha256
    from orchestrator.keys.key import PublicKey
    from orchestrator.policy.verdict import Failed
    from orchestrator.stories.foreign_bundle import Accepted, Judgement


@dataclass(frozen=True, slots=True)
class Options:
    """What was typed, as far as it is about a bundle."""

    bundle: Path
    keys: Sequence[Path]
    identity: str | None
    issuer: str | None
    trusted_root: Path | None
    kind: str | None
    """The type that was asked for; None: none was."""
    digest: str | None
    insecure_ignore_tlog: bool


def verify_bundle(targets: Sequence[Path], options: Options, *, json: bool) -> int:
    """Judge, print, and give the exit code. Raises TallyError for options that do not go together."""
    from datetime import UTC, datetime

    from orchestrator.cli import predicate_types
    from orchestrator.cli.text import print_error, print_json
    from orchestrator.policy.verdict import Failed
    from orchestrator.stories.foreign_bundle import Question, judge_all

    question = Question(
        target=_target(targets, options.digest),
        bundle=options.bundle,
        signer=_signer(options),
        trusted_root=options.trusted_root,
        predicate_types=predicate_types.asked(options.kind),
        statement_demanded=options.kind is not None,
        insecure_ignore_tlog=options.insecure_ignore_tlog,
    )
    name = str(question.target)
    try:
        judgement = judge_all(question, datetime.now(UTC))
        verdict = judgement.verdict
    except TallyError as error:
        if not json:
            raise
        print_error(error)
        print_json([{"target": name, **_undecided(error)}])
        return ExitCode.UNDECIDED
    if json:
        print_json([_document(name, judgement)])
    else:
        print(_text(name, judgement))
    return ExitCode.NO if isinstance(verdict, Failed) else ExitCode.YES


def _target(targets: Sequence[Path], digest: str | None) -> Path | Sha256:
    from orchestrator.ground.digest import Sha256

    if digest is None and len(targets) == 1:
        return targets[0]
    if digest is None or targets:
        raise TallyError("--bundle is about one artifact", hint="name one file, or give its --digest")
    try:
        return Sha256.read(digest)
    except ValueError as error:
        raise TallyError(f"{digest!r} is no digest", hint="sha256: and 64 hexadecimal digits") from error


def _signer(options: Options) -> PublicKey | Identity:
    from orchestrator.bundles.certificates import Identity
    from orchestrator.keys.key import PublicKey
    from orchestrator.keys.kinds import EVERY

    if not options.keys and (options.identity is not None or options.issuer is not None):
        asked.refuse_half(options.identity, options.issuer)
    match options.keys, options.identity, options.issuer:
        case [key], None, None:
            return PublicKey.load(key, EVERY)
        case [], str() as identity, str() as issuer if identity and issuer:
            if options.insecure_ignore_tlog:
                raise TallyError("a certificate is worth nothing without a transparency log")
            return Identity(identity, issuer)
        case _:
            raise TallyError(
                "it is not said who must have signed the bundle",
                hint="give one --key, or --identity and --issuer",
            )


def _named(signer: PublicKey | Identity) -> str:
    from orchestrator.keys.key import PublicKey

    if isinstance(signer, PublicKey):
        return f"key sha256:{signer.fingerprint}"
    return f"{signer.subject} ({signer.issuer})"


def _text(name: str, judgement: Judgement) -> str:
    from orchestrator.cli.text import in_lines
    from orchestrator.policy.verdict import Failed

    verdict = judgement.verdict
    if isinstance(verdict, Failed):
        lines = [f"FAILED  {name}"]
        lines += [f"  {reason.code}: {reason.sentence}" for reason in verdict.reasons]
        hints = dict.fromkeys(each.hint for each in verdict.reasons)
        return in_lines(lines + [f"  hint: {hint}" for hint in hints])
    lines = [
        f"PASSED  {name}",
        f"  sha256    {verdict.sha256}",
        f"  signed by {_named(verdict.signer)}",
        f"  states    {verdict.predicate_type or 'nothing: the artifact itself is signed'}",
    ]
    lines += [f"  in log    {log}" for log in verdict.logs]
    lines += [
        f"  signed at {each.time:%Y-%m-%dT%H:%M:%SZ} at the latest ({each.source})"
        for each in verdict.moments
    ]
    lines += [f"  notice: {notice}" for notice in verdict.notices]
    if len(judgement.each) > 1:
        lines.append(f"  of {len(judgement.each)} bundles")
        lines += [f"    {which}: {_in_short(each)}" for which, each in judgement.each]
    return in_lines(lines)


def _in_short(each: Accepted | Failed | TallyError) -> str:
    from orchestrator.policy.verdict import Failed

    if isinstance(each, TallyError):
        return f"undecided: {each.message}"
    if isinstance(each, Failed):
        return "; ".join(f"{reason.code}: {reason.sentence}" for reason in each.reasons)
    return f"holds, and states {each.predicate_type or 'nothing'}"


def _document(name: str, judgement: Judgement) -> dict[str, Any]:
    """The verdict; where the file has several bundles, what was found of each, too."""
    document = _decided(name, judgement.verdict)
    if len(judgement.each) > 1:
        document["bundles"] = [
            {"bundle": which, **_undecided(each)}
            if isinstance(each, TallyError)
            else {**_decided(name, each), "bundle": which}
            for which, each in judgement.each
        ]
    return document


def _undecided(error: TallyError) -> dict[str, Any]:
    from orchestrator.cli.text import failure

    return {"verdict": "undecided", **failure(error.kind, error, error.exit_code)}


def _decided(name: str, verdict: Accepted | Failed) -> dict[str, Any]:
    from orchestrator.policy.verdict import Failed

    if isinstance(verdict, Failed):
        reasons = [
            {"code": str(each.code), "sentence": each.sentence, "hint": each.hint} for each in verdict.reasons
        ]
        return {"target": name, "verdict": "failed", "reasons": reasons}
    return {
        "target": name,
        "verdict": "passed",
        "artifact": {"path": verdict.artifact, "sha256": verdict.sha256},
        "signers": [_named(verdict.signer)],
        "predicateType": verdict.predicate_type,
        "logs": list(verdict.logs),
        "times": [
            {"time": f"{each.time:%Y-%m-%dT%H:%M:%SZ}", "source": each.source} for each in verdict.moments
        ],
        "notices": list(verdict.notices),
    }
