"""`tally policy`: whether a policy can be used, and what each of its rules sees in a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import ExitCode

policy = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@policy.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy.toml.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Read a policy and the keys that it names. Exit codes: 1 it is empty or expired, 2 it has a mistake."""
    from datetime import UTC, datetime

    from orchestrator.cli.text import harmless, print_json
    from orchestrator.policy_file import load

    found = load(file)
    against = list(found.against_itself(datetime.now(UTC)))
    rules = [each.name for each in found.asked]
    signers = [each.name for each in found.signers.signers]
    if json:
        reasons = [{"code": str(each.code), "sentence": each.sentence, "hint": each.hint} for each in against]
        digest = found.sha256.hex
        print_json(
            {"policy": str(file), "sha256": digest, "signers": signers, "rules": rules, "reasons": reasons}
        )
    else:
        lines = [f"{'FAILED' if against else 'OK'}  {file}", f"  sha256   {found.sha256.hex}"]
        lines += [f"  signers  {', '.join(signers) or 'none'}", f"  rules    {', '.join(rules)}"]
        if found.root is not None:
            logs = ", ".join(each.origin for each in found.root.tlogs) or "no log"
            clocks = len(found.root.timestamp_authorities)
            lines.append(f"  trusts   {logs}; {clocks} timestamp authorit{'y' if clocks == 1 else 'ies'}")
        for reason in against:
            lines += [f"  {reason.code}: {reason.sentence}", f"  hint: {reason.hint}"]
        print(harmless("\n".join(lines)))
    return ExitCode.NO if against else ExitCode.YES


@policy.command()
def explain(
    release: Annotated[
        Path, typer.Argument(metavar="RELEASE|ARTIFACT", help="A release folder, or the artifact inside one.")
    ],
    file: Annotated[Path, typer.Option("--policy", metavar="FILE", help="A policy.toml.")],
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

    from orchestrator.cli.asked import root_for
    from orchestrator.cli.text import harmless, print_json
    from orchestrator.cli.verify import exit_code, text
    from orchestrator.policy_file import load
    from orchestrator.publishing.contents import read_further
    from orchestrator.verification import examine

    whom = load(file)
    root = root_for(whom, trusted_root)
    others = read_further(evidence or [])
    found = examine(release, whom, datetime.now(UTC), further=others, trusted=root)
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
        print_json({"target": str(release), "passed": code == ExitCode.YES, "findings": findings})
        return code
    lines = []
    for each in found.findings:
        lines.append(f"{'pass' if each.holds else 'FAIL'}  {each.rule}: {each.saw}")
        lines += [f"      {why.code}: {why.sentence}" for why in each.reasons]
    if not lines:
        lines = ["no rule was asked: an earlier step refused the release"]
    print(harmless("\n".join([*lines, "", text(release, found.verdict)])))
    return code
