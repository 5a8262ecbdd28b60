"""`tally policy`: whether a policy can be used, and what each of its rules sees in a release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.ground.errors import ExitCode
from orchestrator.ground.wording import counted

if TYPE_CHECKING:
    from orchestrator.policy.policy import Policy
    from orchestrator.stories.verification import Examination

policy = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@policy.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy.toml.")],
    trusted_root: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The trusted root that `tally verify` will be given, if any."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Read a policy and the keys that it names. Warns of what nothing can meet, and of what says nothing.

    Exit codes: 0 it can be used, warnings or not; 1 it is empty or expired; 2 it has a mistake.
    """
    from datetime import UTC, datetime

    from orchestrator.cli.asked import root_for
    from orchestrator.cli.text import in_lines, print_json, print_warning
    from orchestrator.policy.review.review import review
    from orchestrator.stories.policy_file import load

    found, now = load(file), datetime.now(UTC)
    root = root_for(found, trusted_root)
    against = list(found.against_itself(now))
    advice = list(review(found, now, root))
    rules = [each.name for each in found.asked]
    signers = [each.name for each in found.signers.signers]
    if json:
        reasons = [{"code": str(each.code), "sentence": each.sentence, "hint": each.hint} for each in against]
        digest = found.sha256.hex
        warnings = [{"key": each.key, "sentence": each.sentence, "hint": each.hint} for each in advice]
        document = {"policy": str(file), "sha256": digest, "signers": signers, "rules": rules}
        print_json(document | {"reasons": reasons, "warnings": warnings})
    else:
        lines = [f"{'FAILED' if against else 'OK'}  {file}", f"  sha256   {found.sha256.hex}"]
        lines += [f"  signers  {', '.join(signers) or 'none'}", f"  rules    {', '.join(rules)}"]
        if (trusts := found.root or root) is not None:
            logs = ", ".join(each.origin for each in trusts.tlogs) or "no log"
            clocks = len(trusts.timestamp_authorities)
            lines.append(
                f"  trusts   {logs}; {counted(clocks, 'timestamp authority', 'timestamp authorities')}"
            )
        for reason in against:
            lines += [f"  {reason.code}: {reason.sentence}", f"  hint: {reason.hint}"]
        for each in advice:
            print_warning(f"{file}: {each.key}: {each.sentence}", each.hint)
        print(in_lines(lines))
    return ExitCode.NO if against else ExitCode.YES


@policy.command()
def explain(
    release: Annotated[
        Path, typer.Argument(metavar="RELEASE|ARTIFACT", help="A release folder, or the artifact inside one.")
    ],
    file: Annotated[Path, typer.Option("--policy", metavar="FILE", help="A policy.toml.")],
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest", metavar="sha256:HEX", help="The artifact's, as of `tally verify`.", show_default=False
        ),
    ] = None,
    evidence: Annotated[
        list[Path] | None,
        typer.Option("--evidence", metavar="PATH", help="Others' bundles and links: a file, or a folder."),
    ] = None,
    trusted_root: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A Sigstore trusted root from elsewhere, as of `tally verify`."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show each rule, what it saw in a release, and whether it holds. Exit codes as of `tally verify`."""
    from datetime import UTC, datetime

    from orchestrator.cli import asked as asking
    from orchestrator.cli.judging import exit_code
    from orchestrator.cli.text import print_json
    from orchestrator.policy.verdict import Passed
    from orchestrator.stories.policy_file import load
    from orchestrator.stories.verification import examine

    asked = asking.asked_of(load(file), [release], digest, evidence, trusted_root)
    found = examine(release, asked.policy, datetime.now(UTC), asked.digest, asked.further, asked.trusted)
    code = exit_code([found.verdict])
    if json:
        findings = [
            {
                "rule": each.rule,
                "saw": each.saw,
                "holds": each.holds,
                "reasons": [{"code": str(why.code), "sentence": why.sentence} for why in each.reasons],
            }
            for each in found.findings
        ]
        first = None if isinstance(found.verdict, Passed) else found.verdict.reasons[0]
        decisive = first and {"code": str(first.code), "rule": first.rule, "sentence": first.sentence}
        passed = code == ExitCode.YES
        document = {"target": str(release), "passed": passed, "decisive": decisive, "findings": findings}
        print_json(document | {"leftOut": _left_out(found, asked.policy)})
    else:
        print(_explained(release, found, asked.policy))
    return code


def _left_out(found: Examination, policy: Policy) -> list[str]:
    """What was not looked at, since an earlier step refused the release: steps, the policy's rules last."""
    *steps, rules = found.left_out or ("",)
    return [*steps, f"{rules}: {', '.join(each.name for each in policy.asked)}"] if rules else []


def _explained(release: Path, found: Examination, policy: Policy) -> str:
    """Every rule, and then what decided: each reason once."""
    from orchestrator.cli.judging import text
    from orchestrator.cli.text import in_lines
    from orchestrator.policy.verdict import Failed

    if not found.findings:
        said = ["no rule was asked: an earlier step refused the release. It left out:"]
        said += [f"  {each}" for each in _left_out(found, policy)]
        return f"{in_lines(said)}\n\n{text(release, found.verdict)}"
    lines = []
    for each in found.findings:
        lines.append(f"{'pass' if each.holds else 'FAIL'}  {each.rule}: {each.saw}")
        lines += [f"      {why.code}: {why.sentence}" for why in each.reasons]
    if not isinstance(found.verdict, Failed):
        return f"{in_lines(lines)}\n\n{text(release, found.verdict)}"
    first = found.verdict.reasons[0]
    lines += ["", f"FAILED  {release}", f"  decided by {first.rule} ({first.code}), the first that fails"]
    hints = dict.fromkeys(why.hint for why in found.verdict.reasons)
    return in_lines([*lines, *(f"  hint: {hint}" for hint in hints)])
