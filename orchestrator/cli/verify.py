"""`tally verify`: a release, or the artifact in one, against public keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.errors import ExitCode, TallyError

if TYPE_CHECKING:
    from orchestrator.log.trusted_root import TrustedRoot
    from orchestrator.policy.verdict import Verdict

_REASONS_SHOWN = 100


def verify(
    targets: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RELEASE|ARTIFACT...",
            help="Release folders, or artifacts inside them; with --bundle one file.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key",
            metavar="PUB",
            help="A public key to trust (PEM). May be given several times.",
            show_default=False,
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Judge this Sigstore bundle, of anybody's, about one file."),
    ] = None,
    identity: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --bundle: the certificate's identity, exactly.")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(metavar="URL", help="With --bundle: who vouched for the identity, exactly.")
    ] = None,
    trusted_root: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A Sigstore trusted root from elsewhere; its log must have what is signed. "
            "With --bundle, default: the public instance's, fetched.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--type", metavar="TYPE", help="With --bundle: what the attestation must state."),
    ] = "https://slsa.dev/provenance/v1",
    digest: Annotated[
        str | None, typer.Option(metavar="sha256:HEX", help="With --bundle: in place of the file.")
    ] = None,
    insecure_ignore_tlog: Annotated[
        bool,
        typer.Option("--insecure-ignore-tlog", help="With --bundle and --key: take it without a log entry."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Check a release from its bytes: digests, signatures, log, subjects, links, index. Offline.

    With --bundle: whether one --key, or the --identity that --issuer vouched for, signed a file.

    Exit codes: 0 everything holds, 1 something does not, 2 it could not be decided.
    """
    if bundle is not None:
        from orchestrator.cli.verify_bundle import Options, verify_bundle

        options = Options(
            bundle, key or (), identity, issuer, trusted_root, kind, digest, insecure_ignore_tlog
        )
        return verify_bundle(targets or (), options, json=json)

    from datetime import UTC, datetime

    from orchestrator.cli.text import harmless, print_error, print_json
    from orchestrator.policy.verdict import Failed, Passed
    from orchestrator.signing.keys import PublicKey
    from orchestrator.verification import verify as verdict_of

    if identity or issuer or digest or insecure_ignore_tlog:
        raise TallyError("--identity and the like are about a bundle", hint="name it with --bundle")
    if not targets:
        raise TallyError("there is nothing to verify", hint="name a release folder, or a file and --bundle")
    keys = [PublicKey.load(path) for path in key or ()]
    trusted = _trusted(trusted_root) if trusted_root else None
    verdicts: dict[Path, Verdict | TallyError] = {}
    for target in targets:
        try:
            verdicts[target] = verdict_of(target, keys, datetime.now(UTC), trusted)
        except TallyError as error:  # says nothing of the others
            verdicts[target] = error
    if json:
        print_json([_document(target, verdict) for target, verdict in verdicts.items()])
    for target, verdict in verdicts.items():
        if isinstance(verdict, TallyError):
            print_error(verdict)
        elif not json:
            print(harmless(_text(target, verdict)))
    if any(isinstance(each, Failed) for each in verdicts.values()):
        return ExitCode.NO
    return ExitCode.YES if all(isinstance(each, Passed) for each in verdicts.values()) else ExitCode.UNDECIDED


def _trusted(path: Path) -> TrustedRoot:
    from orchestrator.evidence.canonical import MalformedError
    from orchestrator.log import trusted_root

    try:
        return trusted_root.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise TallyError(f"cannot read {path}: {error.strerror or error}") from error
    except MalformedError as error:
        raise TallyError(
            str(error), hint="a trusted root is JSON, as `trusted_root.json` in a release"
        ) from error


def _text(target: Path, verdict: Verdict) -> str:
    from orchestrator.policy.verdict import Failed

    if isinstance(verdict, Failed):
        lines = [f"FAILED  {target}"]
        for reason in verdict.reasons[:_REASONS_SHOWN]:
            lines += [f"  {reason.code}: {reason.sentence}"]
        if (more := len(verdict.reasons) - _REASONS_SHOWN) > 0:
            lines += [f"  … and {more} more; --json has all of them"]
        hints = dict.fromkeys(reason.hint for reason in verdict.reasons)
        return "\n".join(lines + [f"  hint: {hint}" for hint in hints])
    lines = [
        f"PASSED  {target}",
        f"  artifact  {verdict.artifact}",
        f"  sha256    {verdict.sha256}",
        f"  builders  {', '.join(verdict.builders)} agree ({verdict.independence})",
        f"  signed by {', '.join(verdict.signers)}",
    ]
    return "\n".join(lines + [f"  notice: {notice}" for notice in verdict.notices])


def _document(target: Path, verdict: Verdict | TallyError) -> dict[str, Any]:
    from orchestrator.policy.verdict import Failed

    if isinstance(verdict, TallyError):
        return {
            "target": str(target),
            "verdict": "undecided",
            "error": verdict.message,
            "hint": verdict.hint,
        }
    if isinstance(verdict, Failed):
        reasons = [
            {"code": str(each.code), "sentence": each.sentence, "hint": each.hint} for each in verdict.reasons
        ]
        return {"target": str(target), "verdict": "failed", "reasons": reasons}
    return {
        "target": str(target),
        "verdict": "passed",
        "artifact": {"path": verdict.artifact, "sha256": verdict.sha256},
        "builders": list(verdict.builders),
        "independence": verdict.independence,
        "signers": list(verdict.signers),
        "notices": list(verdict.notices),
    }
