"""`tally verify`: releases, or the artifacts in them, against a policy, or against keys alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.errors import ExitCode, TallyError

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.cli.forks import Judge
    from orchestrator.digest import Sha256
    from orchestrator.log.trusted_root import TrustedRoot
    from orchestrator.policy.policy import Policy
    from orchestrator.policy.signer import IdentitySigner
    from orchestrator.policy.verdict import Verdict
    from orchestrator.signing.signers import Signer
    from orchestrator.verification import Examination

_REASONS_SHOWN = 100
_MANY = 50


def verify(
    targets: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RELEASE|ARTIFACT...",
            help="Release folders, or artifacts inside them; with --bundle one file. `-`: see --list.",
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
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="A policy.toml: whom to trust, and what must hold."),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest",
            metavar="sha256:HEX",
            help="The artifact's; its file need not be there. With --bundle: in place of it.",
        ),
    ] = None,
    evidence: Annotated[
        list[Path] | None,
        typer.Option("--evidence", metavar="PATH", help="Others' bundles and links: a file, or a folder."),
    ] = None,
    list_file: Annotated[
        Path | None,
        typer.Option("--list", metavar="FILE", help="More targets, one a line; `-`: standard input."),
    ] = None,
    attest: Annotated[
        Path | None,
        typer.Option("--attest", metavar="OUT", help="Write the verdict as a signed summary (SLSA VSA)."),
    ] = None,
    attest_key: Annotated[
        str | None,
        typer.Option("--attest-key", metavar="KEY", help="The private key that signs it, or its address."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Judge this Sigstore bundle, of anybody's, about one file."),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="An identity to trust: what certificates name, exactly."),
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(metavar="URL", help="Who has to vouch for the --identity, exactly.")
    ] = None,
    trusted_root: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A Sigstore trusted root from elsewhere: whose certificates count, and whose log must have "
            "what is signed. With --bundle, default: the public instance's, fetched.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--type", metavar="TYPE", help="With --bundle: what the attestation must state."),
    ] = "https://slsa.dev/provenance/v1",
    insecure_ignore_tlog: Annotated[
        bool,
        typer.Option("--insecure-ignore-tlog", help="With --bundle and --key: take it without a log entry."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print one SARIF 2.1.0 document.")] = False,
) -> int:
    """Check releases from their bytes: digests, signatures, log, subjects, links, index, policy. Offline.

    With --bundle: whether one --key, or the --identity that --issuer vouched for, signed a file.

    Exit codes: 0 everything holds, 1 something does not, 2 it could not be decided.
    """
    if bundle is not None:
        from orchestrator.cli.verify_bundle import Options, verify_bundle

        if policy or evidence or list_file or attest or attest_key or sarif:
            raise TallyError(
                "--policy and the like are about releases", hint="with --bundle, give --key or --identity"
            )
        options = Options(
            bundle, key or (), identity, issuer, trusted_root, kind, digest, insecure_ignore_tlog
        )
        return verify_bundle(targets or (), options, json=json)
    if insecure_ignore_tlog:
        raise TallyError("--insecure-ignore-tlog is about a bundle", hint="name it with --bundle")
    wanted = list(_wanted(targets or [], list_file))
    if json and sarif:
        raise TallyError("--json and --sarif are one document each", hint="give one of them")
    whom = _trusted(key or [], policy, _identity(identity, issuer, trusted_root))
    asked = Asked(whom, _digest(digest, wanted), _further(evidence or []), root_for(whom, trusted_root))
    return _verify_releases(wanted, asked, _signing(attest, attest_key, wanted), json=json, sarif=sarif)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to hold for every release."""

    policy: Policy
    digest: Sha256 | None
    further: Mapping[str, bytes]
    trusted: TrustedRoot | None
    """Names logs that what is signed has to be in."""


def _verify_releases(
    targets: Sequence[Path], asked: Asked, signing: tuple[Path, Signer] | None, *, json: bool, sarif: bool
) -> ExitCode:
    """Judge each, print, and give the exit code. What cannot be decided says nothing of the others."""
    from orchestrator.cli.text import harmless, print_error, print_json

    many = len(targets) >= _MANY
    _prepare(many=many, certificates=asked.policy.identities)
    verdicts: list[tuple[Path, Verdict | TallyError]] = []
    unattested: list[TallyError] = []

    def judge(target: Path) -> Verdict | TallyError:
        return _judge(target, asked, signing, unattested)

    for target, verdict in zip(targets, _judged(targets, judge, many=many), strict=True):
        verdicts.append((target, verdict))
        if isinstance(verdict, TallyError):
            print_error(verdict)
        elif not json and not sarif:
            print(harmless(text(target, verdict)))
    for each in unattested:
        print_error(each)
    if json:
        print_json([_document(target, verdict) for target, verdict in verdicts])
    elif sarif:
        from orchestrator.cli.sarif import sarif as sarif_of

        print_json(sarif_of(verdicts))
    return exit_code([*(verdict for _, verdict in verdicts), *unattested])


def _judged(targets: Sequence[Path], judge: Judge, *, many: bool) -> Iterator[Verdict | TallyError]:
    if not many:
        return map(judge, targets)
    from orchestrator.cli.forks import judged

    return judged(targets, judge)


def _judge(
    target: Path, asked: Asked, signing: tuple[Path, Signer] | None, unattested: list[TallyError]
) -> Verdict | TallyError:
    """The verdict on one release, or why there is none; what keeps it from being signed changes neither."""
    from datetime import UTC, datetime

    from orchestrator.verification import examine

    now = datetime.now(UTC)
    try:
        examination = examine(target, asked.policy, now, asked.digest, asked.further, asked.trusted)
    except TallyError as error:
        return error
    if signing is not None:  # then there is one target
        unattested += _attest(*signing, examination, asked.policy, now)
    return examination.verdict


def exit_code(verdicts: list[Verdict | TallyError]) -> ExitCode:
    """A no outweighs what could not be decided, and both outweigh a yes."""
    from orchestrator.policy.verdict import Failed, Passed

    if any(isinstance(each, Failed) for each in verdicts):
        return ExitCode.NO
    return ExitCode.YES if all(isinstance(each, Passed) for each in verdicts) else ExitCode.UNDECIDED


def root_for(policy: Policy, path: Path | None) -> TrustedRoot | None:
    """The trusted root of --trusted-root, where a policy has none of its own. Raises TallyError."""
    if path is None:
        return None
    from orchestrator.signing.bundles import trust

    if policy.root is not None:
        raise TallyError(
            f"{policy.name} names a trusted root, and --trusted-root another: whose word counts is said once",
            hint="leave --trusted-root out, or `trusted-root` out of the policy",
        )
    return trust.load(path)


def _prepare(*, many: bool, certificates: bool) -> None:
    """For many releases, what takes longer than one of them and saves a part of each."""
    import gc
    import importlib

    if many:
        importlib.import_module("pydantic_core")  # see evidence/canonical.py
    if many and certificates:
        from orchestrator.signing.bundles import certificates as judging

        judging.prepare()
    gc.freeze()  # what was imported stays, and need not be looked through again and again


def _wanted(targets: list[Path], list_file: Path | None) -> Iterator[Path]:
    """Everything that is to be verified. Raises TallyError when that is nothing."""
    lists = [list_file] if list_file is not None else []
    lists += [target for target in targets if target == Path("-")]
    named = [target for target in targets if target != Path("-")]
    for file in dict.fromkeys(lists):
        try:
            content = sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
        except OSError as error:
            raise TallyError(f"cannot read the list {file}: {error.strerror or error}") from error
        named += [Path(_name(line)) for line in content.split(b"\n") if line.strip()]
    if not named:
        raise TallyError(
            "there is nothing to verify", hint="name a release, or give a list of them with --list"
        )
    yield from named


def _name(line: bytes) -> str:
    import os

    if b"\0" in line:
        raise TallyError("a list of targets has one name a line, and no NUL in it")
    return os.fsdecode(line.removesuffix(b"\r"))


def _identity(identity: str | None, issuer: str | None, trusted_root: Path | None) -> IdentitySigner | None:
    from orchestrator.policy.signer import IdentitySigner

    if identity is None and issuer is None:
        return None
    if not identity or not issuer or trusted_root is None:
        raise TallyError(
            "an identity is worth as much as who vouches for it, and whose certificates count",
            hint="give --identity, --issuer and --trusted-root together",
        )
    return IdentitySigner(issuer, identity)


def _trusted(keys: list[Path], policy: Path | None, identity: IdentitySigner | None) -> Policy:
    """The policy of a file, or the smallest one, which trusts keys or an identity."""
    if [policy is not None, bool(keys), identity is not None].count(True) != 1:
        raise TallyError(
            "whom to trust is said once: by --key, by --identity or by --policy",
            hint="give the publisher's public key with --key, its --identity, or a policy.toml that names it "
            "with --policy",
        )
    if policy is not None:
        from orchestrator.policy_file import load

        return load(policy)
    from orchestrator.policy.policy import trusting
    from orchestrator.signing.keys import PublicKey

    try:
        return trusting([PublicKey.load(path).spki for path in keys], identity)
    except ValueError as error:
        raise TallyError(str(error), hint="a policy.toml can have patterns: --policy") from error


def _further(paths: list[Path]) -> Mapping[str, bytes]:
    from orchestrator.publishing.contents import read_further

    return read_further(paths)


def _digest(said: str | None, wanted: list[Path]) -> Sha256 | None:
    from orchestrator.digest import Sha256

    if said is None:
        return None
    if len(wanted) > 1:
        raise TallyError("--digest is about one artifact", hint="give one release with it")
    try:
        algorithm, _, value = said.partition(":")
        if algorithm != "sha256":
            raise ValueError("it is not a sha256")
        return Sha256(value)
    except ValueError as error:
        raise TallyError(
            f"--digest {said!r}: {error}", hint="give sha256: and 64 lower-case hexadecimal digits"
        ) from error


def _signing(out: Path | None, key: str | None, wanted: list[Path]) -> tuple[Path, Signer] | None:
    """Where the summary is written and what signs it, looked at before anything is judged."""
    import os

    if out is None and key is None:
        return None
    if out is None or key is None:
        raise TallyError(
            "--attest and --attest-key go together", hint="name the file, and the key that signs"
        )
    if len(wanted) > 1:
        raise TallyError("--attest is about one artifact", hint="give one release with it")
    if os.path.lexists(out):
        raise TallyError(f"{out} is there already", hint="name another file: summaries are never overwritten")
    from orchestrator.key_address import parse
    from orchestrator.signing.passphrase import of
    from orchestrator.signing.signers import opened

    return out, opened(parse(key), of)


def _attest(
    out: Path, key: Signer, found: Examination, policy: Policy, now: datetime
) -> Iterator[TallyError]:
    """Sign what was found, a no as well as a yes. Gives what kept it from that, which changes no verdict."""
    from orchestrator.files import write_atomically
    from orchestrator.policy.summary import summary
    from orchestrator.signing import bundle

    if found.subject is None:
        yield TallyError(
            f"{out} was not written: there is no artifact to sign a summary about",
            hint="the release could not be read that far; the reasons are told",
        )
        return
    payload = summary(*found.subject, found.verdict, policy, found.attestations, now)
    try:
        write_atomically(out, bundle.sign(payload, key).render())
    except TallyError as error:
        yield error


def text(target: Path, verdict: Verdict) -> str:
    """A verdict as people read it."""
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
        "signers": list(verdict.signers),
        "notices": list(verdict.notices),
    }
